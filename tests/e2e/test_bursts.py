"""Many operations at once, far more than a process has connections to Postgres: each waits for its turn."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from commander.dev.embedded import free_port
from tests.e2e.api_process import api_beside
from tests.e2e.bank import document_of, opened
from tests.system import NO_TLS, System

OPERATIONS = int(os.environ.get("BURST_OPERATIONS", "600"))
ROW = "query ($id: UUID!) { account(accountId: $id) { balance } }"
_TABLE = "select table_name from projections where name = 'account' and serving"
LISTED = "{ accounts(first: 5) { edges { node { owner } } } }"


async def test_a_burst_of_mixed_operations_ends_without_an_error(system: System) -> None:
    account = opened(system, balance="1000000")
    asked = [_operation(number, account) for number in range(OPERATIONS)]
    answers = await asyncio.gather(*(_post(system.port, body) for body in asked))
    kinds = Counter(_kind(answer) for answer in answers)
    assert set(kinds) <= {"account", "accounts", "CommandApplied"}, kinds
    assert sum(kinds.values()) == OPERATIONS


async def test_beyond_the_limit_a_query_is_told_to_come_back_and_a_mutation_goes_on(
    system: System, tmp_path: Path
) -> None:
    account, locking = opened(system), await asyncpg.connect(system.settings["COMMANDER_POSTGRES_URL"])
    row = {"query": ROW, "variables": {"id": account}}
    with api_beside(system, tmp_path, postgres_connections=2, max_waiting_operations=1) as api:
        async with httpx.AsyncClient(timeout=60, verify=NO_TLS) as http:
            transaction = locking.transaction()
            await transaction.start()
            await locking.execute(f"lock table {await locking.fetchval(_TABLE)} in access exclusive mode")
            held = [asyncio.create_task(http.post(api.url, json=row)) for _ in range(2)]
            async with asyncio.timeout(30):
                while (refused := await http.post(api.url, json={"query": "{ __typename }"})).is_success:
                    pass
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            [error] = refused.json()["errors"]
            assert error["extensions"] == {"code": "OVERLOADED", "retryAfterSeconds": 5}
            assert "1 operations wait for a connection" in error["message"]
            applied = await http.post(api.url, json=_operation(2, account))
            assert _kind(applied.json()) == "CommandApplied", "its look-ups have connections of their own"
            await transaction.rollback()
            assert [_kind((await one).json()) for one in held] == ["account", "account"]
    await locking.close()


async def test_at_a_limit_of_the_queue_clients_and_operators_are_told(system: System, tmp_path: Path) -> None:
    settings = {"queue_max_age_seconds": 0.001, "health_port": free_port()}
    opened(system)  # a decided command stays in the stream for some seconds
    with api_beside(system, tmp_path, **settings) as api:  # type: ignore[arg-type]
        async with httpx.AsyncClient(timeout=60, verify=NO_TLS) as http:
            opening = _operation(2, "")
            async with asyncio.timeout(60):
                while "errors" not in (answer := (await http.post(api.url, json=opening)).json()):
                    opening = _operation(2, "")
            [error] = answer["errors"]
            assert error["extensions"] == {"code": "OVERLOADED", "retryAfterSeconds": 10}
            assert "a command is queued for" in error["message"]
            operators = f"http://127.0.0.1:{settings['health_port']}"
            ready = (await http.get(f"{operators}/health/ready")).json()
            assert ready["ready"] and "commands of clients are refused" in ready["warnings"]["queue"]
            assert "commander_queue_full 1" in (await http.get(f"{operators}/metrics")).text


async def _post(port: int, body: dict[str, Any]) -> dict[str, Any]:
    """The answer, over a connection of its own. A client library would take longer than the server."""
    content = json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"content-type: application/json\r\ncontent-length: {len(content)}\r\nconnection: close"
    writer.write(f"POST /graphql HTTP/1.1\r\nhost: localhost\r\n{head}\r\n\r\n".encode() + content)
    answer = (await reader.read()).partition(b"\r\n\r\n")[2]
    writer.close()
    found: dict[str, Any] = json.loads(answer)
    return found


def _operation(number: int, account: str) -> dict[str, Any]:
    """A third of the operations are queries of a row, a third of lists, a third mutations."""
    if number % 3 == 0:
        return {"query": ROW, "variables": {"id": account}}
    if number % 3 == 1:
        return {"query": LISTED}
    options = {"commandId": str(uuid4()), "wait": "APPLIED", "timeoutMs": 60_000}
    variables = {"input": {"owner": "Ada", "accountId": str(uuid4())}, "options": options}
    return {"query": document_of("openAccount"), "variables": variables}


def _kind(answer: dict[str, Any]) -> str:
    """What was answered: the field of a query, the result of a mutation, or the errors."""
    if "errors" in answer:
        return json.dumps([(error["message"], error["extensions"]["code"]) for error in answer["errors"]])
    [(field, value)] = answer["data"].items()
    return str(value["__typename"]) if field == "openAccount" else str(field)
