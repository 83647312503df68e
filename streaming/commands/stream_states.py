"""The states of streams: folded from their events."""

from __future__ import annotations

from typing import Any

import msgspec

from commander.domain import Domain, UndecodableEvent, UnknownEvent
from commander.eventstore.records import RecordedEvent


class StreamState(msgspec.Struct, frozen=True):
    """The state of one stream at a version. unreadable: why its events cannot be folded; None if they can.

    unknown: it is unreadable only because this code does not know an event or the aggregate.
    """

    state: Any
    version: int
    unreadable: str | None = None
    unknown: bool = False


def initial_state(domain: Domain, stream: str) -> StreamState:
    """The state of a stream without events."""
    name = stream.partition("-")[0]
    aggregate = domain.aggregate_type(name)
    if aggregate is None:
        return StreamState(None, 0, f"{this_code(domain)} has no aggregate {name}", unknown=True)
    return StreamState(aggregate.initial(), 0)


def evolved(domain: Domain, before: StreamState, event: RecordedEvent) -> StreamState:
    """The state after one more stored event."""
    if before.unreadable is not None:
        return _still_unreadable(domain, before, event)
    try:
        instance = domain.decode(event.type, event.schema_version, event.data, event.position)
        aggregate = domain.aggregate_type(event.aggregate)
        assert aggregate is not None, "the state before has one"
        return StreamState(aggregate.evolve(before.state, instance), event.version)
    except UnknownEvent as error:
        return StreamState(before.state, event.version, f"{this_code(domain)}: {error}", unknown=True)
    except UndecodableEvent as error:
        return StreamState(before.state, event.version, str(error))
    except BaseException as error:  # an exception of the domain's code fails only this stream's commands
        reason = f"evolving by the event at position {event.position} raised {described(error)}"
        return StreamState(before.state, event.version, reason)


def _still_unreadable(domain: Domain, before: StreamState, event: RecordedEvent) -> StreamState:
    """Code that made a later event, which this code does not know, may read the earlier one too."""
    if not before.unknown:
        try:
            domain.decode(event.type, event.schema_version, event.data, event.position)
        except UnknownEvent as error:
            return StreamState(before.state, event.version, f"{this_code(domain)}: {error}", unknown=True)
        except UndecodableEvent:
            pass
    return StreamState(before.state, event.version, before.unreadable, before.unknown)


def this_code(domain: Domain) -> str:
    return f"the code {domain.code.fingerprint} of the domain {domain.name}"


def described(error: BaseException) -> str:
    """The type and the message of an error."""
    return f"{type(error).__name__}: {error}"
