"""The messages of EVENTS that an audit expects: byte by byte those of the relay, whatever an event has."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from commander.eventstore.audit.copying import copied
from commander.eventstore.database import Database
from commander.eventstore.log.identity import Identity
from commander.eventstore.records import RecordedEvent
from commander.streaming.audit.expected import COLUMNS, SELECT, ExpectedPage
from commander.streaming.log.event_codec import message_of
from commander.streaming.nats.chunks import InMessage
from commander.streaming.nats.names import Names
from tests.commander.damages import forced

NAMES = Names(Identity("yard", UUID(int=7)))
NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
PLAIN = RecordedEvent(1, "ship-1", 1, "Boarded", 1, '{"people":2}', uuid4(), uuid4(), None, NOW)
EVENTS = [
    PLAIN,
    replace(PLAIN, position=2, version=2, recorded_at=NOW.replace(microsecond=120_000)),
    replace(PLAIN, position=3, version=3, recorded_at=NOW.replace(microsecond=7), causation_position=2),
    replace(PLAIN, position=4, stream="ship-a.b %*>/ü", traceparent="00-aa-bb-01", schema_version=12),
    replace(PLAIN, position=5, version=5, data='{"name":"a \\"b\\" \\\\N \\n ü🚢"}', traceparent=""),
]
CHANGES = {
    "stream": "ship-2",
    "version": 9,
    "type": "Inspected",
    "schema_version": 2,
    "data": '{"people":3}',
    "command_id": uuid4(),
    "correlation_id": uuid4(),
    "causation_position": 1,
    "recorded_at": NOW.replace(microsecond=1),
    "traceparent": "00-cc-dd-01",
}


def message(event: RecordedEvent, *, added: bytes = b"Nats-Expected-Last-Sequence: 0\r\n") -> InMessage:
    """As the relay writes it, and a consumer gets it."""
    subject, payload, headers = message_of(NAMES, event)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return InMessage(event.position, subject, payload, b"NATS/1.0\r\n" + lines.encode() + added + b"\r\n")


async def page(database: Database) -> ExpectedPage:
    columns = ", ".join(f"${n}" for n in range(1, COLUMNS + 1))
    for event in EVENTS:
        values = [getattr(event, name) for name in event.__struct_fields__]
        await forced(database, f"insert into events values ({columns})", *values)
    async with aclosing(copied(database, [SELECT.format(after=0, up_to=100)], COLUMNS)) as pages:
        async for found in pages:
            return ExpectedPage(NAMES, found)
    raise AssertionError("there are events")


async def test_what_the_relay_writes_is_expected(database: Database) -> None:
    expected = await page(database)
    assert expected.up_to == len(EVENTS)
    assert expected.unlike([message(event) for event in EVENTS]) == []
    assert expected.unlike([message(event, added=b"") for event in EVENTS]) == []
    assert expected.unlike([message(replace(PLAIN, position=99))]) == []  # the log has no such event


async def test_a_message_of_an_earlier_version_has_no_epoch(database: Database) -> None:
    expected = await page(database)
    plain = message(PLAIN)
    line = f"Commander-Epoch: {NAMES.epoch_at(1)}\r\n".encode()
    without = plain.raw_headers.replace(line, b"")
    other = plain.raw_headers.replace(line, b"Commander-Epoch: 99\r\n")
    assert expected.unlike([InMessage(1, plain.subject, plain.data, without)]) == []
    assert len(expected.unlike([InMessage(1, plain.subject, plain.data, other)])) == 1


@pytest.mark.parametrize("field", CHANGES)
async def test_each_field_counts(database: Database, field: str) -> None:
    expected = await page(database)
    for event in EVENTS:
        changed = message(replace(event, **{field: CHANGES[field]}))
        assert expected.unlike([changed]) == [changed], event
