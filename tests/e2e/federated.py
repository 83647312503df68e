"""Gateways of Apollo Federation, in Node.js, before two APIs: the bank and a shop."""

from __future__ import annotations

import json
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.nodejs import printed, script, started
from tests.system import NO_TLS

PACKAGE = Path(__file__).with_name("federation")
Asked = list[dict[str, Any]]
"""The requests that a gateway has sent to subgraphs: url, query, variables."""


def compose(subgraphs: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """What each tool says. subgraphs: name, url and sdl of each."""
    done = subprocess.run(
        ["node", "compose.js"],
        cwd=PACKAGE,
        input=json.dumps(subgraphs),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Apollo:
    """Apollo's gateway, as a library."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ask(self, document: str, **variables: Any) -> tuple[dict[str, Any], Asked]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps({'query': document, 'variables': variables})}\n".encode())
        answer = await printed(self._process)
        return answer, answer.pop("asked")


class Hive:
    """The Hive gateway, over HTTP."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    async def ask(self, document: str, **variables: Any) -> tuple[dict[str, Any], Asked]:
        body = {"query": document, "variables": variables}
        async with httpx.AsyncClient(timeout=20, verify=NO_TLS) as client:
            await client.get(f"{self._url}/asked")
            answer = (await client.post(f"{self._url}/graphql", json=body)).json()
            return answer, (await client.get(f"{self._url}/asked")).json()

    @asynccontextmanager
    async def subscribed(self, document: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """The answers to a subscription, over Server-Sent Events."""
        body, accept = {"query": document}, {"accept": "text/event-stream"}
        async with (
            httpx.AsyncClient(timeout=20, verify=NO_TLS) as client,
            client.stream("POST", f"{self._url}/graphql", json=body, headers=accept) as stream,
        ):
            yield (json.loads(line[6:]) async for line in stream.aiter_lines() if line.startswith("data: {"))


Gateway = Apollo | Hive


@asynccontextmanager
async def apollo(supergraph: Path) -> AsyncIterator[Apollo]:
    async with script(PACKAGE / "apollo.js", str(supergraph)) as process:
        assert await started(process) == {"ready": True}
        yield Apollo(process)


@asynccontextmanager
async def hive(supergraph: Path) -> AsyncIterator[Hive]:
    async with script(PACKAGE / "hive.js", str(supergraph)) as process:
        yield Hive((await started(process))["port"])
