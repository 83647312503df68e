"""uvicorn's WebSocket protocol, extended: it writes frames, and knows a slow client from one that is gone."""

from __future__ import annotations

from typing import Any, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from commander.parts.taken import taken_bytes, waiting_bytes
from commander.schema.http.frames import WRITE_FRAMES

_NOT_UTF_8 = 1007
"""RFC 6455, section 7.4.1."""


class FrameProtocol(WebSocketsSansIOProtocol):
    """Offers the application an ASGI extension that writes many frames at once.

    A ping waits behind all that was written before, which can be some megabytes in the buffer of the system.
    So a client whose answer is late stays connected while it still takes bytes that came before the ping.
    """

    _taken = 0
    _ping_at = 0  # how many bytes are taken when the ping is

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

    async def send(self, message: ASGISendEvent) -> None:
        await self.writable.wait()
        if self.close_sent:  # with 1011, while the application waited; uvicorn would say that it is wrong
            raise ClientDisconnected
        await super().send(message)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_initiated = self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))  # 414 or 431; uvicorn drops it
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            data = b"".join(self.frames)
            try:
                data.decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.fail(_NOT_UTF_8, "the message is not UTF-8")
                self.handle_parser_exception()
                return
            self.frames = [data]
        super().send_receive_event_to_app()

    def send_keepalive_ping(self) -> None:
        self._taken = taken_bytes(self.transport)
        waiting = waiting_bytes(self.transport)
        super().send_keepalive_ping()
        self._ping_at = self._taken + waiting

    def keepalive_timeout(self) -> None:
        before, self._taken = self._taken, taken_bytes(self.transport)
        if before < min(self._taken, self._ping_at) and self.ping_timeout is not None:
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        else:
            super().keepalive_timeout()
            self._abort_when_untaken()

    def _abort_when_untaken(self) -> None:
        """Ends the closed connection when its client no longer takes what comes before the closing frame."""

        def look() -> None:
            if self.disconnected:
                return
            before, self._taken = self._taken, taken_bytes(self.transport)
            if before == self._taken:
                self.transport.abort()
            else:
                self._abort_when_untaken()

        if self.ping_timeout is not None:
            self.loop.call_later(self.ping_timeout, look)
