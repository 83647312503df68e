"""What was decided can be decided again, exactly: the time that the decider was given is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import msgspec

from commander import CommandContext, Domain, Rejected
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import append, read_stream
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import Decision, NewEvent, Outcome, SubmittedCommand
from commander.streaming.commands.deciding import crashed, decide
from commander.streaming.commands.stream_states import evolved, initial_state
from tests.eventstore.archives import export, import_
from tests.streaming.conftest import Bank, running, submitted

tickets = Domain("tickets")


@tickets.command
@dataclass(frozen=True)
class Stamp:
    ticket_id: UUID
    refused: bool = False


@tickets.event
@dataclass(frozen=True)
class Stamped:
    ticket_id: UUID
    at: datetime
    valid_until: datetime
    count: int
    by: str | None


@tickets.aggregate(key="ticket_id")
@dataclass(frozen=True)
class Ticket:
    stamps: int = 0

    def stamp(self, command: Stamp, context: CommandContext) -> Stamped:
        if command.refused:
            raise Rejected("REFUSED", f"at {context.now.isoformat()}")
        until = context.now + timedelta(hours=1, microseconds=1)
        return Stamped(command.ticket_id, context.now, until, self.stamps + 1, context.actor)

    def stamped(self, event: Stamped) -> Ticket:
        return replace(self, stamps=self.stamps + 1)


async def decided_again(database: Database, outcome: Outcome) -> Decision:
    """The decision on what stood in the stream before, at the time that is stored."""
    before = outcome.version - outcome.event_count
    state = initial_state(tickets, outcome.stream)
    for event in await read_stream(database, outcome.stream):
        if event.version <= before:
            state = evolved(tickets, state, event)
    command = SubmittedCommand(
        outcome.command_id,
        outcome.type,
        outcome.stream,
        msgspec.Raw(outcome.data.encode()),
        outcome.correlation_id,
        outcome.submitted_at,
        actor=outcome.actor,
    )
    assert outcome.decider_now is not None
    decision, _ = decide(tickets, command, state, outcome.decider_now)
    return decision


async def assert_the_same_again(database: Database, command_id: UUID) -> None:
    outcome = await outcome_of(database, command_id)
    assert outcome is not None
    decision = await decided_again(database, outcome)
    events = await read_stream(database, outcome.stream)
    stored = [event for event in events if event.command_id == command_id]
    assert [NewEvent(e.type, e.schema_version, e.data) for e in stored] == list(decision.events)
    assert (outcome.status, outcome.code, outcome.message) == (
        decision.status,
        decision.code,
        decision.message,
    )
    assert outcome.digest == decision.digest


async def test_a_command_decided_again_makes_the_same_bytes_also_after_export_and_import(
    servers: Bank, other: Database
) -> None:
    ticket = uuid4()
    async with running(servers.processor(tickets).run()):
        ids = [await servers.submit(Stamp(ticket, n == 2), tickets, actor="ada") for n in range(5)]
        await servers.outcome(ids[-1])
    await import_(other, await export(servers.database))
    for database in (servers.database, other):
        for command_id in ids:
            await assert_the_same_again(database, command_id)


async def test_without_a_decider_there_is_no_time_of_its(servers: Bank, other: Database) -> None:
    ticket = uuid4()
    async with running(servers.processor(tickets).run()):
        stale = await servers.submit(Stamp(ticket), tickets, expected_version=7)
        await servers.outcome(stale)
    aside = submitted(Stamp(ticket), tickets)
    async with servers.database.connection() as connection:
        decision = crashed(tickets, aside, 0, 3)
        await append(connection, [decision], None)
    await import_(other, await export(servers.database))
    for database in (servers.database, other):
        outcomes = [await outcome_of(database, command_id) for command_id in (stale, aside.command_id)]
        assert [(one.code, one.decider_now) for one in outcomes if one is not None] == [
            ("VERSION_CONFLICT", None),
            ("CRASHED_PROCESSOR", None),
        ]
