"""What a batch of events makes of a reactor: commands to send, deadlines to take back, states to save."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec

from commander.domain import Deadline, Domain, Later, ReactorType
from commander.domain.messages import CommandType
from eventstore.causation import APART
from eventstore.reactors import StoredState
from eventstore.records import RecordedEvent, SubmittedCommand

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
        self.taken_back: set[UUID] = set()

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
        reaction = self._reactor.react(state, trigger)
        if reaction is None:
            return
        made = [self._submitted(event, n, answer, depth) for n, answer in enumerate(reaction.commands)]
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
            self.taken_back |= {command.command_id for command in (stored.deadlines if stored else ())}
        self._commands += made

    def _submitted(self, event: RecordedEvent, index: int, answer: Any, depth: int) -> SubmittedCommand:
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
            not_before=None if later is None else event.recorded_at + later.after,
            depth=0 if later is not None and later.after >= APART else depth + 1,
        )
