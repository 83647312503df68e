"""What every resolver of the schema is handed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from resolvers.services import Services


@dataclass
class Place:
    """Where in the log the result stands that an operation gave last; None for one that is not of the feed.

    Whoever makes the results of `events` sets it before each; a transport that tells cursors beside the
    results (Server-Sent Events: `id`) reads it with each. A connection that carries many operations has none.
    """

    position: int | None = None


@dataclass(frozen=True)
class Context:
    """services: of this process. connection: the HTTP request or the WebSocket.

    resume_after: behind which position a client that comes back goes on; it goes before the argument `after`.
    """

    services: Services
    connection: Any
    resume_after: int | None = None
    place: Place = field(default_factory=Place)
