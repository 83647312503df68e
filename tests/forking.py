"""Commander by fork: one process has imported it, and what a test starts is a fork of that one.

A start spends most of its time on imports, and the tests start some two hundred processes. The tests about
starting and stopping run real ones. `commander dev` is forked too, and forks its parts: forked_tree.py. A
fork has the arguments, environment, directory and output that it is given, and enters Commander where the
command `commander` does. All forks of one test process have one PYTHONHASHSEED, and none takes the
interpreter apart at its end.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import json
import os
import pkgutil
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, NoReturn


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
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        atexit.register(self._close)

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        output: int,
        errors: int,
        directory: Path | None = None,
        network: str | None = None,
        entry: str = "commander.cli.main:main",
    ) -> Forked:
        """Starts `commander` with these arguments.

        output, errors: the file descriptors it writes to. network: its network namespace, by name. entry: the
        function that is run, if it is another.
        """
        request = {
            "arguments": arguments,
            "environment": dict(environment),
            "directory": str(directory or Path.cwd()),
            "network": network,
            "entry": entry,
        }
        end, told = os.pipe()
        try:
            with self._lock:
                line = json.dumps(request).encode() + b"\n"
                sent = socket.send_fds(self._control, [line], [output, errors, told])
                self._control.sendall(line[sent:])
                answer = self._control.recv(16)
        finally:
            os.close(told)
        assert answer, "the fork server runs"
        return Forked(int(answer), end)

    def run(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path | None = None,
        timeout_seconds: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """How `commander` with these arguments ended, and what it wrote."""
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            started = self.start(arguments, environment, output.fileno(), errors.fileno(), directory)
            try:
                code = started.wait(timeout_seconds)
            finally:
                started.kill()
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(arguments, code, output.read(), errors.read())

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
    network: str | None
    entry: str
    output: int
    errors: int
    told: int


def _preload() -> None:
    """Imports what Commander imports. Nothing here may make a loop, a thread or a connection."""
    from commander import cli, parts
    from commander.cli.commands import app

    for package in (cli, parts):
        for module in pkgutil.iter_modules(package.__path__):
            import_module(f"{package.__name__}.{module.name}")
    import_module("uvloop")
    _make_what_the_bank_needs()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        app(["--help"])  # typer imports much when it runs


def _make_what_the_bank_needs() -> None:
    """Its schema and its fingerprints, which each process of it makes at its start, always the same."""
    from commander.examples.bank import bank

    api: Any = import_module("commander.parts.api")
    build, of_the_bank = api.build_schema, api.build_schema(bank)

    def built(domain: object, *given: object, **named: object) -> Any:
        is_plain = domain is bank and not given and all(one in (None, False) for one in named.values())
        return of_the_bank if is_plain else build(domain, *given, **named)

    api.build_schema = built
    _ = bank.code


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
                os.close(request.errors)
                control.sendall(str(pid).encode())


def _received(control: socket.socket) -> _Request | None:
    line, descriptors, _, _ = socket.recv_fds(control, 65536, 3)
    if not line:
        return None
    while not line.endswith(b"\n"):
        line += control.recv(65536)
    output, errors, told = descriptors
    return _Request(**json.loads(line), output=output, errors=errors, told=told)


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
    if request.network is not None:
        _enter(request.network)
    os.chdir(request.directory)
    for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), request.output, request.errors)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = ["commander", *request.arguments]


def _enter(network: str) -> None:
    import ctypes

    namespace = os.open(f"/run/netns/{network}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0):
        raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {network}")
    os.close(namespace)


def end_as_commander(main: Callable[[], None]) -> NoReturn:
    """Runs a command and ends the process as Python does, up to where it would take itself apart."""
    code = 0
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    _preload()
    gc.collect()
    gc.freeze()  # so that a collection in a fork writes to no page that it shares
    request = _serve(control)
    if request is not None:
        _become(request)
        module, _, name = request.entry.partition(":")
        end_as_commander(getattr(import_module(module), name))


if __name__ == "__main__":
    _main()
