"""The system of the tests in this process. It has no prefix, as one that is older than names."""

from __future__ import annotations

from uuid import UUID

from commander.eventstore.log.identity import Identity
from commander.streaming.nats.names import Names

NAMES = Names(Identity("", UUID(int=1)))
