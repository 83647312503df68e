"""From events of the log to a reactor's reactions: commands to send, deadlines to cancel, states to store.

This module sends and stores nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from msgspec.structs import replace

from commander.domain import Deadline, Domain, Later, ReactionRejected, ReactorType
from commander.domain.errors import RAISED, EndedItsProcess, Unavailable, UnknownEvent
from commander.domain.lookups import REACTION_REJECTED
from commander.domain.new_ids import ids_of_reaction
from commander.domain.reactors import RecordedRejection
from commander.domain.source import raised, traceback_of
from commander.eventstore.database import Connection, Database
from commander.eventstore.handling import MOST_DEATHS
from commander.eventstore.log.causation import Depths
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.reactions.parked import Failure
from commander.eventstore.reactions.reactors import Checkpoint, StoredState, load_states
from commander.eventstore.records import RecordedEvent, SubmittedCommand
from commander.streaming.commands.assembling import Envelope, assembled
from commander.streaming.commands.deciding import without_nul
from commander.streaming.nats.clock import Clock
from commander.streaming.nats.streams import partition_of
from commander.streaming.newer_code import NewerCode, NotKnown
from commander.streaming.tracing import SpanKind, mark, now_ns


class ReactionFailed(NamedTuple):
    """Why a partition stops before the event at this position. unknown: its code does not know the event."""

    position: int
    reason: str
    unknown: bool = False


class _Taken(NamedTuple):
    """An event that the reactor handles. trigger: the argument of its method. key: the key of its state."""

    event: RecordedEvent
    trigger: Any
    key: str | None
    partition: int

    @property
    def parking_key(self) -> str:
        """The key that is parked if the event fails; for a reactor without a key, the stream."""
        return self.event.stream if self.key is None else self.key


@dataclass(frozen=True)
class Parked:
    """What is known of a reactor's parked keys.

    handled: by key, the position up to which its events are handled. Its later events wait. skipped: the
    positions of events that are not handled. most: how many keys may be parked; 0 for none. count: how many
    are parked, which is read when another one fails. fatal: the positions of events that have ended their
    process each time.
    """

    handled: Mapping[str, int]
    skipped: Collection[int]
    most: int = 0
    count: Callable[[], Awaitable[int]] | None = None
    fatal: Collection[int] = ()

    async def room(self) -> int:
        """How many more keys may be parked. Raises Unavailable."""
        return self.most - (0 if self.count is None else await self.count())


class Reacted(NamedTuple):
    """The reactions to some events. stopped: by partition, why it stops. failures: the keys to park."""

    reactions: Reactions
    stopped: dict[int, ReactionFailed]
    failures: dict[str, Failure]


class Reactions:
    """The reactions to some events, added in the order of the log.

    states: the stored states of their keys. clock: see `Reacting`.
    """

    def __init__(
        self, domain: Domain, reactor: ReactorType, states: Mapping[str, StoredState], clock: Clock
    ) -> None:
        self._clock = clock
        self._domain = domain
        self._reactor = reactor
        self._states = states
        self._commands: list[SubmittedCommand] = []
        self.changed: dict[str, StoredState | None] = {}
        self.cancelled: dict[UUID, SubmittedCommand] = {}

    def to_send(self, parked: Collection[str]) -> list[SubmittedCommand]:
        """The commands to send, without deadlines that were cancelled within the batch.

        parked: the keys whose deadlines wait; they are left out.
        """
        states = [state for key in parked if (state := self.changed.get(key)) is not None]
        waiting = self.cancelled.keys() | {one.command_id for state in states for one in state.deadlines}
        return [command for command in self._commands if command.command_id not in waiting]

    def add(self, taken: _Taken, depth: int, *, muted: bool) -> None:
        """Adds the reaction to an event. depth: see `Depths`. muted: only its state, its commands were sent.

        Raises whatever the domain's code raises; then the event has no effect.
        """
        event, trigger, key, partition = taken
        stored = None if key is None else self.changed.get(key, self._states.get(key))
        state = None if stored is None else self._reactor.decode(stored.state)
        began = now_ns()
        with ids_of_reaction(self._reactor.name, event.position):
            reaction = self._reactor.react(state, trigger)
        if reaction is None:
            return
        traceparent = None
        if reaction.commands and not muted:
            traceparent = mark(f"react {self._reactor.name}", event.traceparent, began, SpanKind.CONSUMER)
        answers = enumerate(reaction.commands)
        made = [self._submitted(event, index, answer, depth, traceparent) for index, answer in answers]
        if key is not None:
            made = [
                replace(command, deadline=(key, partition)) if isinstance(answer, Deadline) else command
                for command, answer in zip(made, reaction.commands, strict=True)
            ]
            deadlines = tuple(command for command in made if command.deadline is not None)
            after = reaction.state
            self.changed[key] = (
                None if after is None else StoredState(self._reactor.encode(after), deadlines, event.position)
            )
        if not muted:
            self.cancelled |= {one.command_id: one for one in (stored.deadlines if stored else ())}
            self._commands += made

    def _submitted(
        self, event: RecordedEvent, index: int, answer: Any, depth: int, traceparent: str | None
    ) -> SubmittedCommand:
        later = answer if isinstance(answer, Later) else None
        command = answer if later is None else later.command
        after = None if later is None else later.after
        envelope = Envelope.of_reaction(
            self._reactor.name, event, index, depth, self._clock, traceparent=traceparent, after=after
        )
        return assembled(self._domain, command, envelope)


class Reacting:
    """Computes the reactions of one reactor.

    partitions: how many its keys are spread over. clock: the one that deadlines go by.
    """

    def __init__(
        self, domain: Domain, database: Database, reactor: ReactorType, partitions: int, clock: Clock
    ) -> None:
        self._clock = clock
        self._domain = domain
        self._database = database
        self._reactor = reactor
        self._partitions = partitions
        self._depths = Depths()
        self._newer = NewerCode(database, domain)

    @property
    def name(self) -> str:
        return self._reactor.name

    def partition_of(self, key: str) -> int:
        """The partition of a key; for a reactor without a key, of a stream."""
        return partition_of(key, self._partitions)

    async def to(
        self,
        connection: Connection,
        events: Sequence[RecordedEvent],
        checkpoints: Mapping[int, Checkpoint],
        parked: Parked,
        only: str | None = None,
    ) -> Reacted:
        """The reactions of these partitions to the events that they have not handled yet, and the failures.

        If the domain's code fails on an event, its key is to be parked, and the key's later events are left
        out. A partition stops before an event that cannot be decoded or that newer code is to handle, and
        before one that fails when there is no room for its key. only: the one key whose events are handled.
        Raises Unavailable.
        """
        self._newer.look_again()
        taken, stopped = await self._taken(events, checkpoints)
        if only is not None:
            taken = [one for one in taken if one.parking_key == only]
        keys = {one.key for one in taken if one.key is not None}
        states = await load_states(connection, self.name, keys) if keys else {}
        reactions = Reactions(self._domain, self._reactor, states, self._clock)
        failures: dict[str, Failure] = {}
        for one in taken:
            position, key = one.event.position, one.parking_key
            if one.partition in stopped and stopped[one.partition].position <= position:
                continue
            if key in failures or parked.handled.get(key, position) < position or position in parked.skipped:
                continue
            muted = position <= checkpoints[one.partition].position
            depth = 0 if muted else await self._depths.of(connection, one.event)
            try:
                if position in parked.fatal:
                    raise EndedItsProcess(MOST_DEATHS, self._reactor.cls)
                reactions.add(one, depth, muted=muted)
            except RAISED as error:  # an exception of the domain's code stops only this key
                if len(failures) < await parked.room():
                    sent = parked.handled.get(key, checkpoints[one.partition].position)
                    failures[key] = self._failure(one, sent, error)
                else:
                    full = f"; {parked.most} keys are parked, no more may be" if parked.most else ""
                    stopped[one.partition] = ReactionFailed(position, f"{without_nul(raised(error))}{full}")
        return Reacted(reactions, stopped, failures)

    def _failure(self, taken: _Taken, sent: int, error: BaseException) -> Failure:
        position = taken.event.position
        return Failure(
            taken.parking_key,
            taken.partition,
            position,
            handled=position - 1,
            sent=max(sent, position - 1),
            event_type=taken.event.type,
            error=without_nul(raised(error)),
            traceback=traceback_of(error),
            fingerprint=self._domain.fingerprint_of(self._reactor),
        )

    async def _taken(
        self, events: Sequence[RecordedEvent], checkpoints: Mapping[int, Checkpoint]
    ) -> tuple[list[_Taken], dict[int, ReactionFailed]]:
        """The events of these partitions. All of them stop before an event that cannot be decoded."""
        taken: list[_Taken] = []
        failed: dict[int, ReactionFailed] = {}
        folded = max((at.folded for at in checkpoints.values()), default=0)
        for event in events:
            concerned: Collection[int] = checkpoints.keys()
            if event.position <= folded or failed:
                behind = (p for p, at in checkpoints.items() if at.folded < event.position)
                concerned = [p for p in behind if p not in failed]
            if self._reactor.key is None:
                concerned = {self.partition_of(event.stream)}.intersection(concerned)
            if not concerned:
                continue
            try:
                type_, data = self._domain.event_type(event.type), event.data
                if type_ is None and (unknown := await self._newer.unknown_to_reactor(self.name, event)):
                    raise NotKnown(unknown)
                trigger = None
                if event.type == REACTION_REJECTED:
                    trigger = await self._rejection(event)
                elif type_ is not None and self._reactor.takes(type_.cls):
                    trigger = self._domain.decode(event.type, event.schema_version, data, event.position)
                key = None if trigger is None or self._reactor.key is None else self._reactor.key_of(trigger)
            except Unavailable:
                raise
            except (NotKnown, UnknownEvent) as error:
                failed |= dict.fromkeys(concerned, ReactionFailed(event.position, str(error), unknown=True))
                continue
            except RAISED as error:  # the key is unknown, so it may be that of any partition
                failed |= dict.fromkeys(concerned, ReactionFailed(event.position, without_nul(raised(error))))
                continue
            if trigger is None or (key is None and self._reactor.key is not None):
                continue
            partition = self.partition_of(event.stream if key is None else key)
            if partition in concerned:
                taken.append(_Taken(event, trigger, key, partition))
        return taken, failed

    async def _rejection(self, event: RecordedEvent) -> ReactionRejected[Any] | None:
        recorded = self._domain.decode(event.type, event.schema_version, event.data, event.position)
        assert isinstance(recorded, RecordedRejection)
        if recorded.reactor != self.name:
            return None
        if unknown := await self._newer.unknown_rejection(recorded.command_type, event.position):
            raise NotKnown(unknown)
        type_ = self._domain.command_type(recorded.command_type)
        if type_ is None or type_.cls not in self._reactor.rejections:
            return None
        outcome = await outcome_of(self._database, event.command_id)
        assert outcome is not None, "a rejection is stored with its outcome"
        return ReactionRejected(type_.decode(outcome.data), recorded.code, recorded.message)
