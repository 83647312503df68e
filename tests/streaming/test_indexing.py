"""An index of the log is built from history, is switched on when it has all of it, and is kept up then."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
import pytest

from commander.domain import Rejected
from commander.eventstore.database import Database
from commander.eventstore.log.conditions import NOTHING, Change
from commander.eventstore.log.event_log import Append, IndexNotKept, append
from commander.eventstore.log.indexes import active_indexes, holders_of
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.projections.inline import InlineProjections
from commander.eventstore.records import Decision, NewEvent, Progress, Status
from commander.streaming.commands.basis import Basis
from commander.streaming.commands.command_batch import CommandBatch
from commander.streaming.commands.indexing import across_of
from commander.streaming.commands.key_holders import KeyHolders
from commander.streaming.commands.models import Models
from commander.streaming.commands.stream_states import StreamState
from tests.domain.school import Leave, Register, Student, StudentLeft, StudentRegistered, SwapDesks, school
from tests.eventstore.archives import export, import_
from tests.streaming.conftest import Bank, running, submitted

ADA, BOB, CY = (UUID(int=n) for n in (1, 2, 3))
Keys = set[tuple[str, str, str]]


async def keys(database: Database) -> Keys:
    """Index, key and stream of all keys of active indexes."""
    rows = await database.fetch(
        """select i.name, u.key, u.stream
           from unique_keys as u join log_indexes as i on i.id = u.index_id where i.active"""
    )
    return {(row["name"], row["key"], row["stream"]) for row in rows}


async def store(database: Database, command: object, event: object, version: int) -> None:
    """What code without the unique keys stored."""
    type_ = school.event_of[type(event)]
    sent = submitted(command, school)
    stored = NewEvent(type_.stored_name, type_.version, type_.read_back(event)[0].decode())
    async with database.connection() as connection:
        await append(connection, [Decision(sent, sent.digest, Status.APPLIED, version, (stored,))], None)


async def history(database: Database, email_of_bob: str) -> None:
    await store(database, Register(ADA, "ADA@x"), StudentRegistered(ADA, "ADA@x", ("1", "2")), 1)
    await store(database, Register(BOB, email_of_bob), StudentRegistered(BOB, email_of_bob), 1)
    await store(database, Register(CY, "cy@x"), StudentRegistered(CY, "cy@x"), 1)
    await store(database, Leave(CY), StudentLeft(CY), 2)


async def test_the_keys_of_history_are_those_of_the_last_states(servers: Bank) -> None:
    await history(servers.database, "bob@x")
    async with running(servers.processor(school).run()):
        taken = await servers.outcome(await servers.submit(Register(CY, "ada@X"), school))
        free = await servers.outcome(await servers.submit(Register(CY, "cy@x"), school))
    assert (taken.code, free.code) == ("NOT_UNIQUE", None)
    ada, bob, cy = (f"student-{one}" for one in (ADA, BOB, CY))
    expected = {
        ("unique student.email", '["ada@x"]', ada),
        ("unique student.email", '["bob@x"]', bob),
        ("unique student.email", '["cy@x"]', cy),
        ("unique student.phones", '["1"]', ada),
        ("unique student.phones", '["2"]', ada),
    }
    assert await keys(servers.database) == expected
    await servers.database.fetch("delete from log_indexes")
    async with running(servers.processor(school).run()):
        await servers.outcome(await servers.submit(Leave(CY), school))
    assert await keys(servers.database) == {one for one in expected if one[2] != cy}


async def test_a_rule_is_not_switched_on_while_history_breaks_it(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    await history(servers.database, "Ada@X")
    async with running(servers.processor(school).run()):
        command_id = await servers.submit(Register(CY, "cy@x"), school)
        async with asyncio.timeout(20):
            while "history breaks unique student.email" not in caplog.text:
                await asyncio.sleep(0.02)
        assert f"student-{ADA}, student-{BOB}" in caplog.text
        assert await outcome_of(servers.database, command_id) is None
        await store(servers.database, Leave(BOB), StudentLeft(BOB), 2)
        assert (await servers.outcome(command_id)).status == Status.APPLIED


async def test_code_without_the_rule_stores_nothing_once_it_is_on(servers: Bank) -> None:
    async with running(servers.processor(school).run()):
        await servers.outcome(await servers.submit(Register(ADA, "ada@x"), school))
    sent = submitted(Leave(ADA), school)
    left = NewEvent("StudentLeft", 1, "{}")
    async with servers.database.connection() as connection:
        with pytest.raises(IndexNotKept, match="does not keep up"):
            await Append([Decision(sent, sent.digest, Status.APPLIED, 2, (left,))], None, NOTHING).run(
                connection
            )
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
            await connection.fetch("select * from lock_log()")  # that of earlier releases
        assert len(await active_indexes(connection)) == 3
        assert await holders_of(connection, []) == {}
    assert len(await servers.log()) == 1


async def test_an_import_has_events_in_several_streams_and_its_keys_are_built_again(
    servers: Bank, other: Database
) -> None:
    async with running(servers.processor(school).run()):
        for command in (Register(ADA, "ada@x"), Register(BOB, "bob@x"), SwapDesks(ADA, BOB)):
            await servers.outcome(await servers.submit(command, school))
    await other.fetch("insert into log_indexes (name, fingerprint, active) values ('unique old', 'x', true)")
    await import_(other, await export(servers.database))
    assert await other.fetchval("select count(*) from log_indexes") == 0
    await across_of(school, other, lambda: True)
    assert await keys(other) == await keys(servers.database)


async def test_a_command_that_crashes_its_processor_is_set_aside_while_an_index_is_on(servers: Bank) -> None:
    async with running(servers.processor(school).run()):
        await servers.outcome(await servers.submit(Register(ADA, "ada@x"), school))
    batch = CommandBatch([submitted(Leave(ADA), school)], Progress((), 0, None), ())
    await batch.set_aside(school, servers.database, 3)
    async with servers.database.connection() as connection:
        await batch.commit(connection, InlineProjections(school))
    [failed] = batch.decisions
    assert (await servers.outcome(failed.command.command_id)).code == "CRASHED_PROCESSOR"


async def test_a_rejection_rests_on_who_holds_the_key(servers: Bank) -> None:
    across = await across_of(school, servers.database, lambda: True)
    assert across is not None
    [(email, _), *_] = across.rules["student"]
    key, ada, bob = (email, '["a@x"]'), f"student-{ADA}", f"student-{BOB}"
    states = {bob: StreamState(Student(), 0)}
    basis = Basis(school, across, states, KeyHolders({key: ada}), Models(school))
    with pytest.raises(Rejected):
        basis.accept({bob: StreamState(Student(email="a@x"), 1)}, ())
    assert basis.conditions([]).keys == {key: Change(ada, ada)}
    assert states[bob].version == 0
