"""`commander` on a terminal of its own: a pseudo-terminal, on which Ctrl-C is a key."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_COLUMNS = 160


class Terminal:
    """Starts on entering, is killed on leaving if it still runs. shown: all that it has written, without
    control sequences."""

    def __init__(self, directory: Path, *arguments: str, **environment: str) -> None:
        self.shown = ""
        self._arguments = arguments
        self._directory = directory
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("COMMANDER_")}
        self._environment: Mapping[str, str] = {**inherited, "TERM": "xterm-256color", **environment}

    def __enter__(self) -> Terminal:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, _COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "commander", *self._arguments],
            env=self._environment,
            cwd=self._directory,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def until(self, text: str, timeout_seconds: float = 60) -> None:
        """Reads until this text has been shown."""
        deadline = time.monotonic() + timeout_seconds
        while text not in self.shown:
            assert time.monotonic() < deadline, f"{text!r} is not shown:\n{self.shown[-4000:]}"
            assert self._read(), f"it ended without {text!r}:\n{self.shown[-4000:]}"

    def press_control_c(self) -> None:
        os.write(self._master, b"\x03")

    def ended(self, timeout_seconds: float = 60) -> int:
        """The exit code; all that it has written is then in `shown`."""
        deadline = time.monotonic() + timeout_seconds
        while self._read():
            assert time.monotonic() < deadline, f"it does not end:\n{self.shown[-4000:]}"
        return self.process.wait(timeout_seconds)

    def _read(self) -> bool:
        """Whether it may write more."""
        ready, _, _ = select.select([self._master], [], [], 0.1)
        if not ready:
            return True
        try:
            written = os.read(self._master, 65536)
        except OSError:  # Linux: nobody has the other end any more
            return False
        self.shown += _CONTROL.sub("", written.decode("utf-8", "replace"))
        return bool(written)
