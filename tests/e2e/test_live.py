"""Live rows over each transport: a snapshot, then each change; resumed on any API process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.api_process import Api, api_beside
from tests.e2e.bank import apply, opened
from tests.e2e.sockets import LEGACY_WS, TRANSPORT_WS, socket_to, start, subscribe
from tests.system import NO_TLS, System

pytestmark = pytest.mark.usefixtures("goes_on")

Item = dict[str, Any]
Payloads = Callable[..., AsyncGenerator[Item, None]]

LIST = """subscription ($where: AccountWhere, $after: String, $atLeast: Position) {
  live: accounts(where: $where, after: $after, atLeast: $atLeast) {
    position cursor snapshot
    changes { kind accountId row { owner balance events { edges { node { type } } } } }
  }
}"""
ROW = """subscription ($id: UUID!, $after: String, $atLeast: Position) {
  live: account(accountId: $id, after: $after, atLeast: $atLeast) { position cursor row { balance } }
}"""


async def transport_ws(api: System | Api, query: str, **variables: Any) -> AsyncGenerator[Item, None]:
    async with socket_to(api, TRANSPORT_WS) as socket:
        await socket.send(subscribe(query, variables=variables))
        while (message := await socket.receive())["type"] == "next":
            yield message["payload"]
        if message["type"] == "error":
            yield {"errors": message["payload"]}


async def legacy_ws(api: System | Api, query: str, **variables: Any) -> AsyncGenerator[Item, None]:
    async with socket_to(api, LEGACY_WS) as socket:
        await socket.send(start(query, variables=variables))
        while (message := await socket.receive())["type"] == "data":
            yield message["payload"]
        if message["type"] == "error":
            yield {"errors": [message["payload"]]}


async def server_sent_events(
    api: System | Api, query: str, last_event_id: str | None = None, **variables: Any
) -> AsyncGenerator[Item, None]:
    """Each payload has the event's id as `id`."""
    headers = {} if last_event_id is None else {"last-event-id": last_event_id}
    id = None
    async for line in _lines(api, "text/event-stream", query, headers, variables):
        if line.startswith("id: "):
            id = line.removeprefix("id: ")
        if line.startswith("data: {"):
            yield {**json.loads(line.removeprefix("data: ")), "id": id}
            id = None


async def multipart(api: System | Api, query: str, **variables: Any) -> AsyncGenerator[Item, None]:
    async for line in _lines(api, "multipart/mixed;subscriptionSpec=1.0", query, {}, variables):
        if line.startswith('{"payload"'):
            yield json.loads(line)["payload"]


async def _lines(
    api: System | Api, accept: str, query: str, headers: dict[str, str], variables: dict[str, Any]
) -> AsyncGenerator[str, None]:
    body = {"query": query, "variables": variables}
    async with (
        httpx.AsyncClient(timeout=20, verify=NO_TLS) as client,
        client.stream("POST", api.url, json=body, headers={"accept": accept, **headers}) as response,
    ):
        async for line in response.aiter_lines():
            yield line


TRANSPORTS: list[Payloads] = [transport_ws, legacy_ws, server_sent_events, multipart]


async def live(payloads: AsyncGenerator[Item, None]) -> Item:
    """The next item; fails on errors. An item of a list that only tells a position is passed over."""
    async with asyncio.timeout(20):
        async for payload in payloads:
            assert "errors" not in payload, payload
            item: Item = payload["data"]["live"]
            if item.get("changes") != [] or item["snapshot"]:
                return item
    raise AssertionError("it ended")


async def error(payloads: AsyncGenerator[Item, None]) -> Item:
    """The error that a subscription ends with, at once or after some items."""
    async with asyncio.timeout(20), aclosing(payloads):
        async for payload in payloads:
            if payload.get("errors"):
                found: Item = payload["errors"][0]
                return found
    raise AssertionError("it ended without an error")


async def done(system: System, mutation: str, account: str, **input: Any) -> str:
    """The position of a command that is applied."""
    result = await asyncio.to_thread(apply, system, mutation, {"accountId": account, **input})
    position: str = result["position"]
    return position


def shown(item: Item) -> list[tuple[str, str, str | None]]:
    return [
        (change["kind"], change["accountId"], change["row"] and change["row"]["balance"])
        for change in item["changes"]
    ]


@pytest.mark.parametrize("over", TRANSPORTS)
async def test_a_list_is_a_snapshot_and_then_what_enters_changes_and_leaves(
    system: System, over: Payloads
) -> None:
    owner = uuid4().hex
    one, other = await asyncio.to_thread(opened, system, owner=owner, balance="5.00"), str(uuid4())
    written = await done(system, "deposit", one, amount="1.00")
    where = {"owner": {"eq": owner}, "balance": {"gte": "3"}}
    async with aclosing(over(system, LIST, where=where, atLeast=written)) as items:
        first = await live(items)
        assert (first["snapshot"], shown(first)) == (True, [("ENTERED", one, "6.00")])
        assert int(first["position"]) >= int(written)
        types = [edge["node"]["type"] for edge in first["changes"][0]["row"]["events"]["edges"]]
        assert types == ["AccountOpened", "MoneyDeposited", "MoneyDeposited"]
        position = await done(system, "deposit", one, amount="1.00")
        item = await live(items)
        assert (item["position"], item["snapshot"]) == (position, False)
        assert shown(item) == [("CHANGED", one, "7.00")]
        assert len(item["changes"][0]["row"]["events"]["edges"]) == 4, "below a row, too, all is as it is now"
        await done(system, "openAccount", other, owner=owner)
        await done(system, "deposit", other, amount="3.00")
        assert shown(await live(items)) == [("ENTERED", other, "3.00")]
        await done(system, "withdraw", one, amount="6.00")
        assert shown(await live(items)) == [("LEFT", one, None)]


@pytest.mark.parametrize("over", TRANSPORTS)
async def test_a_row_is_sent_as_it_is_and_whenever_it_changes(system: System, over: Payloads) -> None:
    account = str(uuid4())
    async with aclosing(over(system, ROW, id=account)) as items:
        assert (await live(items))["row"] is None
        await done(system, "openAccount", account, owner="Ada")
        assert (await live(items))["row"] == {"balance": "0.00"}
        position = await done(system, "deposit", account, amount="2.00")
        item = await live(items)
        assert (item["position"], item["row"]) == (position, {"balance": "2.00"})


async def test_it_is_resumed_by_cursor_on_another_api_process_and_by_last_event_id(
    system: System, tmp_path: Path
) -> None:
    owner = uuid4().hex
    one = await asyncio.to_thread(opened, system, owner=owner, balance="5.00")
    written = await done(system, "deposit", one, amount="1.00")
    where = {"owner": {"eq": owner}, "balance": {"gt": "3"}}
    async with aclosing(server_sent_events(system, LIST, where=where, atLeast=written)) as events:
        payload = await anext(events)
        seen = payload["data"]["live"]["cursor"]
        assert payload["id"] == seen
    await done(system, "withdraw", one, amount="5.00")
    two = await asyncio.to_thread(opened, system, owner=owner, balance="9.00")
    written = await done(system, "deposit", two, amount="1.00")
    told = [("LEFT", one, None), ("CHANGED", two, "10.00")]
    with api_beside(system, tmp_path) as api:
        for payloads in (
            transport_ws(api, LIST, where=where, after=seen, atLeast=written),
            server_sent_events(api, LIST, seen, where=where, atLeast=written),
            server_sent_events(api, LIST, seen, where=where, after="0", atLeast=written),
        ):
            async with aclosing(payloads):
                item = await live(payloads)
            assert (item["snapshot"], shown(item)) == (False, told)
            assert item["cursor"] != seen


@pytest.mark.parametrize("over", TRANSPORTS)
async def test_what_cannot_begin_is_refused_with_a_code_and_its_place(system: System, over: Payloads) -> None:
    far = str(2**63 - 1)
    id = str(uuid4())
    for query, variables, place in (
        (LIST, {"after": "x"}, "after"),
        (LIST, {"after": "1-xyz"}, "after"),
        (LIST, {"after": far}, "after"),
        (LIST, {"after": f"{far}-01234567"}, "after"),
        (ROW, {"id": id, "after": far}, "after"),
        (ROW, {"id": id, "atLeast": far}, "atLeast"),
        (LIST, {"where": {"owner": {"eq": "\0"}}}, "where.owner.eq"),
    ):
        extensions = (await error(over(system, query, **variables)))["extensions"]
        assert (extensions["code"], extensions["argument"]) == ("BAD_REQUEST", place), variables


async def test_a_list_of_more_rows_than_the_limit_is_refused_and_says_to_narrow_it(
    system: System, tmp_path: Path
) -> None:
    owner = uuid4().hex
    for _ in range(2):
        account = await asyncio.to_thread(opened, system, owner=owner)
    written = await done(system, "deposit", account, amount="1.00")
    where = {"owner": {"eq": owner}}
    with api_beside(system, tmp_path, max_live_rows=2) as api:
        items = transport_ws(api, LIST, where=where, atLeast=written)
        assert len((await live(items))["changes"]) == 2
        await asyncio.to_thread(opened, system, owner=owner)
        for payloads in (items, transport_ws(api, LIST, where=where)):
            refused = await error(payloads)
            problem = "more than 2 rows match, the maximum of a live list; use a narrower filter"
            assert refused["message"] == f"where: {problem}"
            assert refused["extensions"] == {"code": "BAD_REQUEST", "argument": "where"}
