"""Parts by fork: one process has imported Commander, and each part that a test starts is a fork of it.

A start spends most of its time on imports, and the tests start more than a hundred parts. `commander dev` and
the tests about starting run real ones. A fork has the environment, directory, session and output that it is
given, and enters Commander where `python -m commander` does. All forks of one test process have one
PYTHONHASHSEED.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Forked:
    """A part that runs, with what the tests use of a subprocess.Popen."""

    def __init__(self, pid: int, end: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._end = end  # a pipe: the return code comes out of it

    def poll(self) -> int | None:
        """The return code; None while it runs."""
        return self._ended(timeout_seconds=0)

    def wait(self, timeout: float | None = None) -> int:
        """The return code, once it has ended. Raises subprocess.TimeoutExpired."""
        code = self._ended(timeout)
        if code is None:
            assert timeout is not None, "without a timeout it waits until the end"
            raise subprocess.TimeoutExpired(f"the forked part {self.pid}", timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout_seconds: float | None) -> int | None:
        if self.returncode is None:
            poll = select.poll()
            poll.register(self._end, select.POLLIN)
            if poll.poll(None if timeout_seconds is None else timeout_seconds * 1000):
                self.returncode = int(os.read(self._end, 16))
                os.close(self._end)
        return self.returncode


class ForkServer:
    """The process that is forked, as seen by the tests. It ends when this process does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forking", str(theirs.fileno())],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        atexit.register(self._close)

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], output: int) -> Forked:
        """Starts `commander` with these arguments. output: the file descriptor it writes to."""
        request = {"arguments": arguments, "environment": dict(environment), "directory": os.getcwd()}
        end, told = os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._control, [json.dumps(request).encode() + b"\n"], [output, told])
                answer = self._control.recv(16)
        finally:
            os.close(told)
        assert answer, "the fork server runs"
        return Forked(int(answer), end)

    def _close(self) -> None:
        self._control.close()
        self._process.wait()


@cache
def fork_server() -> ForkServer:
    """The one of this process."""
    return ForkServer()


class _Request(NamedTuple):
    arguments: list[str]
    environment: dict[str, str]
    directory: str
    output: int
    told: int


def _preload() -> None:
    """Imports what the parts import. Nothing here may make a loop, a thread or a connection."""
    from importlib import import_module

    from commander.cli.parts import PARTS

    for module in ("uvloop", "commander.cli.loading", "commander.parts.process", "commander.examples.bank"):
        import_module(module)
    for name in PARTS:
        import_module(f"commander.parts.{name}")


def _serve(control: socket.socket) -> _Request | None:
    """Forks at each request. Returns what to run in the fork, and None in the server when the tests end."""
    running: dict[int, int] = {}  # the pipes, by process
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector, control, woken, wakes:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if woken in ready:
                woken.recv(1024)
                _tell_ends(running)
            if control in ready:
                request = _received(control)
                if request is None:
                    return None
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for pipe in (*running.values(), request.told):
                        os.close(pipe)
                    return request
                running[pid] = request.told
                os.close(request.output)
                control.sendall(str(pid).encode())


def _received(control: socket.socket) -> _Request | None:
    line, descriptors, _, _ = socket.recv_fds(control, 65536, 2)
    if not line:
        return None
    while not line.endswith(b"\n"):
        line += control.recv(65536)
    return _Request(**json.loads(line), output=descriptors[0], told=descriptors[1])


def _tell_ends(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        pipe = running.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody may wait for it any more
            os.write(pipe, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(pipe)


def _become(request: _Request) -> None:
    os.setsid()
    os.chdir(request.directory)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(request.output, 1)
    os.dup2(request.output, 2)
    os.close(request.output)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.path[0] = request.directory
    sys.argv[1:] = request.arguments


def _main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    _preload()
    gc.collect()
    gc.freeze()  # so that a collection in a fork writes to no page that it shares
    request = _serve(control)
    if request is not None:
        from commander.cli.main import main

        _become(request)
        main()


if __name__ == "__main__":
    _main()
