"""No connection of the pool is held while NATS is awaited. Else a slow NATS makes every read slow."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from commander.eventstore.database import Connection, Database
from commander.streaming.commands.submitting import Submitter
from commander.streaming.nats.connection import Nats

_TO_NATS = ((Nats, "must_be_connected"), (Nats, "publish_signals"), (Submitter, "submit"))
"""Each call of ours to NATS passes one of them, in the task that waits for it."""


def nothing_is_held(patch: pytest.MonkeyPatch) -> list[str]:
    """From now on, a call to NATS by a task that holds a connection of the pool fails. Returns the calls."""
    held: Counter[asyncio.Task[Any] | None] = Counter()
    found: list[str] = []
    original = Database.connection

    @asynccontextmanager
    async def connection(self: Database, **given: Any) -> AsyncIterator[Connection]:
        async with original(self, **given) as made:
            task = asyncio.current_task()
            held[task] += 1
            try:
                yield made
            finally:
                held[task] -= 1

    def checked(call: Callable[..., Any]) -> Callable[..., Any]:
        def checking(*given: Any, **named: Any) -> Any:
            if held[asyncio.current_task()]:
                found.append(call.__qualname__)
                raise AssertionError(f"{call.__qualname__} is called while a connection of the pool is held")
            return call(*given, **named)

        return checking

    patch.setattr(Database, "connection", connection)
    for owner, name in _TO_NATS:
        patch.setattr(owner, name, checked(getattr(owner, name)))
    return found
