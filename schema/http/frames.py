"""Rendered items as WebSocket frames. Many frames are written at once.

A server that sends message by message makes one frame and one system call per message. Here a frame has a
head, a prefix with the id of the client's operation, and the rendering that all subscribers share. A page of
frames is one write. (RFC 6455, section 5.2: a frame from a server is not masked. Frames are not compressed:
compression has a state per connection, so nothing could be shared.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from commander.schema.execution.rendered import Rendered

WRITE_FRAMES = "commander.write_frames"
"""The ASGI extension with which commander/parts/frame_protocol.py takes frames. Other servers get messages.

Its value is an async function of bytes. It raises OSError after the connection has ended.
"""

_TEXT = 0x81  # a whole message of text
_CHUNK_BYTES = 64 * 1024


class NextMessages:
    """The messages `next` of one operation, as graphql-transport-ws defines them."""

    def __init__(self, operation_id: str) -> None:
        self._before = b'{"id":' + msgspec.json.encode(operation_id) + b',"type":"next","payload":'

    def text(self, rendered: Rendered) -> str:
        return (self._before + rendered.payload + b"}").decode()

    def frames(self, page: Sequence[Rendered]) -> Iterator[bytes]:
        """The messages as frames, joined into chunks that are written at once."""
        before = self._before
        around = len(before) + 1
        parts: list[bytes] = []
        size = 0
        for rendered in page:
            head = rendered.heads.get(around)
            if head is None:
                head = rendered.heads[around] = _head(around + len(rendered.payload))
            parts += (head, before, rendered.payload, b"}")
            size += len(rendered.payload) + around
            if size >= _CHUNK_BYTES:
                yield b"".join(parts)
                parts, size = [], 0
        if parts:
            yield b"".join(parts)


def _head(size: int) -> bytes:
    if size < 126:
        return bytes((_TEXT, size))
    if size < 2**16:
        return bytes((_TEXT, 126)) + size.to_bytes(2, "big")
    return bytes((_TEXT, 127)) + size.to_bytes(8, "big")
