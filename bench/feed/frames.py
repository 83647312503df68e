"""As much of RFC 6455 as is needed between processes of one machine: whole frames, the mask is 0."""

from __future__ import annotations

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA

_FINAL = 0x80
_MASK = b"\0\0\0\0"


def upgrade_request(port: int) -> bytes:
    return (
        f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: bm90IGEgc2VjcmV0ISEhIQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    ).encode()


def client_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A frame as a client sends it. The mask is 0, so the payload stays as it is."""
    return _head(opcode, len(payload), 0x80) + _MASK + payload


def server_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    return _head(opcode, len(payload), 0) + payload


def next_frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """(opcode, begin and end of the payload) of a server's frame; None if it is not whole yet.

    Raises ValueError for what none of the measured servers sends: fragments, masks.
    """
    available = len(data) - at
    if available < 2:
        return None
    first, length, begin = data[at], data[at + 1], at + 2
    if not first & _FINAL or first & 0x70 or length & 0x80:
        raise ValueError(f"not a whole frame without mask and extensions: {data[at : at + 20]!r}")
    if length >= 126:
        size = 2 if length == 126 else 8
        if available < 2 + size:
            return None
        length, begin = int.from_bytes(data[begin : begin + size]), begin + size
    end = begin + length
    return (first & 0x0F, begin, end) if end <= len(data) else None


def _head(opcode: int, length: int, masked: int) -> bytes:
    first = _FINAL | opcode
    if length < 126:
        return bytes((first, masked | length))
    if length < 65536:
        return bytes((first, masked | 126)) + length.to_bytes(2)
    return bytes((first, masked | 127)) + length.to_bytes(8)
