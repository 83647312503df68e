"""The health of a process: whether it is alive, and whether everything that it needs is ready.

health_answers say what is not ready and why. They are for the operators' port. public_health_answers say only
whether the process is ready, and whether it can answer anything. They are for a port that clients can reach.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from commander.domain import DomainCode
from commander.parts.status_server import Answer, Answers

Readiness = Callable[[], Awaitable[Mapping[str, str]]]
"""For each thing that the process needs: 'ok', or why it is not ready."""


def health_answers(
    ready: Readiness, code: DomainCode, warnings: Callable[[], Mapping[str, str]] = dict
) -> Answers:
    """GET /health/live: the process runs. GET /health/ready: 200, or 503 with what is not ready and why.

    The body of /health/ready also tells the fingerprint of the domain's code, and what it knows. It has
    warnings too: what operators should know, although the process is ready. It is then degraded.
    """

    async def readiness() -> Answer:
        parts = dict(await ready())
        is_ready = _all_ok(parts)
        found = warnings()
        shown = {"ready": is_ready, "degraded": bool(found), "parts": parts, "warnings": found, "code": code}
        return _json(200 if is_ready else 503, shown)

    return {"/health/live": _live, "/health/ready": readiness}


def public_health_answers(
    ready: Readiness, answers: Callable[[], bool], warnings: Callable[[], Mapping[str, str]] = dict
) -> Answers:
    """The same paths and status codes, and no details.

    GET /health/answering: 200 while the process can do a part of its work although it is not ready, else 503.
    A gateway sends requests to such a process when no other one is ready.
    """

    async def readiness() -> Answer:
        is_ready = _all_ok(await ready())
        return _json(200 if is_ready else 503, {"ready": is_ready, "degraded": bool(warnings())})

    async def answering() -> Answer:
        return _json(200 if answers() else 503, {"answering": answers()})

    return {"/health/live": _live, "/health/ready": readiness, "/health/answering": answering}


async def _live() -> Answer:
    return _json(200, {"live": True})


def _all_ok(parts: Mapping[str, str]) -> bool:
    return all(state == "ok" for state in parts.values())


def _json(status: int, body: object) -> Answer:
    return Answer(status, "application/json", msgspec.json.encode(body))
