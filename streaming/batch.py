"""A batch of commands: prepared on what is known, committed at once, announced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from commander.domain import Domain
from eventstore.database import Connection, Database
from eventstore.log import Append, Appended
from eventstore.outcomes import events_of_outcome, known_outcomes
from eventstore.records import Decision, Outcome, Progress, SubmittedCommand
from streaming.connection import Nats
from streaming.deciding import crashed, decide
from streaming.outcomes import Ended, announce, announce_all, ended_from
from streaming.signals import tell_head
from streaming.states import StreamStates
from streaming.watchdog import ended_if_hung


class Batch:
    """Commands decided and committed together, by steps: prepare, commit, announce.

    before: the batch that is being committed while this one is prepared; what it decides counts here.
    """

    def __init__(
        self, commands: Sequence[SubmittedCommand], progress: Progress, before: Batch | None
    ) -> None:
        self.commands = commands
        self.progress = progress
        self.decisions: list[Decision] = []
        self._before = before
        self._known: dict[UUID, Outcome] = {}
        self._ends: dict[UUID, tuple[Decision, int, int]] = {}
        self._append: Append | None = None
        self._appended: Appended | None = None

    async def prepare(
        self, domain: Domain, database: Database, states: StreamStates, now: datetime, decide_seconds: float
    ) -> None:
        """Decides what has no outcome yet, each command on what the ones before it left in `states`.

        This runs on a connection of the pool, beside the commit of the batch before. It decides nothing
        for good: the primary key of the outcomes does, when the batch is committed.
        """
        undecided = await self._load(database, states)
        with ended_if_hung(decide_seconds):
            for command in undecided:
                decision, states[command.stream] = decide(domain, command, states[command.stream], now)
                self._add(decision)
        self._append = Append(self.decisions, self.progress)

    async def set_aside(
        self, domain: Domain, database: Database, states: StreamStates, attempts: int
    ) -> None:
        """Instead of `prepare`: fails what has no outcome yet, without running the domain's code."""
        for command in await self._load(database, states):
            self._add(crashed(domain, command, states[command.stream], attempts))
        self._append = Append(self.decisions, self.progress)

    async def _load(self, database: Database, states: StreamStates) -> list[SubmittedCommand]:
        """Looks up outcomes, makes sure of the streams' states; returns what is to be decided."""
        async with database.connection() as connection:
            self._known = await known_outcomes(connection, [c.command_id for c in self.commands])
            undecided = self._undecided()
            await states.load(connection, {c.stream: None for c in undecided})
        return undecided

    def _add(self, decision: Decision) -> None:
        begin = self._ends[self.decisions[-1].command.command_id][2] if self.decisions else 0
        end = begin + len(decision.events) + (decision.rejection is not None)
        self.decisions.append(decision)
        self._ends[decision.command.command_id] = (decision, begin, end)

    async def commit(self, connection: Connection) -> None:
        """Stores outcomes, events and progress through the connection that owns the partitions."""
        assert self._append is not None, "a batch is prepared before its commit"
        self._appended = await self._append.run(connection)

    async def announce(self, nats: Nats, database: Database) -> None:
        """Tells how each command ended: all who listen in one message, and each one's own waiter."""
        assert self._appended is not None, "a batch is announced after its commit"
        if self._appended.events:
            await tell_head(nats, self._appended.events[-1].position)
        await announce_all(nats, list(self._ends))
        told: dict[str, list[Ended]] = {}
        for command in self.commands:
            if command.reply is not None:
                ended = await self._ended(command.command_id, database)
                told.setdefault(command.reply, []).append(ended)
        for reply, outcomes in told.items():
            await announce(nats, reply, outcomes)
        self._before = None

    def _undecided(self) -> list[SubmittedCommand]:
        """The commands without an outcome: not in Postgres, not in the batch before, not earlier in this."""
        before = self._before._ends if self._before is not None else {}
        first: dict[UUID, SubmittedCommand] = {}
        for command in self.commands:
            if command.command_id not in self._known and command.command_id not in before:
                first.setdefault(command.command_id, command)
        return list(first.values())

    async def _ended(self, command_id: UUID, database: Database) -> Ended:
        """How a command of this batch ended, if it was decided here; or how it had ended before."""
        assert self._appended is not None, "asked after the commit"
        decided = self._ends.get(command_id)
        if decided is None:
            known = self._known.get(command_id)
            if known is None:
                assert self._before is not None, "decided here, or before, or in the batch before"
                return await self._before._ended(command_id, database)
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
