"""Compares messages of EVENTS with events of the log, as bytes: nothing is decoded.

What the relay writes for an event (streaming/log/event_codec.py) is made from the text of the event. Headers
that the publishing added come after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from commander.eventstore.audit.copying import Columns
from commander.streaming.nats.chunks import InMessage
from commander.streaming.nats.names import Names
from commander.streaming.nats.streams import subject_of_event

SELECT = """select position, stream, version, type, schema_version, data, command_id, correlation_id,
                   causation_position, recorded_at, '=' || traceparent
            from events where position > {after} and position <= {up_to} order by position"""
"""The columns that an `ExpectedPage` is made of."""
COLUMNS = 11
_NO_EPOCH = b"NATS/1.0\r\n"
"""How the headers of a message of an earlier version begin, which has no epoch."""


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
    moment = shown = ""
    subjects: dict[tuple[str, str], str] = {}
    for _, stream, version, type_, schema, data, command, correlation, caused, at, trace in zip(
        *columns, strict=True
    ):
        if at != moment:
            moment, shown = at, _moment(at)
        if (subject := subjects.get((type_, stream))) is None:
            subject = subjects[type_, stream] = subject_of_event(names, type_, stream)
        headers = (
            f"Commander-Version: {version}\r\nCommander-Schema-Version: {schema}\r\n"
            f"Commander-Command-Id: {command}\r\nCommander-Correlation-Id: {correlation}\r\n"
            f"Commander-Recorded-At: {shown}\r\n"
        )
        if caused:
            headers += f"Commander-Causation-Position: {caused}\r\n"
        if trace:
            headers += f"traceparent: {trace[1:]}\r\n"
        yield subject, headers.encode(), data.encode()


def _moment(text: str) -> str:
    """The time as `datetime.isoformat` writes it, from Postgres' text in UTC: 2026-11-30 20:03:52.78+00."""
    day, _, time = text.removesuffix("+00").partition(" ")
    seconds, point, fraction = time.partition(".")
    return f"{day}T{seconds}{point}{fraction:0<6}+00:00" if point else f"{day}T{seconds}+00:00"
