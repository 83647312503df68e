"""Clients name documents by their ids, by every transport, and an API can run nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import md5, sha256
from typing import Any

import httpx
import pytest
from websockets import Subprotocol, connect

from commander.eventstore.trusted_documents import (
    IdTaken,
    add_documents,
    remove_documents,
    state_of,
    trusted_documents,
)
from commander.examples.bank import bank
from commander.resolvers.services import Services
from commander.resolvers.trusted_documents import TrustedDocuments
from commander.schema.build import build_schema
from tests.schema.transports import SOCKETS, serving
from tests.system import NO_TLS

TEXT = "query Root { __typename }"
FOLLOW = "subscription Follow { events { __typename } }"
RELAY, HASH = md5(TEXT.encode()).hexdigest(), sha256(TEXT.encode()).hexdigest()
GRAPHQL_JSON = "application/graphql-response+json"
PERSISTED = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": HASH}}}
NAMED: list[dict[str, Any]] = [
    {"documentId": RELAY},
    {"documentId": HASH},
    {"documentId": f"sha256:{HASH}"},
    {"doc_id": RELAY},
    {"id": RELAY, "query": None},
    {"query": "", **PERSISTED},
    PERSISTED,
]
UNKNOWN: list[dict[str, Any]] = [
    {"documentId": "other"},
    {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}},
]


@asynccontextmanager
async def api(services: Services, *, only: bool) -> AsyncIterator[httpx.AsyncClient]:
    await add_documents(services.database, {RELAY: TEXT, "follow": FOLLOW})
    trusted = TrustedDocuments(only=only)
    await trusted.load(services.database)
    async with (
        serving(build_schema(bank, trusted=trusted), lambda: services) as port,
        httpx.AsyncClient(verify=NO_TLS, timeout=20, base_url=f"http://127.0.0.1:{port}") as http,
    ):
        yield http


def code_of(answer: dict[str, Any]) -> str:
    [error] = answer["errors"]
    code: str = error["extensions"]["code"]
    return code


async def sent(http: httpx.AsyncClient, protocol: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The first message that answers an operation with this payload."""
    url = f"ws://127.0.0.1:{http.base_url.port}/graphql"
    async with connect(url, subprotocols=[Subprotocol(protocol)], proxy=None) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        await socket.send(json.dumps({"type": SOCKETS[protocol]["begin"], "id": "1", "payload": payload}))
        while (message := json.loads(await socket.recv())).get("id") != "1":
            pass
    return dict(message)


@pytest.mark.parametrize("only", [False, True], ids=["any", "trusted"])
async def test_an_id_stands_for_its_document_by_each_transport(services: Services, only: bool) -> None:
    async with api(services, only=only) as http:
        for request in NAMED:
            answer = (await http.post("/graphql", json=request)).json()
            assert answer == {"data": {"__typename": "Query"}}, request
            for protocol in SOCKETS:
                message = await sent(http, protocol, request)
                assert message["payload"] == {"data": {"__typename": "Query"}}, (protocol, request)
        url = {"documentId": RELAY}
        assert (await http.get("/graphql", params=url)).json() == {"data": {"__typename": "Query"}}
        url = {"extensions": json.dumps(PERSISTED["extensions"])}
        assert (await http.get("/graphql", params=url)).json() == {"data": {"__typename": "Query"}}
        several = (await http.post("/graphql", json=[{"documentId": RELAY}, {"documentId": "x"}])).json()
        assert (several[0]["data"], code_of(several[1])) == (
            {"__typename": "Query"},
            "PERSISTED_QUERY_NOT_FOUND",
        )
        for accept in ("text/event-stream", "multipart/mixed;subscriptionSpec=1.0"):
            named, headers = {"documentId": "follow"}, {"accept": accept}
            async with http.stream("POST", "/graphql", json=named, headers=headers) as stream:
                assert stream.headers["content-type"].startswith(accept.partition(";")[0])


async def test_an_unknown_id_is_told_so_that_clients_of_apollo_send_the_document(services: Services) -> None:
    async with api(services, only=False) as http:
        for request, status in zip(UNKNOWN, (400, 200), strict=True):
            answer = await http.post("/graphql", json=request)
            assert (answer.status_code, code_of(answer.json())) == (status, "PERSISTED_QUERY_NOT_FOUND")
            assert answer.json()["errors"][0]["message"] == "PersistedQueryNotFound"
            for protocol in SOCKETS:
                message = await sent(http, protocol, request)
                assert message["type"] == "error"
                payload = message["payload"]
                [error] = payload if isinstance(payload, list) else [payload]
                assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
        wrong_ids: list[dict[str, Any]] = [{"documentId": 1}, {"id": {}}]
        for wrong in wrong_ids:
            answer = await http.post("/graphql", json=wrong)
            assert (answer.status_code, code_of(answer.json())) == (400, "BAD_REQUEST")
        answer = await http.post("/graphql", json={"extensions": {"persistedQuery": {"sha256Hash": 1}}})
        assert code_of(answer.json()) == "PERSISTED_QUERY_NOT_SUPPORTED"


async def test_nothing_else_runs_if_only_trusted_documents_do(services: Services) -> None:
    async with api(services, only=True) as http:
        assert (await http.post("/graphql", json={"query": TEXT})).json() == {"data": {"__typename": "Query"}}
        for query in ("{ __typename }", f"{TEXT} ", "{ not a document", "mutation { a }"):
            for accept, status in ((GRAPHQL_JSON, 403), ("application/json", 200)):
                answer = await http.post("/graphql", json={"query": query}, headers={"accept": accept})
                assert (answer.status_code, code_of(answer.json())) == (status, "DOCUMENT_NOT_TRUSTED")
            for protocol in SOCKETS:
                message = await sent(http, protocol, {"query": query})
                payload = message["payload"]
                [error] = payload if isinstance(payload, list) else [payload]
                assert error["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED", protocol
            stream = await http.post(
                "/graphql", json={"query": query}, headers={"accept": "text/event-stream"}
            )
            assert "DOCUMENT_NOT_TRUSTED" in stream.text
        assert (await http.get("/graphql/schema.graphql")).status_code == 403
        assert (await http.get("/graphql", headers={"accept": "text/html"})).status_code == 200


async def test_a_running_process_follows_what_is_added_and_removed(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commander.resolvers.trusted_documents._POLL_SECONDS", 0.01)
    trusted = TrustedDocuments(only=True)
    assert not trusted
    following = asyncio.create_task(trusted.run(services.database))
    try:
        async with asyncio.timeout(20):
            await add_documents(services.database, {"a": TEXT})
            while trusted.text_of("a") is None:
                await asyncio.sleep(0.01)
            trusted.must_trust(TEXT)
            await add_documents(services.database, {"b": FOLLOW})
            while trusted.text_of("b") is None:
                await asyncio.sleep(0.01)
            await remove_documents(services.database, ["a"])
            while trusted.text_of("a") is not None:
                await asyncio.sleep(0.01)
        assert trusted.text_of(HASH) is None
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_an_id_keeps_its_text_and_nothing_is_added_in_part(services: Services) -> None:
    database = services.database
    assert await add_documents(database, {"a": TEXT, "b": FOLLOW}) == 2
    before = await state_of(database)
    assert await add_documents(database, {"b": FOLLOW}) == 0
    with pytest.raises(IdTaken, match="other documents are stored under the ids a: remove these first"):
        await add_documents(database, {"a": FOLLOW, "c": TEXT})
    assert await state_of(database) == before
    assert [(one.id, one.text) for one in await trusted_documents(database)] == [("a", TEXT), ("b", FOLLOW)]
    assert await remove_documents(database, ["a", "nothing"]) == 1
    assert await add_documents(database, {"a": FOLLOW}) == 1
