"""A batch of commands:

they are looked up, decided, committed in one transaction, and their outcomes published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from uuid import UUID

from commander.domain import Domain
from commander.eventstore.database import Connection, Database, reaching_postgres
from commander.eventstore.log.command_history import stream_version
from commander.eventstore.log.conditions import NOTHING, OUTSIDE
from commander.eventstore.log.event_log import Append, AppendConflict, Appended
from commander.eventstore.log.outcomes import events_of_outcome, known_outcomes
from commander.eventstore.log.snapshots import Snapshot, save_snapshots
from commander.eventstore.projections.inline import InlineProjections
from commander.eventstore.reactions.cancelled import cancelled_deadlines
from commander.eventstore.records import Decision, Outcome, Progress, SubmittedCommand
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.announcing import announcements
from commander.streaming.commands.basis import Basis
from commander.streaming.commands.deciding import CannotDecide, cancelled, crashed, decide
from commander.streaming.commands.decision_ends import DecisionEnd, ends_of, traced
from commander.streaming.commands.long_loads import LongLoads
from commander.streaming.commands.outcomes import Ended, ended_from, ended_signals
from commander.streaming.nats.connection import Nats
from commander.streaming.tracing import enabled, now_ns, spans

_SLICE = 50
"""How many commands are decided before the event loop gets its turn: about a millisecond."""


class CommandBatch:
    """Commands that are decided and committed together. The steps: look up, decide, commit, announce.

    recent: the earlier batches that may not be committed yet; their decisions count as earlier outcomes.
    stopped: the first command that this code cannot decide. The batch then ends before it.
    folds_inline: False if the inline projections leave inline mode, instead of folding its events.
    """

    def __init__(
        self,
        commands: Sequence[SubmittedCommand],
        progress: Progress,
        recent: Sequence[CommandBatch],
        loads: LongLoads | None = None,
        after: int = 0,
        stored_since: bool = False,
        basis: Basis | None = None,
    ) -> None:
        """loads: where commands of long streams wait; None: the batch waits for its streams, however long.

        after: the last sequence before the batch. stored_since: see `Received`.
        basis: what the decisions rest on; None: the domain has no rules across streams.
        """
        self._basis = basis
        self._stored_since = stored_since
        self._loads = loads
        self._after = after
        self.commands = commands
        self.progress = progress
        self.decisions: list[Decision] = []
        self.stopped: CannotDecide | None = None
        self._ids = {command.command_id for command in commands}
        self._recent = recent
        self._known: dict[UUID, Outcome] = {}
        self._to_decide: Sequence[SubmittedCommand] = ()
        self._is_chosen = False
        self._fired: Sequence[SubmittedCommand] = ()  # deadlines that were cancelled
        self._cancelled: set[UUID] = set()  # deadlines
        self._repeated: list[SubmittedCommand] = []  # decided in another batch, or earlier in this one
        self._decided_before: dict[UUID, CommandBatch] = {}
        self._append: Append | None = None
        self._snapshots: list[Snapshot] = []
        self._appended: Appended | None = None
        self._projected: list[str] = []
        self.folds_inline = True

    async def look_up(self, database: Database, states: AggregateCache, *, ahead: bool = True) -> None:
        """Reads earlier outcomes and loads the states of the streams: in one trip, or in none.

        ahead: whether it is decided before its turn to commit.

        This runs on connections of the pool, concurrently with earlier batches. It is not the final check:
        the primary key of the outcomes is, at the commit.
        """
        asked = self.commands
        if self._stored_since:  # nobody else has decided them; if their ids have ended since, see Processor
            asked = [command for command in self.commands if not command.fresh]
        streams = dict.fromkeys(command.stream for command in self.commands)
        basis = self._basis
        await asyncio.gather(
            *([self._look_up_outcomes(database, asked)] if asked else []),
            *([self._load(database, states, streams)] if states.missing(streams) else []),
            *([] if basis is None else [basis.look_up(self.commands, database, states, ahead=ahead)]),
        )

    async def _look_up_outcomes(self, database: Database, asked: Sequence[SubmittedCommand]) -> None:
        fired = [command for command in asked if command.deadline is not None]
        async with database.connection() as connection:
            self._known = await known_outcomes(connection, [command.command_id for command in asked])
            fired = [command for command in fired if command.command_id not in self._known]
            if fired:
                self._cancelled = await cancelled_deadlines(connection, fired)

    async def _load(self, database: Database, states: AggregateCache, streams: Iterable[str]) -> None:
        async with database.connection() as connection:
            if self._loads is None:
                await states.load(connection, streams)
            else:
                await self._loads.load(connection, streams)

    async def decide(self, domain: Domain, database: Database, states: AggregateCache, now: datetime) -> None:
        """Decides the commands without an outcome, each on the state that earlier ones left in `states`.

        It ends before a command that this code cannot decide, and leaves the progress where it is. So whoever
        takes the partitions reads the batch again, and finds the outcomes of its decided commands.
        Between slices other tasks run: the batch before is still being sent to Postgres.
        """
        undecided = self._undecided()
        if self._loads:
            undecided = self._without_waiting(undecided, self._loads)
        self._fired = [command for command in undecided if command.command_id in self._cancelled]
        if self._fired:
            undecided = [command for command in undecided if command.command_id not in self._cancelled]
        self._to_decide, self._is_chosen = undecided, True
        if self._basis is not None:
            await self._basis.look_up_missing(undecided, database, states)
        await self._decide(domain, database, states, now)

    def undo(self) -> None:
        """Takes back the decisions: what they rest on has changed. Later batches are undone first."""
        assert self._basis is not None, "only its conditions can break"
        self._basis.undo()
        self._append = None

    async def decide_last(
        self, domain: Domain, database: Database, states: AggregateCache, now: datetime
    ) -> bool:
        """Decides the batch on what is committed now, while no one else can commit.

        Returns whether others had changed the states that were known. Raises AppendConflict for a batch that
        was undone if this code cannot decide one of its commands any more: what follows must not commit.
        """
        assert self._basis is not None, "only its conditions can break"
        met = await self._basis.refresh(self.commands, database, states)
        if not self._is_chosen:
            await self.decide(domain, database, states, now)
            return met
        await self._basis.look_up_missing(self._to_decide, database, states)
        stopped = self.stopped
        await self._decide(domain, database, states, now)
        if self.stopped is not None and stopped is None:
            raise AppendConflict(str(self.stopped))
        return True

    @property
    def is_decided(self) -> bool:
        return self._append is not None

    @property
    def reads_models(self) -> bool:
        """Whether all earlier batches must be committed before this one is decided."""
        return self._basis is not None and self._basis.reads_models(self.commands)

    @property
    def streams(self) -> set[str]:
        """The streams that its decisions have read or changed."""
        own = {command.stream for command in self.commands}
        return own if self._basis is None else own.union(self._basis.touched)

    async def _decide(
        self, domain: Domain, database: Database, states: AggregateCache, now: datetime
    ) -> None:
        """Decides; and again while a key was taken as free that another stream holds."""
        while True:
            self.stopped = None
            self.__dict__.pop("_end_of", None)
            self.decisions = [cancelled(one, states[one.stream].version) for one in self._fired]
            await self._decide_in_slices(domain, states, now)
            if self._basis is None or await self._basis.stands(database):
                break
        self._append = Append(
            self.decisions,
            self.progress if self.stopped is None else None,
            NOTHING if self._basis is None else self._basis.conditions(self.decisions),
        )
        # taken now: at the commit, the states may include later batches that are never committed
        changed = {d.command.stream: None for d in self.decisions}
        if self._basis is not None:
            changed |= dict.fromkeys(self._basis.changed)
        self._snapshots = states.due_snapshots(changed)

    async def _decide_in_slices(self, domain: Domain, states: AggregateCache, now: datetime) -> None:
        basis, is_traced = self._basis, enabled()
        try:
            for begin in range(0, len(self._to_decide), _SLICE):
                for command in self._to_decide[begin : begin + _SLICE]:
                    began = now_ns() if is_traced else 0
                    current = states[command.stream] if basis is None else basis.state(command.stream)
                    decision, states[command.stream] = decide(domain, command, current, now, basis)
                    self.decisions.append(traced(decision, began) if is_traced else decision)
                await asyncio.sleep(0)
        except CannotDecide as error:
            self.stopped = error

    async def set_aside(self, domain: Domain, database: Database, attempts: int) -> None:
        """Fails the commands without an outcome. Call it instead of `look_up` and `decide`.

        It runs no domain code: it loads no states.
        """
        async with database.connection() as connection:
            self._known = await known_outcomes(connection, [c.command_id for c in self.commands])
        for command in self._undecided():
            version = await stream_version(database, command.stream)
            self.decisions.append(crashed(domain, command, version, attempts))
        self._append = Append(self.decisions, self.progress, OUTSIDE)

    async def commit(self, connection: Connection, inline: InlineProjections) -> None:
        """Stores outcomes, events and progress through the connection that owns the partitions.

        Snapshots are stored after that, so they never contain an event that is not in the log.
        """
        assert self._append is not None, "a batch is decided before its commit"
        parents = (decision.command.traceparent for decision in self.decisions)
        with spans("commit", parents, {"commander.batch": len(self.decisions)}):
            if inline:
                with reaching_postgres(connection):
                    async with connection.transaction():
                        self._appended = await self._append.run(connection)
                        if self.folds_inline:
                            self._projected = await inline.fold(connection, self._appended)
                        else:
                            await inline.leave(connection)
            else:
                self._appended = await self._append.run(connection)
            if self._snapshots:
                await save_snapshots(connection, self._snapshots)

    async def announce(self, nats: Nats, database: Database) -> None:
        """Publishes the events, each outcome to its waiter, and the ids of the decided commands to all."""
        assert self._appended is not None, "a batch is announced after its commit"
        ends = [
            (reply, end.ended(self._appended))
            for end in ends_of(self.decisions)
            if (reply := end.decision.command.reply) is not None
        ]
        for command in self._repeated:
            if command.reply is not None and self._has_ended(command.command_id):
                ends.append((command.reply, await self._ended_before(command.command_id, database)))
        messages = announcements(nats.names, self._appended.events, self._projected, ends)
        await nats.publish_signals(
            messages + ended_signals(nats.names, (d.command.command_id for d in self.decisions))
        )

    def _undecided(self) -> Sequence[SubmittedCommand]:
        """The commands without an outcome in Postgres, in an earlier batch, or earlier in this batch."""
        recent, self._recent = [batch for batch in self._recent if not self._ids.isdisjoint(batch._ids)], ()
        if not recent and not self._known and len(self._ids) == len(self.commands):
            return self.commands  # the usual case
        for batch in recent:
            self._decided_before |= dict.fromkeys(self._ids & batch._end_of.keys(), batch)
        first: dict[UUID, SubmittedCommand] = {}
        for command in self.commands:
            ended = command.command_id in self._known or command.command_id in self._decided_before
            if ended or first.setdefault(command.command_id, command) is not command:
                self._repeated.append(command)
        return list(first.values())

    def _without_waiting(
        self, undecided: Sequence[SubmittedCommand], loads: LongLoads
    ) -> Sequence[SubmittedCommand]:
        """The commands whose streams are loaded. The others wait, and the progress stays before them."""
        others = list(loads.take(undecided, self._after))
        self._repeated = list(loads.take_repeated(self._repeated, self._after))
        self.commands = [*others, *self._repeated]
        self.progress = loads.held(self.progress)
        return others

    @cached_property
    def _end_of(self) -> dict[UUID, DecisionEnd]:
        """The same by command id. Use it only after the decisions are complete."""
        return {end.decision.command.command_id: end for end in ends_of(self.decisions)}

    def _has_ended(self, command_id: UUID) -> bool:
        """Whether a repeated command has an outcome: it has none behind a command that stopped the batch."""
        return command_id in self._known or command_id in self._decided_before or command_id in self._end_of

    async def _ended_before(self, command_id: UUID, database: Database) -> Ended:
        """The earlier outcome of a repeated command of this batch."""
        if (known := self._known.get(command_id)) is not None:
            return ended_from(known, await events_of_outcome(database, known))
        batch = self._decided_before.get(command_id, self)
        assert batch._appended is not None, "it is called after the commit"
        return batch._end_of[command_id].ended(batch._appended)
