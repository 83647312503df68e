"""Loading a part before it may work: `commander dev` does so, while its servers start."""

from __future__ import annotations

import asyncio
import os

_VARIABLE = "_COMMANDER_HELD_BY"


class Hold:
    """The parent's side: a pipe that the held processes read, and that ends when they are released."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    @property
    def environment(self) -> dict[str, str]:
        """What tells a process that it is held."""
        return {_VARIABLE: str(self._read)}

    @property
    def inherited(self) -> tuple[int, ...]:
        """The descriptors that a held process inherits."""
        return (self._read,)

    def release(self) -> None:
        """Lets all go on; nothing when they may already."""
        for descriptor in (self._write, self._read):
            if descriptor >= 0:
                os.close(descriptor)
        self._read = self._write = -1


async def until_released() -> None:
    """The process's side: returns when its parent releases it; at once when nobody holds it."""
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
