"""What every resolver of the schema is handed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from strawberry.dataloader import DataLoader

from commander.eventstore.records import RecordedEvent
from commander.resolvers.events import Page
from commander.resolvers.services import Services
from commander.resolvers.stream_events import StreamPage, pages_of
from commander.schema.batching import Batching
from commander.streaming.live.changes import Cursor
from commander.streaming.tracing import traceparent_from


@dataclass(frozen=True)
class Context:
    """services: of this process. connection: the HTTP request or the WebSocket.

    resume_after: behind what a client that comes back goes on; it goes before the argument `after`.
    extensions: what resolvers have to say beside the data; of one operation, as a connection may run many.
    """

    services: Services
    connection: Any
    resume_after: Cursor | None = None
    extensions: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def stream_events(self) -> DataLoader[StreamPage, Page[RecordedEvent]]:
        """The events of all rows of a list, read together."""
        return DataLoader(partial(pages_of, self.services), cache=False)

    @cached_property
    def batching(self) -> Batching:
        """What many fields of one answer ask for at once, asked together."""
        return Batching(self.services)

    def forget(self) -> None:
        """To be called between two answers of one operation: the next one finds out for itself."""
        self.__dict__.pop("batching", None)

    @property
    def traceparent(self) -> str | None:
        """The trace that the request is part of, if it says so."""
        headers = getattr(self.connection, "headers", None)
        return None if headers is None else traceparent_from(headers.get("traceparent"))

    @property
    def actor(self) -> str | None:
        """Who sent the request, as the header says that was set for it; None where none was."""
        name = self.services.actor_header
        if name is None:
            return None
        given: str = self.connection.headers.get(name, "")
        return given.encode("latin-1").decode("utf-8", "replace").replace("\0", "") or None
