"""Health over HTTP, in every process: is it alive, and is all it needs there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

Readiness = Callable[[], Awaitable[Mapping[str, str]]]
"""What each thing that is needed says: 'ok', or why not."""


def health_routes(ready: Readiness) -> list[BaseRoute]:
    """GET /health/live: the process runs. GET /health/ready: 200, or 503 with what is not ready and why."""

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def readiness(_: Request) -> Response:
        parts = dict(await ready())
        is_ready = all(state == "ok" for state in parts.values())
        return JSONResponse({"ready": is_ready, "parts": parts}, status_code=200 if is_ready else 503)

    return [Route("/health/live", live), Route("/health/ready", readiness)]
