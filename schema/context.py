"""What every resolver of the schema is handed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from resolvers.services import Services


@dataclass(frozen=True)
class Context:
    """services: of this process. connection: the HTTP request or the WebSocket."""

    services: Services
    connection: Any
