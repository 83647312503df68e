"""Queries and mutations: one request, repeated until there is an answer or the caller's patience ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx

from commander.schema.python.runtime.errors import Interrupted, RequestRefused, failure, status_failure
from commander.schema.python.runtime.transport import Http, Request, result_in
from commander.schema.python.runtime.waiting import backoff

PATIENCE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 5
_ACCEPT = "application/graphql-response+json, application/json;q=0.9"
_STOPPED = "PROJECTION_STOPPED"


async def answered(
    http: Http,
    request: Request,
    *,
    attempt_seconds: float,
    patience_seconds: float,
    on_break: Callable[[Exception], object],
) -> dict[str, Any]:
    """The data of the answer. The request must be safe to repeat.

    attempt_seconds: an attempt without an answer after so long is a break. Raises RequestRefused, or the last
    Interrupted when the patience has ended.
    """
    until = time.monotonic() + patience_seconds
    failed = 0
    while True:
        try:
            return await _attempt(http, request, attempt_seconds)
        except Interrupted as error:
            if error.access or error.suspect or error.code == _STOPPED:
                raise RequestRefused(str(error), error.code) from error
            on_break(error)
            pause = backoff(failed, LONGEST_PAUSE_SECONDS, error.retry_after_seconds)
            if time.monotonic() + pause > until:
                raise
        await asyncio.sleep(pause)
        failed += 1


async def _attempt(http: Http, request: Request, seconds: float) -> dict[str, Any]:
    try:
        async with asyncio.timeout(seconds):
            response = await http.opened(request, _ACCEPT, seconds)
            try:
                text = (await response.aread()).decode("utf-8", "replace")
            finally:
                await response.aclose()
    except (TimeoutError, httpx.TimeoutException):
        raise Interrupted(f"no answer within {seconds:g} s") from None
    except httpx.HTTPError as error:
        raise Interrupted(f"{type(error).__name__}: {error}") from error
    result = result_in(text)
    of_status = status_failure(response.status_code, response.headers, text)
    if result is None:
        raise of_status
    data: dict[str, Any] | None = result.get("data")
    if data and not result.get("errors"):
        return data
    found = failure(result.get("errors") or [])
    if isinstance(found, Interrupted) and not found.retry_after_seconds:
        found.retry_after_seconds = of_status.retry_after_seconds
    raise found
