"""What newer code knows. An event that this code does not know may be for newer code, which is to handle it.

A code is newer if it was on this store for the first time after this one. It is registered before it decides
anything. So whoever has read an event finds the code that made it.
"""

from __future__ import annotations

from collections.abc import Sequence

from commander.domain import Domain, DomainCode, EffectType
from commander.domain.errors import CommanderError
from commander.eventstore.database import Database
from commander.eventstore.records import RecordedEvent
from commander.eventstore.sharing import newer_codes


class NotKnown(CommanderError):
    """This code does not know an event that newer code is to handle. It leaves the work, or waits."""


class NewerCode:
    """The codes that are newer than this process's code. Read once for each part of the log."""

    def __init__(self, database: Database, domain: Domain) -> None:
        self._database = database
        self._domain = domain
        self._newer: Sequence[DomainCode] | None = None

    def look_again(self) -> None:
        """Call it after reading events and before asking about them."""
        self._newer = None

    def knows(self, event: RecordedEvent) -> bool:
        """Whether this code knows the event, so that there is nothing to ask."""
        type_ = self._domain.event_type(event.type)
        return type_ is not None and event.schema_version <= type_.version

    async def unknown_to_reactor(self, reactor: str, event: RecordedEvent) -> str | None:
        """Why an event is for newer code: only newer code knows its type, and its reactor takes it."""
        if self._domain.event_type(event.type) is not None:
            return None
        taken = any(event.type in one.reactors.get(reactor, ()) for one in await self._codes())
        return self._not_known(event) if taken else None

    async def unknown_to_effect(self, effect: EffectType, event: RecordedEvent) -> str | None:
        """The same for an effect. It also takes events whose schema version is newer than this code's."""
        type_ = self._domain.event_type(event.type)
        if type_ is None:
            taken = any(event.type in one.effects.get(effect.name, ()) for one in await self._codes())
        else:
            taken = type_.cls in effect.events and event.schema_version > type_.version
        return self._not_known(event) if taken else None

    async def unknown_rejection(self, command_type: str, position: int) -> str | None:
        """Why the rejection of a command is for newer code: only newer code has the command."""
        if self._domain.command_type(command_type) is not None:
            return None
        if not any(command_type in one.commands for one in await self._codes()):
            return None
        return f"{self._this()} has no command {command_type}, which was rejected at position {position}"

    def _not_known(self, event: RecordedEvent) -> str:
        what = f"{event.type} of schema version {event.schema_version} at position {event.position}"
        return f"{self._this()} does not know the event {what}"

    def _this(self) -> str:
        return f"the code {self._domain.code.fingerprint} of the domain {self._domain.name}"

    async def _codes(self) -> Sequence[DomainCode]:
        if self._newer is None:
            self._newer = await newer_codes(self._database, self._domain.code)
        return self._newer
