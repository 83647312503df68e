"""A batch of commands: prepared on what is known, committed at once, announced."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from commander.domain import Domain
from eventstore.database import Connection, Database, reaching_postgres
from eventstore.inline import InlineProjections
from eventstore.log import Append, Appended
from eventstore.outcomes import events_of_outcome, known_outcomes
from eventstore.records import Decision, Outcome, Progress, SubmittedCommand
from streaming.connection import Nats
from streaming.deciding import crashed, decide
from streaming.outcomes import Ended, ended_from, told_ended, told_outcomes
from streaming.signals import told_log, told_projection
from streaming.states import StreamStates
from streaming.tracing import SpanKind, enabled, mark, now_ns
from streaming.watchdog import ended_if_hung

_SLICE = 50
"""How many commands are decided at a stretch: about a millisecond."""


class Batch:
    """Commands decided and committed together, by steps: look up, decide, commit, announce.

    recent: the batches that may not have been committed when this one looks up; what they decide counts here.
    """

    def __init__(
        self, commands: Sequence[SubmittedCommand], progress: Progress, recent: Sequence[Batch]
    ) -> None:
        self.commands = commands
        self.progress = progress
        self.decisions: list[Decision] = []
        self._recent = recent
        self._known: dict[UUID, Outcome] = {}
        self._decided_before: dict[UUID, Batch] = {}
        self._ends: dict[UUID, tuple[Decision, int, int]] = {}
        self._append: Append | None = None
        self._appended: Appended | None = None
        self._projected: list[str] = []

    async def look_up(self, database: Database, states: StreamStates) -> None:
        """Looks for earlier outcomes, and makes sure of the streams' states.

        This runs on a connection of the pool, beside the batches before. It settles nothing for good: the
        primary key of the outcomes does, when the batch is committed.
        """
        async with database.connection() as connection:
            self._known = await known_outcomes(connection, [c.command_id for c in self.commands])
            streams = {c.stream: None for c in self.commands if c.command_id not in self._known}
            await states.load(connection, streams)

    async def decide(
        self, domain: Domain, states: StreamStates, now: datetime, decide_seconds: float
    ) -> None:
        """Decides what has no outcome yet, each command on what the ones before it left in `states`.

        Between slices others get their turn: the batch before is still being sent to Postgres.
        """
        undecided = self._undecided()
        traced = enabled()
        for begin in range(0, len(undecided), _SLICE):
            with ended_if_hung(decide_seconds):
                for command in undecided[begin : begin + _SLICE]:
                    began = now_ns() if traced else 0
                    decision, states[command.stream] = decide(domain, command, states[command.stream], now)
                    self._add(_traced(decision, began) if traced else decision)
            await asyncio.sleep(0)
        self._append = Append(self.decisions, self.progress)

    def set_aside(self, domain: Domain, states: StreamStates, attempts: int) -> None:
        """Instead of `decide`: fails what has no outcome yet, without running the domain's code."""
        for command in self._undecided():
            self._add(crashed(domain, command, states[command.stream], attempts))
        self._append = Append(self.decisions, self.progress)

    def _add(self, decision: Decision) -> None:
        begin = self._ends[self.decisions[-1].command.command_id][2] if self.decisions else 0
        end = begin + len(decision.events) + (decision.rejection is not None)
        self.decisions.append(decision)
        self._ends[decision.command.command_id] = (decision, begin, end)

    async def commit(self, connection: Connection, inline: InlineProjections) -> None:
        """Stores outcomes, events and progress through the connection that owns the partitions."""
        assert self._append is not None, "a batch is decided before its commit"
        began = now_ns()
        if inline:
            with reaching_postgres(connection):
                async with connection.transaction():
                    self._appended = await self._append.run(connection)
                    self._projected = await inline.fold(connection, self._appended)
        else:
            self._appended = await self._append.run(connection)
        if began:
            size = {"commander.batch": len(self.decisions)}
            for decision in self.decisions:
                mark("commit", decision.command.traceparent, began, attributes=size)

    async def announce(self, nats: Nats, database: Database) -> None:
        """Tells of the events to who follows the log, and how each command ended to its waiter and to all."""
        assert self._appended is not None, "a batch is announced after its commit"
        told: dict[str, list[Ended]] = {}
        for command in self.commands:
            if command.reply is not None:
                ended = await self._ended(command.command_id, database)
                told.setdefault(command.reply, []).append(ended)
        messages = told_log(self._appended.events)
        if self._appended.events:
            position = self._appended.events[-1].position
            messages += [told_projection(table_name, position) for table_name in self._projected]
        for reply, outcomes in told.items():
            messages += told_outcomes(reply, outcomes)
        await nats.tell(messages + told_ended(self._ends))

    def _undecided(self) -> list[SubmittedCommand]:
        """The commands without an outcome: not in Postgres, not in a batch before, not earlier in this."""
        for batch in self._recent:
            repeated = [c.command_id for c in self.commands if c.command_id in batch._ends]
            self._decided_before |= dict.fromkeys(repeated, batch)
        self._recent = ()
        first: dict[UUID, SubmittedCommand] = {}
        for command in self.commands:
            if command.command_id not in self._known and command.command_id not in self._decided_before:
                first.setdefault(command.command_id, command)
        return list(first.values())

    async def _ended(self, command_id: UUID, database: Database) -> Ended:
        """How a command of this batch ended, if it was decided here; or how it had ended before."""
        assert self._appended is not None, "asked after the commit"
        decided = self._ends.get(command_id)
        if decided is None:
            if (batch := self._decided_before.get(command_id)) is not None:
                return await batch._ended(command_id, database)
            known = self._known[command_id]
            return ended_from(known, await events_of_outcome(database, known))
        decision, begin, end = decided
        return Ended(
            command_id=command_id,
            digest=decision.digest,
            status=decision.status.value,
            code=decision.code,
            message=decision.message,
            stream=decision.command.stream,
            position=self._appended.base + end,
            version=decision.version,
            events=self._appended.events[begin:end],
        )


def _traced(decision: Decision, began_ns: int) -> Decision:
    """The decision, whose events carry the span of deciding."""
    command = decision.command
    outcome = {"commander.status": decision.status.value}
    traceparent = mark(f"decide {command.type}", command.traceparent, began_ns, SpanKind.CONSUMER, outcome)
    return replace(decision, command=replace(command, traceparent=traceparent))
