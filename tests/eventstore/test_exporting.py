"""Export: the same bytes again after an import, checksums, and what a filter leaves."""

from __future__ import annotations

import gc
import json
import tracemalloc
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander.domain.errors import InvalidRequest
from commander.eventstore.archive.exporting import LogBroken, exported, header_of
from commander.eventstore.archive.format import ArchiveReader, ExportFilter
from commander.eventstore.archive.importing import NotImportable, import_all
from commander.eventstore.database import Database
from commander.eventstore.log.command_history import list_dead_letters, record_dead_letter_action
from commander.eventstore.log.event_log import append, head_position
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.log.ranges import read_log
from commander.eventstore.reactions.effects import begin_effect
from commander.eventstore.records import Status
from tests.databases import EMPTY
from tests.drawing import examples
from tests.eventstore.archives import (
    assert_nothing_left,
    endings,
    export,
    file,
    fill,
    import_,
    lines_of,
    tables,
)
from tests.eventstore.decisions import decision, refusal

__all__ = ["file"]


@examples(60)
@given(st.lists(endings, max_size=12))
async def test_what_is_imported_is_what_was_exported_and_exports_the_same_bytes(
    database: Database, other: Database, plan: list[Any]
) -> None:
    for emptied in (database, other):
        await emptied.fetch(EMPTY)
    await fill(database, plan)
    file = await export(database)
    await import_(other, file)
    there, here = await tables(database), await tables(other)
    assert [list(row.values()) for row in here["events"]] == [list(row.values()) for row in there["events"]]
    assert here == there
    assert await export(other) == file
    assert len(lines_of(file, "command")) == len(plan)
    async with other.connection() as connection:
        await append(connection, [decision(f"account-{uuid4()}", 0)], None)
    assert len(lines_of(await export(other), "command")) == len(plan) + 1, "it goes on where it ended"


async def test_effects_begin_behind_what_is_imported(database: Database, other: Database) -> None:
    async with database.connection() as connection:
        await append(connection, [decision(f"account-{n}", 0) for n in range(7)], None)
    file = await export(database)
    async with other.connection() as connection:
        assert await begin_effect(connection, "known before") == 0
    await import_(other, file)
    async with other.connection() as connection:
        assert await begin_effect(connection, "known before") == 7
        assert await begin_effect(connection, "new") == 7


async def test_the_checksums_are_those_of_the_file_so_that_others_can_verify_them(
    database: Database,
) -> None:
    async with database.connection() as connection:
        await append(connection, [decision(f"account-{n}", 0) for n in range(600)], None)
    raw = (await export(database)).splitlines(keepends=True)
    kinds = [json.loads(line)["line"] for line in raw]
    assert kinds == ["header", *["command", "event"] * 500, "checksum", *["command", "event"] * 100, "end"]
    for n in (1001, 1202):
        assert json.loads(raw[n])["sha256"] == sha256(b"".join(raw[:n])).hexdigest()
    assert (lines_of(raw[-1])[0]["commands"], lines_of(raw[-1])[0]["events"]) == (600, 600)


async def test_memory_does_not_grow_with_the_log(database: Database, other: Database, tmp_path: Path) -> None:
    path, sizes, peaks = tmp_path / "log", (2000, 2000, 9000), []  # the first one warms up
    reached, thresholds = 0, gc.get_threshold()
    for size in sizes:
        async with database.connection() as connection:
            for n in range(reached, size, 500):
                await append(connection, [decision(f"account-{n + m}", 0) for m in range(500)], None)
        reached = size
        await other.fetch(EMPTY)
        gc.collect()
        gc.set_threshold(200, 5, 5)  # often: when cycles are collected must not move a peak
        tracemalloc.start()
        header = await header_of(database, ExportFilter(), {})
        with path.open("wb") as file:
            async for line in exported(database, header):
                file.write(line)
        _, exporting = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        with path.open("rb") as file:
            await import_all(other, ArchiveReader(file), lambda header, records: None)
        _, importing = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        gc.set_threshold(*thresholds)
        peaks.append((exporting, importing))
    assert await head_position(other) == 9000
    *few, (many, many_in) = peaks
    assert many < 1.2 * max(one for one, _ in few), "four times the log, but one page of it at a time"
    assert many_in < 1.2 * max(one for _, one in few)


async def test_dead_letters_come_with_what_was_done_and_a_retry_only_with_its_command(
    database: Database, other: Database
) -> None:
    failed = [refusal(f"account-{n}", 0, Status.FAILED) for n in range(4)]
    ids = [made.command.command_id for made in failed]
    retry = decision("account-9", 0)
    async with database.connection() as connection:
        await append(connection, [*failed, retry], None)
        await record_dead_letter_action(connection, ids[0], "DROPPED", None, "ada")
        await record_dead_letter_action(connection, ids[1], "RETRIED", retry.command.command_id, "bob")
        await record_dead_letter_action(connection, ids[2], "RETRIED", uuid4(), "bob")
    await import_(other, await export(database))
    assert [found.command_id for found in await list_dead_letters(other, 10)] == [ids[2], ids[3]]
    columns = "select command_id, action, retried_as, actor, at from dead_letter_actions order by at limit 2"
    assert await other.fetch(columns) == await database.fetch(columns)


async def test_a_filtered_export_has_what_matches_with_its_commands_and_is_not_imported(
    file: bytes, database: Database, other: Database
) -> None:
    log = await read_log(database, 0, 4, 10)
    for where, expected in (
        (ExportFilter(streams=("account-1",)), [1, 2]),
        (ExportFilter(aggregates=("account",), after=1), [2]),
        (ExportFilter(types=("ReactionRejected",)), [3]),
        (ExportFilter(up_to=2), [1, 2]),
        (ExportFilter(after=1, up_to=3), [2, 3]),
        (ExportFilter(types=("Gone",)), []),
    ):
        found = await export(database, where)
        assert [line["position"] for line in lines_of(found, "event")] == expected
        commands = [line["command_id"] for line in lines_of(found, "command")]
        assert commands == list(dict.fromkeys(str(log[p - 1].command_id) for p in expected))
        assert lines_of(found)[0]["filter"] == json.loads(msgspec.json.encode(where))
        with pytest.raises(NotImportable, match="only an export of the whole log can be imported"):
            await import_(other, found)
    await assert_nothing_left(other)


@pytest.mark.parametrize("where", [ExportFilter(after=5), ExportFilter(up_to=-1), ExportFilter(up_to=5)])
async def test_a_stretch_beyond_the_log_is_refused_with_its_head(
    file: bytes, database: Database, where: ExportFilter
) -> None:
    with pytest.raises(InvalidRequest, match="must be from 0 to 4, the head of the log"):
        await export(database, where)


async def test_a_log_with_a_gap_is_not_exported(database: Database) -> None:
    async with database.connection() as connection:
        await append(connection, [decision("account-1", 0, 2), decision("account-2", 0, 2)], None)
    for gone in ("events where position = 2", "commands where number = 1"):
        async with database.connection() as connection, connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(f"delete from {gone}")
        with pytest.raises(LogBroken):
            await export(database)


async def test_what_is_appended_meanwhile_is_not_exported(database: Database, file: bytes) -> None:
    header = await header_of(database, ExportFilter(), {"transfers": 2})
    found = []
    async for line in exported(database, header):
        found.append(line)
        async with database.connection() as connection:
            await append(connection, [decision(f"account-{uuid4()}", 0)], None)
    assert b"".join(found) == file


async def test_an_id_submitted_again_finds_its_first_outcome(
    file: bytes, database: Database, other: Database
) -> None:
    await import_(other, file)
    for line in lines_of(file, "command"):
        first = await outcome_of(database, line["command_id"])
        assert first is not None
        assert await outcome_of(other, line["command_id"]) == first
