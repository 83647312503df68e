"""The request context of the schema's resolvers: with loaders that read in batches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

from strawberry.dataloader import DataLoader

from commander.eventstore.records import RecordedEvent
from commander.resolvers.events import Page
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import Services
from commander.resolvers.stream_events import StreamPage, pages_of
from commander.schema.batching import Batching


@dataclass(frozen=True)
class Context(RequestContext[Services]):
    """The context of one operation. A connection has one too, and each of its operations gets its own."""

    @cached_property
    def stream_events(self) -> DataLoader[StreamPage, Page[RecordedEvent]]:
        """The events of all rows of a list, read together."""
        return DataLoader(partial(pages_of, self.services), cache=False)

    @cached_property
    def batching(self) -> Batching:
        """Loads data for many fields of one answer together."""
        return Batching(self.services)

    def forget(self) -> None:
        """Drops cached data. Call it between two answers of one operation: the next one reads again."""
        self.__dict__.pop("batching", None)
