"""Exports as tests make, read and take them in."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from typing import Any
from uuid import uuid4

import msgspec
import pytest_asyncio
from hypothesis import strategies as st

from commander.eventstore.archive.exporting import exported, header_of
from commander.eventstore.archive.format import ArchiveReader, ExportFilter
from commander.eventstore.archive.importing import import_all
from commander.eventstore.database import Database
from commander.eventstore.log.command_history import record_dead_letter_action
from commander.eventstore.log.event_log import append, head_position
from commander.eventstore.reactions.reactors import reactor_positions
from commander.eventstore.records import Decision, NewEvent, Status
from tests.eventstore.decisions import NOW, command, digest_of, refusal
from tests.eventstore.test_reactors import react_up_to

STREAMS = ["account-1", "account-ü 🏦", "transfer-\u2028-'\"\\", "reaction"]

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
numbers = st.from_regex(r"\A-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?\Z")
documents = st.one_of(
    st.recursive(
        st.none() | st.booleans() | st.integers() | text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
        max_leaves=8,
    ).flatmap(
        lambda value: st.sampled_from(
            [json.dumps(value, ensure_ascii=False), json.dumps(value), json.dumps(value, indent=1) + "\n"]
        )
    ),
    numbers.map(lambda digits: f'{{"amount": {digits}, "amount":"{digits}"}}'),
    st.sampled_from([' {"a":1}', '{"a":"\\ud800"}', '{"a":"\\u0000"}', "[" * 600 + "]" * 600, "\t1\r\n"]),
)
endings = st.tuples(
    st.integers(0, len(STREAMS) - 1),
    st.one_of(
        st.lists(documents, max_size=3).map(tuple),
        st.sampled_from(["REJECTED", "FAILED", "REACTION", "DROPPED", "RETRIED", "RETRIED IN VAIN"]),
    ),
    documents,
    st.none() | text,
)


async def export(database: Database, where: ExportFilter | None = None) -> bytes:
    """The bytes of an export."""
    header = await header_of(database, where or ExportFilter(), await reactor_positions(database))
    return b"".join([line async for line in exported(database, header)])


async def import_(database: Database, file: bytes) -> None:
    await import_all(database, ArchiveReader(io.BytesIO(file)), lambda header, records: None)


def lines_of(file: bytes, kind: str | None = None) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in file.split(b"\n")[:-1]]
    return [line for line in lines if kind in (None, line["line"])]


async def fill(database: Database, plan: list[Any]) -> None:
    """Appends what a plan says, a batch per three commands, and deals with some dead letters."""
    versions: dict[int, int] = defaultdict(int)
    made: list[Decision] = []
    deeds = []
    for number, what, document, said in plan:
        given: dict[str, Any] = {"data": msgspec.Raw(document.encode()), "actor": said}
        if what in ("DROPPED", "REJECTED"):
            given["expected_version"] = 1
        if isinstance(what, tuple):
            versions[number] += len(what)
            sent = command(STREAMS[number], **given)
            events = tuple(NewEvent("Opened", n, data) for n, data in enumerate(what, 1))
            at = NOW if events else None
            made.append(
                Decision(sent, digest_of(sent), Status.APPLIED, versions[number], events, decider_now=at)
            )
        elif what == "REACTION":
            given |= {"reactor": "transfers", "causation_position": 1, "traceparent": "00-a-b-01"}
            made.append(refusal(STREAMS[number], versions[number], **given))
        else:
            status = Status.REJECTED if what == "REJECTED" else Status.FAILED
            refused = refusal(STREAMS[number], versions[number], status, **given)
            made.append(msgspec.structs.replace(refused, message=said, code=said or "NO"))
        if what in ("DROPPED", "RETRIED", "RETRIED IN VAIN"):
            again = made[0].command.command_id if what == "RETRIED" else uuid4()
            retried = (made[-1].command.command_id, "RETRIED", again, said)
            deeds.append((retried[0], "DROPPED", None, said) if what == "DROPPED" else retried)
    async with database.connection() as connection:
        for begin in range(0, len(made), 3):
            await append(connection, made[begin : begin + 3], None)
        for deed in deeds:
            await record_dead_letter_action(connection, *deed)


async def tables(database: Database) -> dict[str, list[Any]]:
    """All that an export is about."""
    return {
        "events": await database.fetch("select * from events order by position"),
        "commands": await database.fetch("select * from commands order by number"),
        "log_head": await database.fetch("select position, commands, recorded_at from log_head"),
    }


@pytest_asyncio.fixture
async def file(database: Database) -> bytes:
    """A small export with something of everything."""
    await fill(
        database,
        [
            (0, ('{"a":"é"}', '{"a":2}'), '{"a":1}', "Ada"),
            (1, "REACTION", "{}", None),
            (1, "DROPPED", "{}", "Ada"),
            (2, ("\n1",), "{}", None),
        ],
    )
    async with database.connection() as connection:
        await react_up_to(connection, "transfers", 2)
    return await export(database)


async def assert_nothing_left(other: Database) -> None:
    assert {name: len(rows) for name, rows in (await tables(other)).items()} == {
        "events": 0,
        "commands": 0,
        "log_head": 1,
    }
    assert (await head_position(other), await reactor_positions(other)) == (0, {})
