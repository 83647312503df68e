"""What one client may use has limits, by every transport. Beyond them it is told when to come again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets import Subprotocol, connect

from commander.eventstore.projections.folding import ensure_tables
from commander.examples.bank import bank
from commander.examples.bank.messages import OpenAccount
from commander.resolvers.allowances import Allowances, Rates
from commander.resolvers.identity.authentication import Authentication
from commander.resolvers.identity.keys import GivenKey, secret_key
from commander.resolvers.identity.tokens import Demands, Tokens
from commander.resolvers.services import Services
from commander.schema.build import build_schema
from commander.schema.execution.operations import CommanderSchema
from tests.resolvers.test_allowances import Clock
from tests.schema.transports import CARRIES, SOCKETS, Answer, client_of, first, serving
from tests.streaming.conftest import Bank
from tests.system import NO_TLS
from tests.tokens import SECRET, bearer, secret_token

GRAPHQL_JSON = "application/graphql-response+json"
CHEAP = "{ __typename }"
FOLLOW = "subscription { events { position } }"
FOLLOW_ROWS = "subscription { accounts { cursor } }"
OPEN = 'openAccount(input: {owner: "Ada"}, options: {wait: ACCEPTED}) { __typename }'
TOKENS = Tokens(GivenKey(secret_key(SECRET)), Demands(frozenset(("HS256",))))
STREAMING = [transport for transport, kinds in CARRIES.items() if "subscription" in kinds]


@pytest.fixture(scope="module")
def schema() -> CommanderSchema:
    return build_schema(bank)


class Limited:
    """Services with limits, and an API that has them."""

    def __init__(self, services: Services, port: int, clock: Clock) -> None:
        assert services.allowances is not None
        self.allowances, self.port, self.clock = services.allowances, port, clock
        self.url, self.ws_url = f"http://127.0.0.1:{port}/graphql", f"ws://127.0.0.1:{port}/graphql"


@asynccontextmanager
async def limited(
    schema: CommanderSchema, services: Services, *, given: dict[str, Any] | None = None, **rates: float
) -> AsyncIterator[Limited]:
    clock = Clock()
    allowances = Allowances(Rates(**rates), clock)  # type: ignore[arg-type]
    own = replace(services, allowances=allowances)
    async with serving(schema, lambda: own, **(given or {})) as port:
        yield Limited(own, port, clock)


def code_of(answer: Answer) -> Any:
    [error] = answer["errors"]
    return error["extensions"]["code"]


async def post(api: Limited, query: str, accept: str = "application/json", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(verify=NO_TLS, timeout=20) as http:
        return await http.post(api.url, json={"query": query}, headers={"accept": accept, **headers})


async def test_operations_beyond_the_rate_are_refused_by_each_transport(
    schema: CommanderSchema, services: Services
) -> None:
    async with limited(schema, services, operations_per_second=0.5, burst_seconds=4) as api:
        for transport, kinds in CARRIES.items():
            document = FOLLOW if "query" not in kinds else CHEAP
            for _ in range(2):
                api.allowances.take_operation("127.0.0.1")
            async with client_of(transport, api.port) as client:
                [answer] = await first(client, document)
                assert answer == {
                    "errors": [
                        {
                            "message": "you may use 0.5 operations per second, and have used them; "
                            "try again in 2 s",
                            "extensions": {
                                "code": "RATE_LIMITED",
                                "limit": "operations",
                                "retryAfterSeconds": 2,
                            },
                        }
                    ]
                }, transport
                api.clock.now += 2
                if document == CHEAP:
                    [answer] = await first(client, document)
                    assert answer["data"] == {"__typename": "Query"}
            api.clock.now += 4


async def test_a_response_says_429_and_when_to_come_again(
    schema: CommanderSchema, services: Services
) -> None:
    streams = ("text/event-stream", "multipart/mixed;subscriptionSpec=1.0")
    async with limited(schema, services, operations_per_second=1, burst_seconds=3) as api:
        for _ in range(3):
            api.allowances.take_operation("127.0.0.1")
        for accept in ("application/json", GRAPHQL_JSON, *streams):
            refused = await post(api, FOLLOW if accept in streams else CHEAP, accept)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert code_of(refused.json()) == "RATE_LIMITED"
        async with httpx.AsyncClient(verify=NO_TLS, timeout=20) as http:
            assert (await http.get(f"{api.url}/schema.graphql")).status_code == 429


async def test_a_refused_document_is_not_read(schema: CommanderSchema, services: Services) -> None:
    """Otherwise a stranger makes the process parse and validate, whatever the limit is."""
    async with limited(schema, services, operations_per_second=1, burst_seconds=3) as api:
        for _ in range(3):
            assert (await post(api, "{ nothing }")).json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
        refused = await post(api, "{ this is no document")
        assert code_of(refused.json()) == "RATE_LIMITED", "invalid operations count as well"


async def test_each_request_of_an_array_counts(schema: CommanderSchema, services: Services) -> None:
    async with (
        limited(schema, services, operations_per_second=1, burst_seconds=2) as api,
        httpx.AsyncClient(verify=NO_TLS, timeout=20) as http,
    ):
        answers = await http.post(api.url, json=[{"query": CHEAP}] * 4)
        assert answers.status_code == 200
        assert [answer.get("data") is not None for answer in answers.json()] == [True, True, False, False]
        api.clock.now += 1
        api.allowances.take_operation("127.0.0.1")
        refused = await http.post(api.url, json=[{"query": CHEAP}] * 2)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")


async def test_commands_beyond_the_rate_are_refused_and_none_is_stored(
    schema: CommanderSchema, services: Services
) -> None:
    async with limited(schema, services, commands_per_second=1, burst_seconds=3) as api:
        for transport in (name for name, kinds in CARRIES.items() if "mutation" in kinds):
            async with client_of(transport, api.port) as client:
                [answer] = await first(client, f"mutation {{ a: {OPEN} b: {OPEN} }}")
                assert set(answer["data"]) == {"a", "b"}
                stored = services.submitter.submitted
                [answer] = await first(client, f"mutation {{ a: {OPEN} b: {OPEN} }}")
                assert code_of(answer) == "RATE_LIMITED", transport
                assert answer["errors"][0]["extensions"]["limit"] == "commands"
                [answer] = await first(client, CHEAP)
                assert answer["data"], "queries go on"
                assert services.submitter.submitted == stored
            api.clock.now += 3


async def test_each_command_of_submit_counts(schema: CommanderSchema, services: Services) -> None:
    document = "mutation($c: [AnyCommand!]!) { submit(commands: $c, options: {wait: ACCEPTED}) { type } }"
    commands = [{"openAccount": {"owner": "Ada"}}] * 3
    async with (
        limited(schema, services, commands_per_second=1, burst_seconds=3) as api,
        httpx.AsyncClient(verify=NO_TLS, timeout=20) as http,
    ):
        request = {"query": document, "variables": {"c": commands}}
        assert len((await http.post(api.url, json=request)).json()["data"]["submit"]) == 3
        refused = await http.post(api.url, json=request)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")


async def test_an_operation_that_can_cost_too_much_is_refused_with_its_cost(
    schema: CommanderSchema, services: Services
) -> None:
    await ensure_tables(services.database, services.tables.values())
    events = "events(first: 500) { edges { cursor } }"
    query = f"{{ accounts(first: 500) {{ edges {{ node {{ {events} }} }} }} }}"
    subscription = f"subscription {{ accounts {{ changes {{ row {{ {events} }} }} }} }}"
    async with limited(schema, services, max_cost=20_000) as api:
        for transport, kinds in CARRIES.items():
            document, cost = (query, 1 + 500 * 503) if "query" in kinds else (subscription, 1 + 50 * 503)
            async with client_of(transport, api.port) as client:
                [answer] = await first(client, document)
                [error] = answer["errors"]
                assert error["extensions"] == {"code": "COST_TOO_HIGH", "cost": cost, "limit": 20_000}
                assert f"can cost {cost} points, most of them for accounts." in error["message"]
                if document == query:
                    [answer] = await first(client, document.replace("500", "5"))
                    assert answer["data"] == {"accounts": {"edges": []}}
        assert api.allowances.refused == {"max_cost": len(CARRIES)}


async def test_the_cost_of_all_operations_has_a_rate(schema: CommanderSchema, services: Services) -> None:
    await ensure_tables(services.database, services.tables.values())
    document = "{ accounts(first: 100) { edges { cursor } } }"
    async with limited(schema, services, cost_per_second=50, burst_seconds=4) as api:
        assert (await post(api, document)).status_code == 200
        refused = await post(api, document)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert refused.json()["errors"][0]["extensions"]["limit"] == "cost"


@pytest.mark.parametrize("document", [FOLLOW, FOLLOW_ROWS], ids=["events", "rows"])
async def test_open_streams_of_all_transports_have_one_limit(
    schema: CommanderSchema, servers: Bank, all_parts: Services, document: str
) -> None:
    await servers.submit(OpenAccount("Ada", uuid4()))
    async with asyncio.timeout(20):
        while not all_parts.progress.position_of("account"):
            await asyncio.sleep(0.02)
    quick = replace(all_parts, limits=replace(all_parts.limits, heartbeat_seconds=0.1))
    async with limited(schema, quick, streams=len(STREAMING)) as api, AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(client_of(name, api.port)) for name in STREAMING}
        opened = []
        for name, client in clients.items():
            answers = client.answers(document)
            opened.append(answers)
            async with asyncio.timeout(30):
                assert "data" in await anext(answers), name
        for name, client in clients.items():
            if "ws" not in name:
                refused = await post(api, document, "text/event-stream")
                assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
            [answer] = await first(client, document)
            assert code_of(answer) == "RATE_LIMITED", name
        async with aclosing(opened.pop(0)):
            pass
        async with asyncio.timeout(20):
            while len(STREAMING) <= api.allowances._open["127.0.0.1"]:
                await asyncio.sleep(0.01)
        [answer] = await first(clients["sse"], document)
        assert "data" in answer
        for answers in opened:
            await answers.aclose()
        async with asyncio.timeout(20):
            while api.allowances._open:
                await asyncio.sleep(0.01)


async def test_behind_a_trusted_proxy_each_client_has_its_own(
    schema: CommanderSchema, services: Services
) -> None:
    given = {"trusted_proxies": "127.0.0.0/8, 10.0.0.1"}
    async with limited(schema, services, given=given, operations_per_second=1, burst_seconds=1) as api:
        for forwarded, status in (
            ("192.0.2.1", 200),
            ("192.0.2.1", 429),
            ("192.0.2.2, 10.0.0.1", 200),
            ("192.0.2.99, 192.0.2.2", 429),  # the client has written the first one itself
            ("2001:db8::1", 200),
            ("2001:db8::2", 429),
        ):
            answer = await post(api, CHEAP, **{"x-forwarded-for": forwarded})
            assert answer.status_code == status, forwarded


async def test_who_is_signed_in_has_an_allowance_of_its_own(
    schema: CommanderSchema, services: Services
) -> None:
    """Two who share an address do not share it, and one who uses two addresses has no second one."""
    own = replace(services, authentication=Authentication(TOKENS))
    given = {"trusted_proxies": "127.0.0.1"}
    async with limited(schema, own, given=given, operations_per_second=1, burst_seconds=1) as api:
        for subject, address, status in (
            ("ada", "192.0.2.1", 200),
            ("ada", "192.0.2.2", 429),
            ("eve", "192.0.2.1", 200),
            ("192.0.2.3", "192.0.2.1", 200),  # no subject takes what belongs to an address
            (None, "192.0.2.3", 200),
            (None, "192.0.2.3", 429),
        ):
            token = {} if subject is None else bearer(secret_token(subject))
            answer = await post(api, CHEAP, **{"x-forwarded-for": address}, **token)
            assert answer.status_code == status, (subject, address)
        for protocol in SOCKETS:
            async with connect(api.ws_url, subprotocols=[Subprotocol(protocol)], proxy=None) as socket:
                payload = bearer(secret_token("ada"))
                await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
                begin = {"type": SOCKETS[protocol]["begin"], "id": "1", "payload": {"query": CHEAP}}
                await socket.send(json.dumps(begin))
                while '"id":"1"' not in (message := str(await socket.recv())):
                    pass
                assert "RATE_LIMITED" in message, "the token in connection_init says whose allowance it is"


async def test_tokens_that_are_not_accepted_use_the_allowance_of_the_address(
    schema: CommanderSchema, services: Services
) -> None:
    own = replace(services, authentication=Authentication(TOKENS))
    async with limited(schema, own, operations_per_second=1, burst_seconds=2) as api:
        for status in (401, 401, 429):
            answer = await post(api, CHEAP, **bearer("eyJ.not.one"))
            assert answer.status_code == status


async def test_without_a_trusted_proxy_the_header_is_not_believed(
    schema: CommanderSchema, services: Services
) -> None:
    async with limited(schema, services, operations_per_second=1, burst_seconds=1) as api:
        assert (await post(api, CHEAP, **{"x-forwarded-for": "192.0.2.1"})).status_code == 200
        assert (await post(api, CHEAP, **{"x-forwarded-for": "192.0.2.2"})).status_code == 429
