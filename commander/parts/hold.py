"""Loading a part before it may work: `commander dev` does so, while its servers start."""

from __future__ import annotations

import asyncio
import os

_VARIABLE = "_COMMANDER_HELD_BY"


class Hold:
    """The parent's side: a pipe that the held processes read, and that ends when they are released."""

    def __init__(self) -> None:
        self._pipe: tuple[int, int] | None = os.pipe()

    @property
    def environment(self) -> dict[str, str]:
        """What tells a process that it is held; nothing once all are released."""
        return {} if self._pipe is None else {_VARIABLE: str(self._pipe[0])}

    @property
    def inherited(self) -> tuple[int, ...]:
        """The descriptors that a held process inherits."""
        return () if self._pipe is None else self._pipe[:1]

    def release(self) -> None:
        """Lets all go on that are held."""
        if self._pipe is not None:
            read, write = self._pipe
            self._pipe = None
            os.close(write)
            os.close(read)


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
