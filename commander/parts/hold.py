"""Lets `commander dev` load a part before it may work, while the servers start."""

from __future__ import annotations

import asyncio
import os

_VARIABLE = "_COMMANDER_HELD_BY"


class Hold:
    """The parent's side: a pipe that the held processes read. Its end releases them."""

    def __init__(self) -> None:
        self._pipe: tuple[int, int] | None = os.pipe()

    @property
    def environment(self) -> dict[str, str]:
        """The variable that makes a process wait. Empty after the release."""
        return {} if self._pipe is None else {_VARIABLE: str(self._pipe[0])}

    @property
    def inherited(self) -> tuple[int, ...]:
        """The file descriptors that a held process inherits."""
        return () if self._pipe is None else self._pipe[:1]

    def release(self) -> None:
        """Releases all held processes."""
        if self._pipe is not None:
            read, write = self._pipe
            self._pipe = None
            os.close(write)
            os.close(read)


async def until_released() -> None:
    """The process's side: waits until the parent releases it. Returns at once if it is not held."""
    descriptor = os.environ.pop(_VARIABLE, None)
    if descriptor is None:
        return
    reader = asyncio.StreamReader()
    pipe = os.fdopen(int(descriptor), "rb", buffering=0)  # the transport closes it
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    await reader.read()
    transport.close()
