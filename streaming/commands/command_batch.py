"""A batch of commands: prepared on what is known, committed at once, announced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from itertools import accumulate, pairwise
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from commander.domain import Domain
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.log.event_log import Append, Appended
from commander.eventstore.log.outcomes import events_of_outcome, known_outcomes
from commander.eventstore.log.snapshots import Snapshot, save_snapshots
from commander.eventstore.projections.inline import InlineProjections
from commander.eventstore.records import Decision, Outcome, Progress, SubmittedCommand
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.deciding import crashed, decide
from commander.streaming.commands.outcomes import Ended, ended_from, ended_signals, outcome_signals
from commander.streaming.commands.watchdog import ended_if_hung
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.signals import log_signals, projection_signal
from commander.streaming.tracing import SpanKind, enabled, mark, now_ns

_SLICE = 50
"""How many commands are decided at a stretch: about a millisecond."""


class _End(NamedTuple):
    """A decision, and where its events stand among those of the batch."""

    decision: Decision
    begin: int
    end: int


class CommandBatch:
    """Commands decided and committed together, by steps: look up, decide, commit, announce.

    recent: the batches that may not have been committed when this one looks up; what they decide counts here.
    """

    def __init__(
        self, commands: Sequence[SubmittedCommand], progress: Progress, recent: Sequence[CommandBatch]
    ) -> None:
        self.commands = commands
        self.progress = progress
        self.decisions: list[Decision] = []
        self._ids = {command.command_id for command in commands}
        self._recent = recent
        self._known: dict[UUID, Outcome] = {}
        self._repeated: list[SubmittedCommand] = []  # decided by another batch, or by their first here
        self._decided_before: dict[UUID, CommandBatch] = {}
        self._append: Append | None = None
        self._snapshots: list[Snapshot] = []
        self._appended: Appended | None = None
        self._projected: list[str] = []

    async def look_up(self, database: Database, states: AggregateCache) -> None:
        """Looks for earlier outcomes, and makes sure of the streams' states.

        This runs on a connection of the pool, beside the batches before. It settles nothing for good: the
        primary key of the outcomes does, when the batch is committed.
        """
        async with database.connection() as connection:
            self._known = await known_outcomes(connection, [c.command_id for c in self.commands])
            streams = {c.stream: None for c in self.commands if c.command_id not in self._known}
            await states.load(connection, streams)

    async def decide(
        self, domain: Domain, states: AggregateCache, now: datetime, decide_seconds: float
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
                    self.decisions.append(_traced(decision, began) if traced else decision)
            await asyncio.sleep(0)
        self._append = Append(self.decisions, self.progress)
        # now, for when this is committed the states may be ahead, by batches that may never be
        self._snapshots = states.due_snapshots({d.command.stream: None for d in self.decisions})

    def set_aside(self, domain: Domain, states: AggregateCache, attempts: int) -> None:
        """Instead of `decide`: fails what has no outcome yet, without running the domain's code."""
        for command in self._undecided():
            self.decisions.append(crashed(domain, command, states[command.stream], attempts))
        self._append = Append(self.decisions, self.progress)

    async def commit(self, connection: Connection, inline: InlineProjections) -> None:
        """Stores outcomes, events and progress through the connection that owns the partitions.

        Snapshots follow: they are of streams as they stand in the log by then.
        """
        assert self._append is not None, "a batch is decided before its commit"
        began = now_ns()
        if inline:
            with reaching_postgres(connection):
                async with connection.transaction():
                    self._appended = await self._append.run(connection)
                    self._projected = await inline.fold(connection, self._appended)
        else:
            self._appended = await self._append.run(connection)
        if self._snapshots:
            await save_snapshots(connection, self._snapshots)
        if began:
            size = {"commander.batch": len(self.decisions)}
            for decision in self.decisions:
                mark("commit", decision.command.traceparent, began, attributes=size)

    async def announce(self, nats: Nats, database: Database) -> None:
        """Tells of the events to who follows the log, and how each command ended to its waiter and to all."""
        assert self._appended is not None, "a batch is announced after its commit"
        told: dict[str, list[Ended]] = {}
        for end in self._ends():
            if (reply := end.decision.command.reply) is not None:
                told.setdefault(reply, []).append(self._ended(end))
        for command in self._repeated:
            if command.reply is not None:
                ended = await self._ended_before(command.command_id, database)
                told.setdefault(command.reply, []).append(ended)
        messages = log_signals(self._appended.events)
        if self._appended.events:
            position = self._appended.events[-1].position
            messages += [projection_signal(table_name, position) for table_name in self._projected]
        for reply, outcomes in told.items():
            messages += outcome_signals(reply, outcomes)
        await nats.tell(messages + ended_signals(decision.command.command_id for decision in self.decisions))

    def _undecided(self) -> Sequence[SubmittedCommand]:
        """The commands without an outcome: not in Postgres, not in a batch before, not earlier in this."""
        recent, self._recent = [batch for batch in self._recent if not self._ids.isdisjoint(batch._ids)], ()
        if not recent and not self._known and len(self._ids) == len(self.commands):
            return self.commands  # as nearly always
        for batch in recent:
            self._decided_before |= dict.fromkeys(self._ids & batch._end_of.keys(), batch)
        first: dict[UUID, SubmittedCommand] = {}
        for command in self.commands:
            ended = command.command_id in self._known or command.command_id in self._decided_before
            if ended or first.setdefault(command.command_id, command) is not command:
                self._repeated.append(command)
        return list(first.values())

    def _ends(self) -> Iterator[_End]:
        """All that was decided here."""
        made = (len(d.events) + (d.rejection is not None) for d in self.decisions)
        spans = pairwise(accumulate(made, initial=0))
        return (_End(d, begin, end) for d, (begin, end) in zip(self.decisions, spans, strict=True))

    @cached_property
    def _end_of(self) -> dict[UUID, _End]:
        """The same by the command's id; asked for after all is decided."""
        return {end.decision.command.command_id: end for end in self._ends()}

    async def _ended_before(self, command_id: UUID, database: Database) -> Ended:
        """How a command of this batch had ended before."""
        if (known := self._known.get(command_id)) is not None:
            return ended_from(known, await events_of_outcome(database, known))
        batch = self._decided_before.get(command_id, self)
        return batch._ended(batch._end_of[command_id])

    def _ended(self, decided: _End) -> Ended:
        """How a command ended that was decided here."""
        assert self._appended is not None, "asked after the commit"
        decision, begin, end = decided
        return Ended(
            decision.command.command_id,
            decision.digest,
            decision.status,
            decision.code,
            decision.message,
            decision.command.stream,
            self._appended.base + end,
            decision.version,
            self._appended.events[begin:end],
        )


def _traced(decision: Decision, began_ns: int) -> Decision:
    """The decision, whose events carry the span of deciding."""
    command = decision.command
    outcome = {"commander.status": decision.status.value}
    traceparent = mark(f"decide {command.type}", command.traceparent, began_ns, SpanKind.CONSUMER, outcome)
    return replace(decision, command=replace(command, traceparent=traceparent))
