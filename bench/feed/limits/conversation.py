"""graphql-transport-ws as the limits speak it: what a subscriber sends, and the frames that answer."""

from __future__ import annotations

import msgspec

from bench.feed.publishing import AMOUNT, stream_of

ACKNOWLEDGED = '{"type":"connection_ack"}'


class FromClient(msgspec.Struct):
    type: str


kind_of = msgspec.json.Decoder(FromClient).decode


def caught_up(position: int) -> str:
    return _next({"position": str(position)})


def event(position: int, number: int, streams: int) -> str:
    """The message with this event, as every subscriber receives it."""
    stream = stream_of(number % streams)
    return _next(
        {"position": str(position), "type": "MoneyDeposited", "stream": stream, "amount": str(AMOUNT)}
    )


def _next(item: dict[str, str]) -> str:
    return msgspec.json.encode({"id": "1", "type": "next", "payload": {"data": {"events": item}}}).decode()
