"""What commands were: asked for by id, listed by pages and filters; and what one would be, tried dry."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import nats
import pytest

from commander.eventstore.database import Database
from tests.clusters import Clusters
from tests.e2e.bank import apply, opened, submit
from tests.e2e.parts import Parts
from tests.e2e.sockets import socket_to, subscribe
from tests.system import Endpoint, System

NODE = """commandId type status stream input code message position version correlationId causationPosition
  reactor actor submittedAt decidedAt deciderNow events { type position ... on MoneyDeposited { amount } }"""
COMMAND = f"query ($id: UUID!) {{ command(commandId: $id) {{ {NODE} }} }}"
COMMANDS = f"""query ($filter: CommandFilter, $first: Int, $after: String) {{
  commands(filter: $filter, first: $first, after: $after) {{
    edges {{ cursor node {{ {NODE} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""


def listed(api: Endpoint, **variables: Any) -> list[str]:
    """The ids of one page."""
    found = api.data(COMMANDS, **variables)["commands"]
    return [edge["node"]["commandId"] for edge in found["edges"]]


def all_pages(api: Endpoint, first: int, **filter: Any) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = api.data(COMMANDS, first=first, after=after, filter=filter)["commands"]
        found += [edge["node"]["commandId"] for edge in page["edges"]]
        assert page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        assert len(page["edges"]) == first
        after = page["pageInfo"]["endCursor"]


def sent(api: Endpoint, count: int, **options: Any) -> tuple[str, list[str]]:
    """An account and the ids of this many commands of it, the newest first: every third is rejected."""
    account, ids = str(uuid4()), [str(uuid4()) for _ in range(count)]
    submit(api, "openAccount", {"owner": "Ada", "accountId": account}, commandId=ids[0], **options)
    for n, id in enumerate(ids[1:], 1):
        amount = {"accountId": account, "amount": "1.00" if n % 3 else "99.00"}
        submit(api, "deposit" if n % 3 else "withdraw", amount, commandId=id, **options)
    return f"account-{account}", ids[::-1]


def test_a_command_is_shown_with_all_that_is_known_of_it_alike_by_id_and_in_the_list(system: System) -> None:
    account, id, correlation = opened(system), str(uuid4()), str(uuid4())
    applied = apply(
        system, "deposit", {"accountId": account, "amount": "1.50"}, commandId=id, correlationId=correlation
    )
    found = system.data(COMMAND, id=id)["command"]
    assert system.data(COMMANDS, first=1)["commands"]["edges"][0]["node"] == found
    assert found["submittedAt"] < found["deciderNow"] < found["decidedAt"]
    times = {"submittedAt": "", "decidedAt": "", "deciderNow": ""}
    assert {**found, **times} == {
        **{"commandId": id, "type": "Deposit", "status": "APPLIED", "stream": f"account-{account}"},
        **{"input": {"accountId": account, "amount": "1.50"}, "code": None, "message": None},
        **{"position": applied["position"], "version": 2, "correlationId": correlation},
        **{"causationPosition": None, "reactor": None, "actor": None, **times},
        "events": [{"type": "MoneyDeposited", "position": applied["position"], "amount": "1.50"}],
    }


@pytest.mark.parametrize("first", [1, 3, 5, 6, 7, 500])
def test_the_pages_are_the_whole_list_the_newest_first(system: System, first: int) -> None:
    stream, ids = sent(system, 6)
    assert all_pages(system, first, streams=[stream]) == ids


def test_a_page_behind_a_cursor_stays_the_same_while_more_commands_end(system: System) -> None:
    stream, ids = sent(system, 6)
    page = system.data(COMMANDS, filter={"streams": [stream]}, first=2)["commands"]
    apply(system, "deposit", {"accountId": stream.removeprefix("account-"), "amount": "1"})
    after = page["pageInfo"]["endCursor"]
    assert listed(system, filter={"streams": [stream]}, first=3, after=after) == ids[2:5]


def test_each_filter_keeps_what_matches_and_all_of_them_together_what_matches_all(system: System) -> None:
    correlation = str(uuid4())
    stream, ids = sent(system, 7, correlationId=correlation)
    of = {"correlationId": correlation}
    newest = [id for n, id in enumerate(reversed(ids)) if n and n % 3 == 0][::-1]
    assert all_pages(system, 2, **of) == ids
    assert all_pages(system, 1, **of, statuses=["REJECTED"]) == newest
    assert all_pages(system, 2, **of, statuses=["REJECTED", "APPLIED"]) == ids
    assert all_pages(system, 2, **of, types=["OpenAccount"], streams=[stream]) == ids[-1:]
    assert listed(system, filter={**of, "statuses": ["FAILED"]}) == []
    assert listed(system, filter={**of, "types": []}) == []
    assert listed(system, filter={**of, "streams": ["account-"]}) == []
    assert listed(system, filter={**of, "actor": "eve"}) == []


def cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    ("variables", "argument", "message"),
    [
        ({"first": -1}, "first", "first: must be from 0 to 500, got -1"),
        ({"first": 501}, "first", "first: must be from 0 to 500, got 501"),
        ({"after": "x"}, "after", "is not a cursor of commands"),
        ({"after": ""}, "after", "is not a cursor of commands"),
        ({"after": "ü"}, "after", "is not a cursor of commands"),
        ({"after": cursor(["accounts", "1"])}, "after", "is not a cursor of commands"),
        ({"after": cursor(["commands", "1"])}, "after", "is not a cursor of commands"),
        ({"after": cursor(["commands", True])}, "after", "is not a cursor of commands"),
        ({"after": cursor(["commands", 1.5])}, "after", "is not a cursor of commands"),
        ({"after": cursor(["commands", 2**63])}, "after", "is not a cursor of commands"),
        ({"after": cursor(["commands", 10**30])}, "after", "is not a cursor of commands"),
        ({"after": cursor(["commands", -1])}, "after", "is not a cursor of commands"),
        ({"filter": {"streams": ["a\0b"]}}, "filter.streams", "must not contain the character NUL"),
        ({"filter": {"types": ["a\0b"]}}, "filter.types", "must not contain the character NUL"),
        ({"filter": {"actor": "a\0b"}}, "filter.actor", "must not contain the character NUL"),
        (
            {"filter": {"statuses": ["ACCEPTED"]}},
            "filter.statuses",
            "the list has only ended commands",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_page_is_refused_and_named(
    system: System, variables: dict[str, Any], argument: str, message: str
) -> None:
    [error] = system.query(COMMANDS, **variables)["errors"]
    assert error["extensions"] == {"code": "BAD_REQUEST", "argument": argument}
    assert message in error["message"]


# Dry runs.


async def test_a_dry_run_says_what_would_happen_and_stores_nothing_anywhere(parts: Parts) -> None:
    api, _ = await asyncio.to_thread(parts.start, "api", "processor")
    account = await asyncio.to_thread(opened, api, balance="5.00")
    connection = await nats.connect(parts.environment["COMMANDER_NATS_URL"])
    database = Database(parts.environment["COMMANDER_POSTGRES_URL"])

    async def stored() -> list[int]:
        counts = [
            (await connection.jetstream().stream_info(stream)).state.last_seq
            for stream in ("bank-COMMANDS", "bank-EVENTS")
        ]
        for table in ("events", "commands", "attempts", "snapshots", "dead_letter_actions"):
            counts.append(await database.fetchval(f"select count(*) from {table}"))
        counts.append(await database.fetchval("select position + commands from log_head"))
        return counts

    before = await stored()

    async def dry(mutation: str, input: dict[str, Any], **options: Any) -> dict[str, Any]:
        return await asyncio.to_thread(submit, api, mutation, input, validateOnly=True, **options)

    id = str(uuid4())
    withdrawal = {"accountId": account, "amount": "2.00"}
    assert await dry("withdraw", withdrawal, commandId=id) == {
        **{"__typename": "CommandValid", "commandId": id, "stream": f"account-{account}", "version": 3},
        "proposed": [
            {
                "type": "MoneyWithdrawn",
                "data": {"account_id": account, "amount": "2.00", "transfer_id": None},
            }
        ],
    }
    rejected = await dry("withdraw", {**withdrawal, "amount": "5.01"}, wait="PROJECTED")
    assert (rejected["__typename"], rejected["code"]) == ("CommandRejected", "INSUFFICIENT_FUNDS")
    invalid = await dry("withdraw", {**withdrawal, "amount": "-1"})
    assert invalid["problems"][0]["path"] == ["amount"]
    conflict = await dry("withdraw", withdrawal, expectedVersion=1)
    assert (conflict["__typename"], conflict["currentVersion"]) == ("VersionConflict", 2)
    fresh = await dry("openAccount", {"owner": "Ada"}, wait="ACCEPTED", expectedVersion=0)
    assert (fresh["__typename"], fresh["version"]) == ("CommandValid", 1)

    assert await stored() == before
    answer = await asyncio.to_thread(api.query, COMMAND, id=id)
    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    done = await asyncio.to_thread(apply, api, "withdraw", withdrawal, commandId=id)
    assert done["version"] == 3
    await connection.close()
    await database.close()


# Who sent it.


@pytest.fixture(scope="module")
def behind_a_proxy(clusters: Clusters) -> Iterator[System]:
    """The bank, told which header carries the name of who sends a request."""
    with System(clusters.copy("proxied"), COMMANDER_ACTOR_HEADER="X-Forwarded-User") as running:
        yield running


def test_who_sent_a_command_or_took_it_back_is_who_the_header_that_was_set_says(
    behind_a_proxy: System,
) -> None:
    system = behind_a_proxy
    ids = [str(uuid4()) for _ in range(3)]
    document = """mutation ($input: OpenAccountInput!, $id: UUID!) {
      openAccount(input: $input, options: {commandId: $id}) { __typename } }"""
    for id, user in zip(ids, ("ada", "Ærø 北京", None), strict=True):
        headers = {} if user is None else {"x-forwarded-user": user.encode()}
        system.data(document, headers=headers, input={"owner": "x"}, id=id)
        assert system.data(COMMAND, id=id)["command"]["actor"] == user
    assert listed(system, filter={"actor": "ada"}) == ids[:1]
    many = "mutation ($c: [AnyCommand!]!) { submit(commands: $c) { ... on CommandApplied { commandId } } }"
    commands = [{"openAccount": {"owner": "x"}}] * 2
    made = system.data(many, headers={"x-forwarded-user": b"eve"}, c=commands)["submit"]
    assert listed(system, filter={"actor": "eve"}) == [one["commandId"] for one in made][::-1]


async def test_who_sent_a_command_over_a_web_socket_is_who_opened_it(behind_a_proxy: System) -> None:
    id = str(uuid4())
    mutation = (
        f'mutation {{ openAccount(input: {{owner: "x"}}, options: {{commandId: "{id}"}}) {{ __typename }} }}'
    )
    async with socket_to(behind_a_proxy, headers={"x-forwarded-user": "grace"}) as socket:
        await socket.send(subscribe(mutation))
        message = await socket.receive()
    assert message["payload"]["data"]["openAccount"]["__typename"] == "CommandApplied"
    found = await asyncio.to_thread(behind_a_proxy.data, COMMAND, id=id)
    assert found["command"]["actor"] == "grace"


def test_a_header_that_nobody_set_says_nothing(system: System) -> None:
    id = str(uuid4())
    document = """mutation ($id: UUID!) {
      openAccount(input: {owner: "x"}, options: {commandId: $id}) { __typename } }"""
    system.data(document, headers={"x-forwarded-user": b"mallory"}, id=id)
    assert system.data(COMMAND, id=id)["command"]["actor"] is None
