"""Compares messages of EVENTS with events of the log, as bytes: nothing is decoded.

What the relay writes for an event (streaming/log/event_codec.py) is made from the text of the event. Headers
that the publishing added come after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any

from commander.eventstore.audit.copying import Columns
from commander.streaming.nats.chunks import InMessage
from commander.streaming.nats.names import Names
from commander.streaming.nats.streams import subject_of_event

SELECT = """select position, stream, version, type, schema_version, data, command_id, correlation_id,
                   causation_position, recorded_at, '=' || traceparent
            from events where position > {after} and position <= {up_to} order by position"""
"""The columns that an `ExpectedPage` is made of."""
COLUMNS = 11
_RANGE = 50_000
Parts = list[str | list[str]]
"""What the texts of events consist of, in order: what is the same for all, or one for each event."""
_NO_EPOCH = b"NATS/1.0\r\n"
"""How the headers of a message of an earlier version begin, which has no epoch."""


def selects_between(after: int, end: int) -> Iterator[str]:
    """The statements that give the events of these positions."""
    for begin in range(after, end, _RANGE):
        yield SELECT.format(after=begin, up_to=min(begin + _RANGE, end))


class ExpectedPage:
    """The messages of the events of a page of the log. up_to: the position of the last one."""

    def __init__(self, names: Names, columns: Columns) -> None:
        positions = list(map(int, columns[0]))
        self.up_to = positions[-1]
        self._messages = dict(zip(positions, _expected(names, columns), strict=True))
        epochs = {names.epoch_at(positions[n]) for n in (0, -1)}
        # of two epochs, the messages are decoded and looked at one by one
        self._epoch = (
            f"NATS/1.0\r\nCommander-Epoch: {epochs.pop()}\r\n".encode() if len(epochs) == 1 else None
        )

    def unlike(self, messages: Sequence[InMessage]) -> list[InMessage]:
        """The messages that differ from those of their events in a byte. One without an event is left out."""
        epoch = self._epoch
        if epoch is None:
            return list(messages)
        expected, unlike = self._messages, []
        for message in messages:
            if (wanted := expected.get(message.sequence)) is None:
                continue
            subject, headers, data = wanted
            raw = message.raw_headers
            begin = len(epoch if raw.startswith(epoch) else _NO_EPOCH)
            end = begin + len(headers)
            if not (
                message.data == data
                and raw.startswith(headers, begin)
                and (raw.startswith(b"Nats-", end) or raw[end:] == b"\r\n")
                and message.subject == subject
            ):
                unlike.append(message)
        return unlike


def _expected(names: Names, columns: Columns) -> Iterator[tuple[str, bytes, bytes]]:
    """Of each event: the subject, the headers without the epoch and without the end, the data."""
    rows = zip(*(repeat(one) if isinstance(one, str) else one for one in _headers(columns)), strict=False)
    for subject, headers, data in zip(_subjects(names, columns), rows, columns[5], strict=True):
        yield subject, "".join(headers).encode(), data.encode()


def published_bytes(names: Names, columns: Columns) -> bytes:
    """What the server sends for these events, without the numbers of the deliveries and their lines' ends.

    columns: of positions without gaps, in one epoch. The relay has published them as it does now.
    """
    first, count = int(columns[0][0]), len(columns[0])
    parts: Parts = [
        "HMSG ",
        _subjects(names, columns),
        f"NATS/1.0\r\nCommander-Epoch: {names.epoch_at(first)}\r\n",
        *_headers(columns),
        "Nats-Expected-Last-Sequence: ",
        [str(one) for one in range(first - 1, first - 1 + count)],
        "\r\n\r\n",
        columns[5],
        "\r\n",
    ]
    woven = [""] * (count * len(parts))
    for n, part in enumerate(parts):
        woven[n :: len(parts)] = [part] * count if isinstance(part, str) else part
    return "".join(woven).encode()


def _subjects(names: Names, columns: Columns) -> list[str]:
    found = _Found(lambda key: subject_of_event(names, *key))
    return [*map(found.__getitem__, zip(columns[3], columns[1], strict=True))]


def _headers(columns: Columns) -> Parts:
    """The headers that are an event's own, as the relay writes them, without the epoch."""
    _, _, version, _, schema, _, command, correlation, caused, at, trace = columns
    parts: Parts = [
        "Commander-Version: ",
        version,
        "\r\nCommander-Schema-Version: ",
        schema,
        "\r\nCommander-Command-Id: ",
        command,
        "\r\nCommander-Correlation-Id: ",
        correlation,
        "\r\nCommander-Recorded-At: ",
        [*map(_Found(_moment).__getitem__, at)],
        "\r\n",
    ]
    if any(caused):
        parts.append([f"Commander-Causation-Position: {one}\r\n" if one else "" for one in caused])
    if any(trace):
        parts.append([f"traceparent: {one[1:]}\r\n" if one else "" for one in trace])
    return parts


class _Found(dict[Any, str]):
    """What a function gives for a key, which is asked once."""

    def __init__(self, make: Callable[[Any], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> str:
        made = self[key] = self._make(key)
        return made


def _moment(text: str) -> str:
    """The time as `datetime.isoformat` writes it, from Postgres' text in UTC: 2026-11-30 20:03:52.78+00."""
    day, _, time = text.removesuffix("+00").partition(" ")
    seconds, point, fraction = time.partition(".")
    return f"{day}T{seconds}{point}{fraction:0<6}+00:00" if point else f"{day}T{seconds}+00:00"
