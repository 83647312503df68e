"""uvicorn's WebSocket protocol, extended to write frames."""

from __future__ import annotations

from typing import Any, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from commander.schema.http.frames import WRITE_FRAMES


class FrameProtocol(WebSocketsSansIOProtocol):
    """Offers the application an ASGI extension that writes many frames at once."""

    async def run_asgi(self) -> None:
        extensions = cast(dict[str, Any], self.scope["extensions"])
        extensions[WRITE_FRAMES] = self._write_frames
        await super().run_asgi()

    async def _write_frames(self, frames: bytes) -> None:
        """Writes frames once the client has taken most of what was written before."""
        await self.writable.wait()
        if self.disconnected or self.close_sent:
            raise ClientDisconnected
        self.transport.write(frames)
