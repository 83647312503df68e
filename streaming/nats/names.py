"""The names of a system's streams and subjects on NATS, and the identity and the epoch of its streams.

With the name of the system as a prefix, many systems live beside each other on one NATS. The identity tells
systems of the same name apart: it is in the metadata of both streams, and is made once in Postgres. The epoch
beside it tells whether a store was set back (agreement.py in streaming/log).
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from nats.js import api

from commander.domain.errors import CommanderError
from commander.eventstore.log.identity import Identity

IDENTITY = "commander.identity"
"""The key of the identity in a stream's metadata."""
EPOCH = "commander.epoch"
"""The key of the log's newest epoch in a stream's metadata. A stream without it is of the first epoch."""
EPOCHS = "commander.epochs"
"""The key of all epochs, each with its first position: 1:1 2:701."""


class AnotherSystem(CommanderError):
    """A stream belongs to another system, or to none. The message says which, and what to do."""


class StoresDiffer(CommanderError):
    """Postgres and NATS do not have the same history: one was set back, or a foreign message is in EVENTS.

    The message says where they differ, and what to do.
    """


class Names:
    """What a system is called on NATS.

    commands, events: the names of its streams. prefix: what all its subjects begin with.
    any_epoch: its streams may be of another epoch than the log, because they are about to be compared.
    """

    def __init__(self, identity: Identity, *, any_epoch: bool = False) -> None:
        self.identity = identity
        self._any_epoch = any_epoch
        newest = identity.epochs[-1]
        self._newest, self._newest_from = str(newest.number), newest.first_position
        self.prefix = f"{identity.name}." if identity.name else ""
        self.commands = f"{identity.name}-COMMANDS" if identity.name else "COMMANDS"
        self.events = f"{identity.name}-EVENTS" if identity.name else "EVENTS"

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of the streams."""
        epochs = self.identity.epochs
        every = " ".join(f"{one.number}:{one.first_position}" for one in epochs)
        return {IDENTITY: str(self.identity.id), EPOCH: str(epochs.current), EPOCHS: every}

    def epoch_at(self, position: int) -> str:
        """The epoch of a position, as text. It is asked for each event."""
        return self._newest if position >= self._newest_from else str(self.identity.epochs.at(position))

    def must_own(self, info: api.StreamInfo) -> None:
        """Raises AnotherSystem if the stream is not this system's. An empty one without identity may be.

        Raises StoresDiffer if it is of another epoch.
        """
        stream, found = info.config.name or "", identity_in(info.config.metadata)
        if found == self.identity.id:
            self._must_be_of_the_epoch(stream, epoch_in(info.config.metadata))
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

    def _must_be_of_the_epoch(self, stream: str, found: int) -> None:
        if found != self.identity.epochs.current and not self._any_epoch:
            raise StoresDiffer(
                f"the stream {stream} is of epoch {found} and the log of epoch {self.identity.epochs.current}"
                f"{RESTORE}"
            )


RESTORE = ": Postgres or NATS was set back to an older state; run commander restore to see what was lost"
"""What to do, at the end of the message of StoresDiffer."""


def epoch_in(metadata: Mapping[str, str] | None) -> int:
    """The epoch in a stream's metadata. A stream that is older than epochs is of the first one."""
    return int((metadata or {}).get(EPOCH, "1"))


def identity_in(metadata: Mapping[str, str] | None) -> UUID | None:
    """The identity in a stream's metadata; None if there is none."""
    text = (metadata or {}).get(IDENTITY)
    return None if text is None else UUID(text)
