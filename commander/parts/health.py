"""Health, in every process: is it alive, and is all it needs there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from commander.parts.status_server import Answer, Answers

Readiness = Callable[[], Awaitable[Mapping[str, str]]]
"""What each thing that is needed says: 'ok', or why not."""


def health_answers(ready: Readiness) -> Answers:
    """GET /health/live: the process runs. GET /health/ready: 200, or 503 with what is not ready and why."""

    async def live() -> Answer:
        return _json(200, {"live": True})

    async def readiness() -> Answer:
        parts = dict(await ready())
        is_ready = all(state == "ok" for state in parts.values())
        return _json(200 if is_ready else 503, {"ready": is_ready, "parts": parts})

    return {"/health/live": live, "/health/ready": readiness}


def _json(status: int, said: object) -> Answer:
    return Answer(status, "application/json", msgspec.json.encode(said))
