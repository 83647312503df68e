"""Commands: an id that is made once, and the same request until its outcome is known."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from commander.schema.python.runtime.asking import PATIENCE_SECONDS, answered
from commander.schema.python.runtime.errors import ClientError, OutcomeUnknown, RequestRefused
from commander.schema.python.runtime.transport import Http

DEFAULT_TIMEOUT_MS = 5_000
BETWEEN_SECONDS = 0.2


async def send(
    http: Http,
    field: str,
    document: str,
    given: Any,
    options: Mapping[str, Any],
    *,
    answer_seconds: float,
    on_break: Callable[[Exception], object],
    patience_seconds: float = PATIENCE_SECONDS,
) -> dict[str, Any]:
    """Sends a command, and sends it again under the same id until its outcome is known; the outcome as JSON.

    given and options: in the form of the API. CommandPending comes only if the patience ends first, or if the
    command is decided and a projection does not show it.

    Raises OutcomeUnknown, which has the id, when the patience ends without any answer. Raises RequestRefused
    if the API did not take the request, and so stored nothing.
    """
    command_id = str(options.get("commandId") or new_id())
    request = {
        "query": document,
        "variables": {"input": given, "options": {**options, "commandId": command_id}},
    }
    attempt_seconds = options.get("timeoutMs", DEFAULT_TIMEOUT_MS) / 1000 + answer_seconds
    until = time.monotonic() + patience_seconds
    perhaps_stored = False

    def broken(error: Exception) -> None:
        nonlocal perhaps_stored
        perhaps_stored = True
        on_break(error)

    try:
        while True:
            data = await answered(
                http,
                request,
                attempt_seconds=attempt_seconds,
                patience_seconds=until - time.monotonic(),
                on_break=broken,
            )
            outcome: dict[str, Any] = data[field]
            is_over = outcome["__typename"] != "CommandPending" or _is_decided(outcome)
            if is_over or time.monotonic() + BETWEEN_SECONDS > until:
                return outcome
            perhaps_stored = True
            await asyncio.sleep(BETWEEN_SECONDS)
    except ClientError as error:
        if isinstance(error, RequestRefused) and not perhaps_stored:
            raise
        raise OutcomeUnknown(UUID(command_id), error) from error


def new_id() -> UUID:
    """A UUID (version 7) that begins with the time in milliseconds: later ones sort behind earlier ones."""
    random = secrets.randbits(74)
    time_ms = time.time_ns() // 1_000_000
    return UUID(int=time_ms << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & (1 << 62) - 1)


def _is_decided(outcome: Mapping[str, Any]) -> bool:
    """Whether a pending command only waits for a projection."""
    return outcome.get("stage") == "PROJECTION" or bool(outcome.get("behind"))
