"""`commander dev` whose parts are forks of it: it has imported Commander when it starts, and so have they.

What it starts runs otherwise as the part would: it has the environment, the open files and the session that
`commander dev` gives it, ends with it, and is started again by it. A fork shows the command line and the
environment of the first process of all, so each part writes down its own: see `Part` and `parts_of`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.forking import end_as_commander

REGISTER = "PARTS_REGISTER"
"""The variable with the file that the parts write themselves down in."""


class Part(NamedTuple):
    """A part that was started. environment: what it began with."""

    pid: int
    name: str
    environment: dict[str, str]


def parts_of(register: Path) -> list[Part]:
    """The parts that were started so far, the newest last."""
    if not register.exists():
        return []
    lines = register.read_text().split("\n")
    return [Part(*json.loads(line)) for line in lines[:-1]]  # behind the last \n one may be half written


def main() -> None:
    """`commander dev`, in a process that has imported Commander."""
    start: Any = asyncio.create_subprocess_exec

    async def forked(program: str, *arguments: str, **given: Any) -> Any:
        part = arguments[arguments.index("commander") + 1 :] if "commander" in arguments else ()
        if program == sys.executable and part:
            arrange, environment = given["preexec_fn"], given["env"]

            def become() -> None:
                """In the child, in place of what would be executed."""
                if arrange is not None:
                    arrange()
                _run(part, environment, given["pass_fds"])

            given["preexec_fn"] = become
        return await start(program, *arguments, **given)

    replaced: Any = forked
    asyncio.create_subprocess_exec = replaced
    from commander.cli.main import main as commander

    commander()


def _run(part: Sequence[str], environment: Mapping[str, str], inherited: Sequence[int]) -> None:
    """Runs a part, and ends this process with it."""
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor > 2 and descriptor not in inherited:
            _close(descriptor)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for number in (
        signal.SIGPIPE,
        signal.SIGXFSZ,
    ):  # `subprocess` sets them back; Python ignores them when it starts
        signal.signal(number, signal.SIG_IGN)
    asyncio._set_running_loop(None)
    asyncio.set_event_loop(None)
    logging.getLogger().handlers.clear()
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["commander", *part]
    gc.enable()
    with Path(environment[REGISTER]).open("a") as register:
        register.write(json.dumps(Part(os.getpid(), part[-1], dict(environment))) + "\n")
    end_as_commander(_commander())


def _commander() -> Callable[[], None]:
    from commander.cli.main import main

    return main


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:  # the one of the directory that was listed
        return
