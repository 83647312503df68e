"""The names of a system's streams and subjects on NATS, and the identity that its streams carry.

With the name of the system as a prefix, many systems live beside each other on one NATS. The identity tells
systems of the same name apart: it is in the metadata of both streams, and is made once in Postgres.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from nats.js import api

from commander.domain.errors import CommanderError
from commander.eventstore.log.identity import Identity

IDENTITY = "commander.identity"
"""The key of the identity in a stream's metadata."""


class AnotherSystem(CommanderError):
    """A stream belongs to another system, or to none. The message says which, and what to do."""


class Names:
    """What a system is called on NATS.

    commands, events: the names of its streams. prefix: what all its subjects begin with.
    """

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.prefix = f"{identity.name}." if identity.name else ""
        self.commands = f"{identity.name}-COMMANDS" if identity.name else "COMMANDS"
        self.events = f"{identity.name}-EVENTS" if identity.name else "EVENTS"

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of the streams."""
        return {IDENTITY: str(self.identity.id)}

    def must_own(self, info: api.StreamInfo) -> None:
        """Raises AnotherSystem if the stream is not this system's. An empty one without identity may be."""
        stream, found = info.config.name or "", identity_in(info.config.metadata)
        if found == self.identity.id:
            return
        if found is not None:
            ways = "or, to give up what that system has in it, delete the stream"
            if self.identity.name:
                ways = f"give one of the two another name with COMMANDER_SYSTEM, {ways}"
            else:
                ways = f"use another NATS, {ways}"
            raise AnotherSystem(
                f"the stream {stream} belongs to another system, with the identity {found}; this database "
                f"has {self.identity.id}: {ways}"
            )
        if self.identity.name and info.state.messages:
            raise AnotherSystem(
                f"the stream {stream} has {info.state.messages} messages and no identity, so nobody knows "
                f"whose they are: delete it, or, if they are of this system, run nats stream edit {stream} "
                f"--metadata={IDENTITY}:{self.identity.id}"
            )


def identity_in(metadata: Mapping[str, str] | None) -> UUID | None:
    """The identity in a stream's metadata; None if there is none."""
    text = (metadata or {}).get(IDENTITY)
    return None if text is None else UUID(text)
