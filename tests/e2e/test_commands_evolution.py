"""Code that changes under a log that stays: snapshots, former events, and those nobody can read."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from commander.eventstore.database import Database
from tests.e2e.bank import opened, submit, until
from tests.e2e.parts import Part, Parts
from tests.e2e.sockets import socket_to, subscribe
from tests.e2e.test_commands_many import deposit, submit_all
from tests.placed import Placed

OLD, NEW = "tests.e2e.shelf_old:shelf", "tests.e2e.shelf_new:shelf"
PUT = """mutation ($id: UUID!, $size: Int!) {
  put(input: {shelfId: $id, size: $size}, options: {wait: APPLIED, timeoutMs: 20000}) {
    __typename
    ... on CommandApplied { commandId position version }
    ... on CommandRejected { code message }
    ... on CommandFailed { commandId code message }
  } }"""
FIELDS = """__typename position
  ... on Placed { width unit schemaVersion } ... on UnreadableEvent { type reason }"""


def put(api: Part, shelf: str, size: int) -> dict[str, Any]:
    result: dict[str, Any] = api.data(PUT, id=shelf, size=size)["put"]
    return result


async def fed(api: Part) -> list[dict[str, Any]]:
    """The whole feed up to now."""
    found: list[dict[str, Any]] = []
    async with socket_to(api) as socket:
        await socket.send(subscribe(f'subscription {{ events(after: "0") {{ {FIELDS} }} }}'))
        while (item := (await socket.receive())["payload"]["data"]["events"])["__typename"] != "CaughtUp":
            found.append(item)
    return found


@pytest.mark.parametrize(("fingerprint", "counts"), [(None, True), ("older code", False)])
async def test_a_long_stream_is_decided_on_from_its_snapshot_and_only_from_one_of_this_code(
    parts: Parts, fingerprint: str | None, counts: bool
) -> None:
    api, processor = await asyncio.to_thread(parts.start, "api", "processor")
    account = await asyncio.to_thread(opened, api)
    for _ in range(22):
        await asyncio.to_thread(submit_all, api, [deposit(account)] * 100, timeoutMs=20_000)
    await asyncio.to_thread(processor.end)

    database = Database(parts.environment["COMMANDER_POSTGRES_URL"])
    [snapshot] = await database.fetch("select stream, version, state::text from snapshots")
    assert snapshot["stream"] == f"account-{account}"
    assert 2000 <= snapshot["version"] <= 2201
    assert f'"balance":"{snapshot["version"] - 1}.00"' in snapshot["state"]
    await database.fetch(  # a balance that no fold gives tells where the state came from
        """update snapshots set fingerprint = coalesce($1, fingerprint),
             state = jsonb_set(state::jsonb, '{balance}', '"5000.00"')::json""",
        fingerprint,
    )
    await database.close()

    await asyncio.to_thread(parts.start, "processor")
    withdrawal = {"accountId": account, "amount": "5000.00"}
    result = await asyncio.to_thread(submit, api, "withdraw", withdrawal, timeoutMs=20_000)
    if counts:
        assert (result["__typename"], result["version"]) == ("CommandApplied", 2202)
    else:
        assert result["message"] == "the balance is 2200.00, 5000.00 was asked for"


async def test_an_event_of_a_former_version_is_the_newest_to_whoever_reads_it(parts: Parts) -> None:
    api, processor = await asyncio.to_thread(parts.start, "api", "processor", domain=OLD)
    shelf = str(uuid4())
    old = await asyncio.to_thread(put, api, shelf, 7)
    await asyncio.to_thread(api.end)
    await asyncio.to_thread(processor.end)

    started = ("api", "processor", "relay", "projections", "reactors")
    api, *_ = await asyncio.to_thread(lambda: parts.start(*started, domain=NEW))
    full = await asyncio.to_thread(put, api, shelf, 31)
    assert full == {"__typename": "CommandRejected", "code": "FULL", "message": "70 mm are taken"}
    assert (await asyncio.to_thread(put, api, shelf, 30))["__typename"] == "CommandApplied"

    def read() -> dict[str, Any]:
        return api.data(
            """query ($shelf: UUID!, $command: UUID!) {
              shelf(shelfId: $shelf) { total }
              event(position: "1") { ... on Placed { width unit schemaVersion } }
              command(commandId: $command) { status events { ... on Placed { width unit } } }
              events(filter: {types: ["Measured"]}) { edges { node { ... on Measured { width } } } }
            }""",
            shelf=shelf,
            command=old["commandId"],
        )

    found = await asyncio.to_thread(
        until,
        read,
        lambda data: data["shelf"] == {"total": 100} and len(data["events"]["edges"]) == 2,
    )
    assert found["event"] == {"width": 70, "unit": "mm", "schemaVersion": 1}
    assert found["command"] == {"status": "APPLIED", "events": [{"width": 70, "unit": "mm"}]}
    assert [edge["node"] for edge in found["events"]["edges"]] == [{"width": 70}, {"width": 30}]
    placed = [item for item in await fed(api) if item["__typename"] == "Placed"]
    assert [(item["width"], item["schemaVersion"]) for item in placed] == [(70, 1), (30, 2)]


async def test_an_event_that_nobody_can_read_is_told_with_position_and_reason_wherever_it_is_met(
    parts: Parts,
) -> None:
    api, processor = await asyncio.to_thread(parts.start, "api", "processor", domain=OLD)
    well, badly = str(uuid4()), str(uuid4())
    await asyncio.to_thread(put, api, well, 7)
    await asyncio.to_thread(put, api, badly, 13)
    await asyncio.to_thread(put, api, well, 1)
    await asyncio.to_thread(api.end)
    await asyncio.to_thread(processor.end)

    api, _ = await asyncio.to_thread(lambda: parts.start("api", "processor", domain=NEW))
    reason = Placed("upcasting from version 1 raised ValueError: 13 is no size")
    told = Placed(f"the event at position 2 cannot be read as Placed: {reason}")
    failed = await asyncio.to_thread(put, api, badly, 5)
    assert (failed["code"], failed["message"]) == ("UNREADABLE_STREAM", told)
    assert (await asyncio.to_thread(put, api, well, 5))["version"] == 3

    second, *_ = [item for item in await fed(api) if item["position"] == "2"]
    expected = {"__typename": "UnreadableEvent", "position": "2", "type": "Placed", "reason": reason}
    assert second == expected
    query = f'{{ event(position: "2") {{ {FIELDS} }} }}'
    assert (await asyncio.to_thread(api.data, query))["event"] == expected

    for name, part in (("projections", "projection shelf"), ("reactors", "reactor measuring")):
        [reading] = await asyncio.to_thread(partial(parts.start, name, domain=NEW, ready=False))

        def says(reading: Part = reading, part: str = part) -> str:
            answer: str = reading.readiness()["parts"].get(part, "")
            return answer

        assert "position 2" in await asyncio.to_thread(until, says, lambda text: "13 is no size" in text)


async def test_renamed_definitions_answer_under_their_new_names_with_their_whole_history(
    parts: Parts,
) -> None:
    old, new = "tests.e2e.kiosk_old:kiosk", "tests.e2e.kiosk_new:kiosk"
    started = ("api", "processor", "relay", "projections", "reactors")
    running = await asyncio.to_thread(lambda: parts.start(*started, domain=old))
    stand = str(uuid4())
    buying = 'mutation ($id: UUID!) { %s(input: {standId: $id, item: "tea"}) { __typename } }'
    await asyncio.to_thread(running[0].data, buying % "buy", id=stand)
    for part in running:
        await asyncio.to_thread(part.end)

    api, *_ = await asyncio.to_thread(lambda: parts.start(*started, domain=new))
    await asyncio.to_thread(api.data, buying % "purchase", id=stand)

    def read() -> dict[str, Any]:
        return api.data(
            """query ($id: UUID!) {
              shop(standId: $id) { sold events { edges { node { type } } } }
              before: shopAt(standId: $id, asOf: {version: 1}) { sold }
              sold: events(filter: {types: ["ItemSold"], aggregates: ["shop"]}) {
                edges { node { __typename type aggregate stream version } } }
              asBefore: events(filter: {types: ["Bought"], aggregates: ["stand"]}) {
                edges { node { position } } }
              commands(filter: {types: ["Purchase"]}) { edges { node { type } } }
              reactions: event(position: "1") { reactions { reactor command { type } } }
            }""",
            id=stand,
        )

    found = await asyncio.to_thread(
        until, read, lambda data: data["shop"] and len(data["shop"]["events"]["edges"]) == 4
    )
    assert (found["shop"]["sold"], found["before"]) == (2, {"sold": 1})
    shown = [edge["node"] for edge in found["sold"]["edges"]]
    assert [one.pop("version") in (1, 2, 3) for one in shown] == [True, True]
    assert shown == 2 * [
        {"__typename": "ItemSold", "type": "ItemSold", "aggregate": "shop", "stream": f"stand-{stand}"}
    ]
    assert len(found["asBefore"]["edges"]) == 2, "earlier names select too"
    assert [edge["node"]["type"] for edge in found["commands"]["edges"]] == ["Purchase"] * 2
    assert found["reactions"]["reactions"] == [{"reactor": "greeter", "command": {"type": "Thank"}}]
    async with socket_to(api) as socket:
        selected = "... on ItemSold { type aggregate item }"
        await socket.send(
            subscribe(
                f'subscription {{ events(after: "0", filter: {{types: ["ItemSold"]}}) {{ {selected} }} }}'
            )
        )
        item = (await socket.receive())["payload"]["data"]["events"]
        assert item == {"type": "ItemSold", "aggregate": "shop", "item": "tea"}
