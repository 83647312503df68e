"""uvicorn's HTTP protocol, with bounds for requests that are never finished.

(connected) ─► HEAD ─ its end ─► BODY ─ its end ─► ANSWERED ─ the next request begins ─► HEAD
                 └── too late, or too long ──┴─► refused: the connection ends

A head that arrives whole, and a body that arrives with it, cost no timer.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from commander.parts.taken import end_when_untaken

MAX_HEAD_BYTES = 64 * 1024
"""The longest head of a request, with the URL, and the longest part of a body that has no content."""


@dataclass(frozen=True)
class ConnectionBounds:
    """What one client may take of a process.

    head_seconds: to send a head, from the connection or from its first byte. body_seconds: to send a body.
    idle_seconds: between two requests. untaken_seconds: to take anything of what was sent.
    connections: of all clients together.
    """

    head_seconds: float
    body_seconds: float
    idle_seconds: float
    untaken_seconds: float
    connections: int


class _Phase(Enum):
    HEAD = auto()
    BODY = auto()
    ANSWERED = auto()


class RequestProtocol(HttpToolsProtocol):
    """Ends the connection of a client that does not finish its request, with 408 or 431 if it began one."""

    def __init__(self, *args: Any, bounds: ConnectionBounds, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = bounds
        self.timeout_keep_alive = bounds.idle_seconds  # type: ignore[assignment]  # uvicorn's settings want an int
        self._phase = _Phase.HEAD
        self._began = False  # to send a request
        self._without_content = 0  # bytes since the last that was more than a part of a head
        self._earlier: list[RequestResponseCycle] = []  # of pipelined requests; uvicorn knows the last one
        self._timer: asyncio.TimerHandle | None = None
        self._timed: _Phase | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        end_when_untaken(transport, self._bounds.untaken_seconds)
        if len(self.connections) > self._bounds.connections:
            self._refuse(503, "OVERLOADED", "this process has as many connections as it may have")
        else:
            self._time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_timer()
        for cycle in self._earlier:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._without_content += len(data)
        if self._phase is _Phase.ANSWERED and (self.cycle is None or self.cycle.response_complete):
            self._phase = _Phase.HEAD  # also for a blank line, which begins nothing
        super().data_received(data)
        if self._without_content > MAX_HEAD_BYTES and self._phase is not _Phase.ANSWERED:
            self._refuse(431, "BAD_REQUEST", f"the head of the request is longer than {MAX_HEAD_BYTES} bytes")
        self._time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._phase, self._began = _Phase.HEAD, True

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if before is not None and not before.response_complete:
            self._earlier = [one for one in (*self._earlier, before) if not one.response_complete]
        self._phase, self._without_content = _Phase.BODY, 0

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._without_content = 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._phase, self._began, self._without_content = _Phase.ANSWERED, False, 0

    def handle_websocket_upgrade(self) -> None:
        self._end_timer()
        super().handle_websocket_upgrade()
        self._phase = _Phase.ANSWERED

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "BAD_REQUEST", "this is not a valid HTTP request")

    def _time(self) -> None:
        """Times the phase, if it is another one than is timed."""
        if self._phase is self._timed or (self._phase is _Phase.ANSWERED and self._timed is None):
            return
        self._end_timer()
        if self._phase is not _Phase.ANSWERED and not self.transport.is_closing():
            seconds = self._bounds.head_seconds if self._phase is _Phase.HEAD else self._bounds.body_seconds
            self._timer, self._timed = self.loop.call_later(seconds, self._late), self._phase

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._timed = None

    def _late(self) -> None:
        self._timer = self._timed = None
        answering = self.cycle is not None and not self.cycle.response_complete
        if self.flow.read_paused or (answering and self._phase is _Phase.HEAD):
            self._time()  # this process is late: it answers an earlier request, or does not read
        elif not self._began or (
            self.cycle is not None and self._phase is _Phase.BODY and self.cycle.response_started
        ):
            self.transport.close()
        else:
            what = "head" if self._phase is _Phase.HEAD else "body"
            self._refuse(408, "BAD_REQUEST", f"the {what} of the request was not sent in time")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answers in GraphQL's form and ends the connection."""
        if self.transport.is_closing():
            return
        self._end_timer()
        body = json.dumps({"errors": [{"message": message, "extensions": {"code": code}}]}).encode()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
        retry = b"retry-after: 5\r\n" if status == 503 else b""
        self.transport.write(b"".join((STATUS_LINE[status], head, retry, b"\r\n", body)))
        self.transport.close()
