"""What the resolvers have in these tests: the services of a process, over real servers."""

from __future__ import annotations

from tests.resolvers.conftest import services
from tests.streaming.conftest import servers

__all__ = ["servers", "services"]
