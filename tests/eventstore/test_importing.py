"""Import: all of a file that is whole, into an empty store, or nothing of it."""

from __future__ import annotations

import asyncio
import io
import json
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest

from commander.domain.senders import Sender
from commander.eventstore.archive.format import ArchiveReader, ExportBroken, Header
from commander.eventstore.archive.importing import NotEmpty, NotImportable, import_all
from commander.eventstore.database import Database
from commander.eventstore.locks import Lock, join, sole_holder
from commander.eventstore.log.checkpoints import settle_partitions
from commander.eventstore.log.event_log import append, head_position
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.reactions.reactors import reactor_checkpoints, reactor_positions
from commander.eventstore.records import Status
from tests.eventstore.archives import (
    assert_nothing_left,
    export,
    file,
    import_,
    lines_of,
    tables,
)
from tests.eventstore.decisions import decision, refusal
from tests.eventstore.test_reactors import react_up_to

__all__ = ["file"]


def read(file: bytes) -> None:
    """Reads a file as an import does, and stores nothing."""
    reader = ArchiveReader(io.BytesIO(file))
    reader.header()
    for _ in reader.records():
        pass


async def test_a_file_cut_anywhere_is_refused_and_nothing_is_left_behind(
    file: bytes, other: Database
) -> None:
    for end in range(len(file)):
        with pytest.raises(ExportBroken, match="truncated"):
            read(file[:end])
    for end in range(0, len(file), 31):
        with pytest.raises(ExportBroken, match="truncated"):
            await import_(other, file[:end])
    with pytest.raises(ExportBroken, match="truncated"):
        await import_(other, file[:-1])
    await assert_nothing_left(other)


async def test_a_file_changed_anywhere_is_refused_and_nothing_is_left_behind(
    file: bytes, other: Database
) -> None:
    for at in range(len(file)):
        changed = bytearray(file)
        changed[at] = ord("1") if changed[at] != ord("1") else ord("2")
        with pytest.raises((ExportBroken, NotImportable)):
            read(bytes(changed))
        if at % 31:
            continue
        with pytest.raises((ExportBroken, NotImportable)):
            await import_(other, bytes(changed))
    await assert_nothing_left(other)
    await import_(other, file)
    assert await export(other) == file


def sealed(lines: list[dict[str, Any]]) -> bytes:
    """A file of these lines with the right checksums, as one would be forged."""
    found = b""
    for line in lines:
        if "sha256" in line:
            line["sha256"] = sha256(found).hexdigest()
        found += json.dumps(line, ensure_ascii=False).encode() + b"\n"
    return found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines.pop(2), "line 4: the record does not follow|line 3: the record does not follow"),
        (lambda lines: lines.pop(1), "does not follow"),
        (lambda lines: lines[1].update(number=2), "line 2: the record does not follow"),
        (lambda lines: lines[3].update(position=3), "line 4: the record does not follow"),
        (lambda lines: lines[3].update(command_id=str(uuid4())), "line 4: the record does not follow"),
        (lambda lines: lines[3].update(version=1), "Postgres rejects a record"),
        (lambda lines: lines[3].update(version=7), "the versions of the stream account-1 have a gap"),
        (lambda lines: lines[1].update(status="LOST"), "Postgres rejects a record"),
        (lambda lines: lines[0].update(position=9), "does not end at the position in its header"),
        (
            lambda lines: lines[0].update(format=5),
            "line 1: this version reads formats up to 4, the file has 5",
        ),
        (lambda lines: lines[0].update(reactors={"transfers": 5}), "line 1: the checkpoint of a reactor is"),
        (
            lambda lines: lines[-1].update(events=1),
            "the end declares 4 commands and 1 events, the file has 4 and 4",
        ),
        (lambda lines: lines.append(lines[1]), "there is data after the end line"),
        (lambda lines: lines.insert(3, lines[0]), "line 4: there is a second header"),
        (lambda lines: lines[2].update(colour="red"), "line 3: this is not a line of an export"),
        (lambda lines: lines.__setitem__(slice(None), [{"a": 1}]), "line 1: this is not a line of an export"),
    ],
)
async def test_a_file_that_is_no_log_is_refused_though_its_checksums_are_right(
    file: bytes, other: Database, change: Any, said: str
) -> None:
    lines = lines_of(file)
    assert sealed(lines_of(file)).count(b"\n") == file.count(b"\n")
    change(lines)
    with pytest.raises(ExportBroken, match=said):
        await import_(other, sealed(lines))
    await assert_nothing_left(other)


@pytest.mark.parametrize(("format", "gone"), [(1, ("decider_now", "guards")), (2, ("guards",))])
async def test_a_file_of_an_earlier_format_is_imported_without_what_it_does_not_have(
    file: bytes, other: Database, format: int, gone: tuple[str, ...]
) -> None:
    lines = lines_of(file)
    assert lines[0]["format"] == 4
    lines[0]["format"] = format
    commands = [line for line in lines if line["line"] == "command"]
    had = {name: [line.get(name) for line in commands] for name in ("decider_now", "guards")}
    time = "2030-01-02T03:04:05.678901Z"
    assert had["decider_now"] == [time, None, None, time]
    assert had["guards"] == [None, None, {"expected_version": 1}, None]
    for line in commands:
        for name in gone:
            line.pop(name, None)
    await import_(other, sealed(lines))
    found = await other.fetch("select decider_now, guards from commands order by number")
    assert ([row["decider_now"] for row in found] == [None] * 4) is ("decider_now" in gone)
    assert [row["guards"] for row in found] == [None] * 4


async def test_only_an_empty_store_is_imported_into(file: bytes, database: Database, other: Database) -> None:
    before = await tables(database)
    with pytest.raises(NotEmpty, match="its log has 4 events of 4 commands"):
        await import_(database, file)
    assert await tables(database) == before
    async with other.connection() as connection:
        await append(connection, [refusal("account-1", 0)], None)
    with pytest.raises(NotEmpty, match="its log has 0 events of 1 commands"):
        await import_(other, file)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("insert into reactors (name, position) values ('clerk', 1)", "a reactor has a checkpoint"),
        (
            """with clerk as (insert into reactors values ('clerk') returning name)
               insert into reactor_partitions select name, 3, 1, 1 from clerk""",
            "a reactor has a checkpoint",
        ),
        (
            """with made as (insert into projections (name, fingerprint, table_name) values ('item', 'f', 't')
                             returning table_name)
               insert into positions_of_projections select table_name, 1 from made""",
            "a projection has a checkpoint",
        ),
        ("insert into snapshots values ('account-1', 1, 'f', '{}')", "snapshots"),
    ],
)
async def test_what_follows_from_another_log_must_be_gone_too(
    file: bytes, other: Database, sql: str, said: str
) -> None:
    await other.fetch(sql)
    with pytest.raises(NotEmpty, match=said):
        await import_(other, file)
    assert await head_position(other) == 0


async def test_parts_that_run_on_the_store_must_be_stopped_first(file: bytes, other: Database) -> None:
    async with sole_holder(other, Lock.REACTOR, 7, "test"):
        with pytest.raises(NotEmpty, match="are running on it: stop them first"):
            await import_(other, file)
    connection = await other.connect("test")
    try:
        await join(connection, Lock.PROCESSORS)
        with pytest.raises(NotEmpty, match="are running on it: stop them first"):
            await import_(other, file)
    finally:
        await connection.close()
    await import_(other, file)


async def test_who_appends_or_reacts_while_an_import_runs_waits_and_goes_on_behind_it(
    database: Database, other: Database
) -> None:
    async with database.connection() as connection:
        await append(connection, [decision(f"account-{n}", 0) for n in range(1500)], None)
        await react_up_to(connection, "transfers", 1400)
    file = await export(database)
    started: list[asyncio.Task[int]] = []

    async def appended() -> int:
        async with other.connection() as connection:
            return (await append(connection, [decision("account-new", 0)], None)).base

    async def reacting() -> int:
        async with other.connection() as connection:
            return (await reactor_checkpoints(connection, "transfers", [3]))[3].position

    def told(header: Header, records: int) -> None:
        if records < 3000 and not started:
            started.extend(asyncio.create_task(work()) for work in (appended, reacting))

    await import_all(other, ArchiveReader(io.BytesIO(file)), told)
    assert await asyncio.gather(*started) == [1500, 1400]
    assert await head_position(other) == 1501


async def test_a_store_that_was_only_started_is_empty(file: bytes, other: Database) -> None:
    await settle_partitions(other, 4)
    async with other.connection() as connection:
        await reactor_checkpoints(connection, "transfers", range(4))
    await import_(other, file)
    assert await reactor_positions(other) == {"transfers": 2}


async def test_the_sender_of_a_command_is_exported_and_imported_whatever_its_outcome(
    database: Database, other: Database
) -> None:
    senders = [Sender("ada", ("teller",), None, '{"branch":"é"}', by_state=True), Sender(), None]
    decisions = [decision("account-1", 0, sender=senders[0])]
    decisions += [
        refusal("account-1", 1, status, sender=senders[1]) for status in (Status.REJECTED, Status.FAILED)
    ]
    decisions.append(refusal("account-1", 1, Status.FAILED, sender=senders[2]))
    async with database.connection() as connection:
        await append(connection, decisions, None)
    exported = await export(database)
    await import_(other, exported)
    found = [await outcome_of(other, one.command.command_id) for one in decisions]
    kept = [None if one is None else one.read_guards().sender for one in found]
    assert kept == [senders[0], senders[1], senders[1], None]
    assert await export(other) == exported
