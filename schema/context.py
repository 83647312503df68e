"""What every resolver of the schema is handed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from resolvers.services import Services
from schema.batching import Batching
from streaming.tracing import traceparent_from


@dataclass(frozen=True)
class Context:
    """services: of this process. connection: the HTTP request or the WebSocket.

    resume_after: behind which position a client that comes back goes on; it goes before the argument `after`.
    """

    services: Services
    connection: Any
    resume_after: int | None = None

    @cached_property
    def batching(self) -> Batching:
        """What many fields ask for at once, asked together."""
        return Batching(self.services.database)

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
