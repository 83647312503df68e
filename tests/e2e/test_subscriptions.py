"""The feed as clients follow it: history, then CaughtUp, then live, without a seam, over each transport."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import httpx
import pytest
from gql.transport.exceptions import TransportQueryError

from tests.e2e.bank import apply, opened
from tests.e2e.feeds import (
    FEED,
    TRANSPORTS,
    Feed,
    Item,
    server_sent_events,
    take,
    transport_ws,
    until_caught_up,
)
from tests.e2e.sockets import LEGACY_WS, socket_to, start, subscribe
from tests.system import NO_TLS, System

pytestmark = pytest.mark.usefixtures("goes_on")


def deposit(system: System, account: str, amount: str = "1.00", **options: Any) -> dict[str, Any]:
    return apply(system, "deposit", {"accountId": account, "amount": amount}, **options)


def of(account: str) -> dict[str, Any]:
    return {"streams": [f"account-{account}"]}


def versions(items: list[Item]) -> list[int]:
    return [item["version"] for item in items]


@pytest.mark.parametrize("feed", TRANSPORTS, ids=lambda feed: feed.__name__)
async def test_a_subscription_gives_history_then_caught_up_then_what_happens(
    system: System, feed: Feed
) -> None:
    account = opened(system, balance="5.00")
    async with aclosing(feed(system, after="0", filter=of(account))) as items:
        [first, second, caught_up] = await take(items, 3)
        assert (first["type"], second["type"], second["amount"]) == (
            "AccountOpened",
            "MoneyDeposited",
            "5.00",
        )
        assert caught_up["__typename"] == "CaughtUp"
        assert int(caught_up["position"]) >= int(second["position"]) > int(first["position"])
        for amount in ("1.00", "2.00"):
            applied = deposit(system, account, amount)
            [live] = await take(items, 1)
            assert (live["position"], live["commandId"]) == (applied["position"], applied["commandId"])
            assert live["amount"] == amount


@pytest.mark.parametrize("feed", TRANSPORTS, ids=lambda feed: feed.__name__)
async def test_a_subscription_without_a_cursor_begins_with_what_comes_next(
    system: System, feed: Feed
) -> None:
    account = opened(system)
    async with aclosing(feed(system, filter=of(account))) as items:
        assert await until_caught_up(items) == []
        deposit(system, account)
        assert versions(await take(items, 1)) == [2]


async def test_subscribers_that_join_while_events_are_made_get_each_once_and_in_order(
    system: System,
) -> None:
    account = opened(system)
    total = 40

    async def follow(feed: Feed) -> list[Item]:
        async with aclosing(feed(system, after="0", filter=of(account))) as items:
            return await take(items, total + 1)

    followers = []
    for made in range(total - 1):
        if made % 7 == 0:
            followers.append(asyncio.create_task(follow(TRANSPORTS[made % len(TRANSPORTS)])))
        await asyncio.to_thread(deposit, system, account)
    for items in await asyncio.gather(*followers):
        kinds = [item["__typename"] for item in items]
        assert kinds.count("CaughtUp") == 1
        assert versions([item for item in items if "version" in item]) == list(range(1, total + 1))


async def test_resuming_at_a_cursor_gives_each_event_once_over_all_connections(system: System) -> None:
    account = opened(system)
    for _ in range(9):
        deposit(system, account)
    seen: list[Item] = []
    cursor = "0"
    for feed in [*TRANSPORTS, transport_ws]:
        async with aclosing(feed(system, after=cursor, filter=of(account))) as items:
            seen += await take(items, 2)
            cursor = seen[-1]["position"]
    assert versions(seen) == list(range(1, 11))


async def test_resuming_at_caught_up_gives_only_what_came_after_it(system: System) -> None:
    account = opened(system)
    async with aclosing(transport_ws(system, after="0", filter=of(account))) as items:
        [_, caught_up] = await take(items, 2)
    deposit(system, account)
    async with aclosing(transport_ws(system, after=caught_up["position"], filter=of(account))) as items:
        assert versions(await until_caught_up(items)) == [2]


@pytest.mark.parametrize("live", [False, True], ids=["history", "live"])
async def test_each_filter_gives_what_matches_and_nothing_else(system: System, live: bool) -> None:
    source, target = opened(system, balance="9.00"), opened(system)
    begin = deposit(system, source)["position"]
    correlation, command, transfer = str(uuid4()), str(uuid4()), str(uuid4())
    filters: dict[str, tuple[dict[str, Any], list[str]]] = {
        "types": (
            {"types": ["TransferCompleted", "MoneyWithdrawn"]},
            ["MoneyWithdrawn", "TransferCompleted"],
        ),
        "streams": (of(target), ["MoneyDeposited"]),
        "aggregates": (
            {"aggregates": ["transfer"]},
            ["TransferRequested", "TransferWithdrawn", "TransferCompleted"],
        ),
        "correlationId": (
            {"correlationId": correlation, "aggregates": ["account"]},
            ["MoneyWithdrawn", "MoneyDeposited"],
        ),
        "commandId": ({"commandId": command}, ["TransferRequested"]),
    }

    def request_transfer() -> None:
        input = {"sourceId": source, "targetId": target, "amount": "1.00", "transferId": transfer}
        apply(system, "requestTransfer", input, correlationId=correlation, commandId=command)

    async def received(filter: dict[str, Any], expected: list[str], caught_up: asyncio.Barrier) -> list[str]:
        async with aclosing(transport_ws(system, after=begin, filter=filter)) as items:
            if live:
                assert await until_caught_up(items) == []
                await caught_up.wait()
                found = await take(items, len(expected))
            else:
                found = await take(items, len(expected))
                assert await until_caught_up(items) == []
        return [item["type"] for item in found]

    barrier = asyncio.Barrier(len(filters) + 1)
    if not live:
        request_transfer()
        async with aclosing(transport_ws(system, after=begin)) as items:
            while (await take(items, 1))[0].get("type") != "TransferCompleted":
                pass
    tasks = {
        name: asyncio.create_task(received(filter, expected, barrier))
        for name, (filter, expected) in filters.items()
    }
    if live:
        await barrier.wait()
        await asyncio.to_thread(request_transfer)
    found = {name: await task for name, task in tasks.items()}
    assert found == {name: expected for name, (_, expected) in filters.items()}


async def test_a_cursor_beyond_the_log_refuses_the_subscription(system: System) -> None:
    with pytest.raises(TransportQueryError) as refusal:
        await take(transport_ws(system, after=str(10**12)), 1)
    errors: list[Any] = refusal.value.errors or []
    [error] = errors
    assert error["extensions"] == {"code": "BAD_REQUEST", "argument": "after"}
    assert f"{10**12} is beyond it" in error["message"]


@pytest.mark.parametrize("accept", ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"])
@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("subscription {", "Syntax Error"),
        ("subscription { nothing }", "Cannot query field 'nothing'"),
        ('subscription { events(after: "1000000000000") { position } }', "is beyond it"),
        ('subscription { events(filter: {types: ["X"]}) { position } }', "has no event 'X'"),
    ],
)
def test_a_subscription_that_cannot_begin_is_an_error_and_the_end_of_the_stream(
    system: System, accept: str, document: str, message: str
) -> None:
    answer = httpx.post(
        system.url, json={"query": document}, headers={"accept": accept}, timeout=20, verify=NO_TLS
    )
    assert answer.status_code == 200
    assert answer.text.count('"errors"') == 1
    assert message in answer.text
    assert answer.text.rstrip().endswith("data:" if accept == "text/event-stream" else "--graphql--")


async def test_a_browser_s_event_source_can_subscribe_by_get(system: System) -> None:
    parameters = {"query": 'subscription { events(after: "0") { position } }'}
    headers = {"accept": "text/event-stream"}
    opened(system)
    async with (
        httpx.AsyncClient(timeout=20, verify=NO_TLS) as client,
        client.stream("GET", system.url, params=parameters, headers=headers) as response,
    ):
        assert response.headers["cache-control"] == "no-cache, no-transform"
        lines = response.aiter_lines()
        assert [await anext(lines) for _ in range(4)] == [
            *("event: next", "id: 1", 'data: {"data":{"events":{"position":"1"}}}', "")
        ]


async def test_queries_and_mutations_are_answered_on_the_same_web_socket(system: System) -> None:
    mutation = 'mutation { openAccount(input: {owner: "Ada"}) { __typename } }'
    async with socket_to(system) as socket:
        await socket.send(subscribe(FEED, id="feed"))
        assert (await socket.receive())["payload"]["data"]["events"]["__typename"] == "CaughtUp"
        await socket.send(subscribe(mutation, id="mutation"))
        messages = [await socket.receive() for _ in range(3)]
    by_id: dict[tuple[str, str], Any] = {(m["id"], m["type"]): m.get("payload") for m in messages}
    assert by_id["mutation", "next"] == {"data": {"openAccount": {"__typename": "CommandApplied"}}}
    assert ("mutation", "complete") in by_id
    assert by_id["feed", "next"]["data"]["events"]["type"] == "AccountOpened"


async def test_queries_and_mutations_are_answered_on_a_legacy_socket_too(system: System) -> None:
    async with socket_to(system, LEGACY_WS) as socket:
        for query, data in (
            ("{ __typename }", {"__typename": "Query"}),
            (
                'mutation { openAccount(input: {owner: "Ada"}) { __typename } }',
                {"openAccount": {"__typename": "CommandApplied"}},
            ),
        ):
            await socket.send(start(query))
            assert await socket.receive() == {"type": "data", "id": "1", "payload": {"data": data}}
            assert await socket.receive() == {"type": "complete", "id": "1"}


async def test_a_subscription_that_was_completed_gives_nothing_more_and_its_id_is_free_again(
    system: System,
) -> None:
    account = opened(system)
    async with socket_to(system) as socket:
        await socket.send(subscribe(FEED, variables={"filter": of(account)}))
        assert (await socket.receive())["payload"]["data"]["events"]["__typename"] == "CaughtUp"
        await socket.send({"type": "complete", "id": "1"})
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}
        deposit(system, account)
        await socket.send(subscribe(FEED, variables={"filter": of(account), "after": "0"}))
        found = [(await socket.receive())["payload"]["data"]["events"] for _ in range(3)]
    assert versions(found[:2]) == [1, 2]
    assert found[2]["__typename"] == "CaughtUp"


async def test_a_legacy_subscription_ends_when_it_is_stopped(system: System) -> None:
    async with socket_to(system, LEGACY_WS) as socket:
        await socket.send(start(FEED))
        assert (await socket.receive())["payload"]["data"]["events"]["__typename"] == "CaughtUp"
        await socket.send({"type": "stop", "id": "1"})
        assert await socket.receive() == {"type": "complete", "id": "1"}


async def test_a_connection_that_is_cut_leaves_the_others_as_they_are(system: System) -> None:
    account = opened(system)
    async with aclosing(server_sent_events(system, filter=of(account))) as staying:
        assert await until_caught_up(staying) == []
        async with aclosing(server_sent_events(system, filter=of(account))) as leaving:
            assert await until_caught_up(leaving) == []
        deposit(system, account)
        assert versions(await take(staying, 1)) == [2]
