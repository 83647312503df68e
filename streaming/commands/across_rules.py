"""The rules across streams of a processor's domain: what is on, and the basis that a batch gets of them."""

from __future__ import annotations

from collections.abc import Callable

from commander.domain import Domain
from commander.eventstore.database import Database
from commander.streaming.commands.aggregate_cache import AggregateCache
from commander.streaming.commands.basis import Across, Basis
from commander.streaming.commands.indexing import across_of
from commander.streaming.commands.key_holders import KeyHolders
from commander.streaming.commands.models import Models


class AcrossRules:
    """holders: who holds the unique keys, as far as the processor knows."""

    def __init__(self, domain: Domain, database: Database, states: AggregateCache) -> None:
        self._domain = domain
        self._database = database
        self._states = states
        self._models = Models(domain)
        self._across: Across | None = None
        self.holders = KeyHolders()

    async def switch_on(self, has_company: Callable[[], bool]) -> None:
        """Builds what the rules need. has_company: whether other processors may own partitions.

        Raises NotKnown if this code must leave the work to other code.
        """
        self._across = await across_of(self._domain, self._database, has_company)

    def basis(self) -> Basis | None:
        """What the decisions of a batch will rest on; None for a domain without such rules."""
        if self._across is None:
            return None
        return Basis(self._domain, self._across, self._states, self.holders, self._models)
