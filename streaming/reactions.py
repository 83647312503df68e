"""From events of the log to a reactor's reactions: commands to send, deadlines to take back, states to save.

Nothing here is sent or saved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import msgspec

from commander.domain import Deadline, Domain, Later, ReactionRejected, ReactorType
from commander.domain.domain import REACTION_REJECTED
from commander.domain.messages import CommandType
from commander.domain.reactors import RecordedRejection
from eventstore.causation import APART, Depths
from eventstore.database import Connection, Database
from eventstore.outcomes import outcome_of
from eventstore.reactors import StoredState, load_states
from eventstore.records import RecordedEvent, SubmittedCommand
from streaming.tracing import SpanKind, mark, now_ns

_NAMESPACE = UUID("6e5a4c9e-0d0e-5d4b-9a43-b0a3e8a3f5d1")


def reaction_id(reactor: str, position: int, index: int) -> UUID:
    """The id of a reaction's command: the same whenever the reaction is repeated."""
    return uuid5(_NAMESPACE, f"{reactor}:{position}:{index}")


class Reactions:
    """The reactions to some events, added in the order of the log. states: those that their keys have."""

    def __init__(self, domain: Domain, reactor: ReactorType, states: Mapping[str, StoredState]) -> None:
        self._domain = domain
        self._reactor = reactor
        self._states = states
        self._commands: list[SubmittedCommand] = []
        self.changed: dict[str, StoredState | None] = {}
        self.taken_back: dict[UUID, SubmittedCommand] = {}

    @property
    def commands(self) -> list[SubmittedCommand]:
        """What is to be sent, without deadlines that were met within the batch."""
        return [command for command in self._commands if command.command_id not in self.taken_back]

    def add(self, event: RecordedEvent, trigger: Any, depth: int) -> None:
        """Adds the reaction to an event. trigger: it, as the reactor takes it. depth: see `Depths`.

        Raises whatever the domain's code raises; the event has then left nothing behind.
        """
        key = None if self._reactor.key is None else self._reactor.key_of(trigger)
        if key is None and self._reactor.key is not None:
            return
        stored = None if key is None else self.changed.get(key, self._states.get(key))
        state = None if stored is None else self._reactor.decode(stored.state)
        began = now_ns()
        reaction = self._reactor.react(state, trigger)
        if reaction is None:
            return
        traceparent = None
        if reaction.commands:
            traceparent = mark(f"react {self._reactor.name}", event.traceparent, began, SpanKind.CONSUMER)
        answers = enumerate(reaction.commands)
        made = [self._submitted(event, index, answer, depth, traceparent) for index, answer in answers]
        if key is not None:
            deadlines = tuple(
                command
                for command, answer in zip(made, reaction.commands, strict=True)
                if isinstance(answer, Deadline)
            )
            after = reaction.state
            self.changed[key] = (
                None if after is None else StoredState(self._reactor.encode(after), deadlines, event.position)
            )
            self.taken_back |= {
                command.command_id: command for command in (stored.deadlines if stored else ())
            }
        self._commands += made

    def _submitted(
        self, event: RecordedEvent, index: int, answer: Any, depth: int, traceparent: str | None
    ) -> SubmittedCommand:
        later = answer if isinstance(answer, Later) else None
        command = answer if later is None else later.command
        type_ = self._domain.type_of(command)
        if not isinstance(type_, CommandType):
            raise TypeError(f"{type_.name} is an event; a reactor returns commands")
        type_.check(command)
        return SubmittedCommand(
            command_id=reaction_id(self._reactor.name, event.position, index),
            type=type_.name,
            stream=self._domain.aggregate_of_command(type_.name).stream_of(command),
            data=msgspec.Raw(type_.encode(command)),
            correlation_id=event.correlation_id,
            submitted_at=datetime.now(UTC),
            causation_position=event.position,
            reactor=self._reactor.name,
            traceparent=traceparent,
            not_before=None if later is None else event.recorded_at + later.after,
            depth=0 if later is not None and later.after >= APART else depth + 1,
        )


class Failed(NamedTuple):
    """The domain's code raised on an event."""

    position: int
    reason: str


class Reacting:
    """Takes events from the log as one reactor does."""

    def __init__(self, domain: Domain, database: Database, reactor: ReactorType) -> None:
        self._domain = domain
        self._database = database
        self._reactor = reactor
        self._depths = Depths()

    @property
    def name(self) -> str:
        return self._reactor.name

    async def to(
        self, connection: Connection, events: Sequence[RecordedEvent]
    ) -> tuple[Reactions, Failed | None]:
        """The reactions to these events, up to one that the domain's code fails on: its position, and how."""
        taken: list[tuple[RecordedEvent, Any]] = []
        failed: Failed | None = None
        for event in events:
            try:
                trigger = await self._trigger(event)
            except Exception as error:  # whatever the domain's code raises stops this reactor alone
                failed = Failed(event.position, f"{type(error).__name__}: {error}")
                break
            if trigger is not None:
                taken.append((event, trigger))
        keyed = self._reactor.key is not None
        keys = {key for _, trigger in taken if keyed and (key := self._reactor.key_of(trigger)) is not None}
        states = await load_states(connection, self.name, keys) if keys else {}
        reactions = Reactions(self._domain, self._reactor, states)
        for event, trigger in taken:
            depth = await self._depths.of(connection, event)
            try:
                reactions.add(event, trigger, depth)
            except Exception as error:  # as above
                return reactions, Failed(event.position, f"{type(error).__name__}: {error}")
        return reactions, failed

    async def _trigger(self, event: RecordedEvent) -> Any | None:
        """The event as the reactor takes it; None if it takes no interest."""
        if event.type == REACTION_REJECTED:
            return await self._rejection(event)
        type_ = self._domain.events.get(event.type)
        if type_ is None or not self._reactor.takes(type_.cls):
            return None
        return self._domain.decode(event.type, event.schema_version, event.data, event.position)

    async def _rejection(self, event: RecordedEvent) -> ReactionRejected[Any] | None:
        recorded = self._domain.decode(event.type, event.schema_version, event.data, event.position)
        assert isinstance(recorded, RecordedRejection)
        type_ = self._domain.commands.get(recorded.command_type)
        if recorded.reactor != self.name or type_ is None or type_.cls not in self._reactor.rejections:
            return None
        outcome = await outcome_of(self._database, event.command_id)
        assert outcome is not None, "a rejection is stored with its outcome"
        return ReactionRejected(type_.decode(outcome.data), recorded.code, recorded.message)
