"""The queries over HTTP, on the bank: projections as connections, the log, commands by id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.e2e.bank import apply, opened, submit, until
from tests.system import NO_TLS, System

ACCOUNTS = """query ($first: Int, $after: String) {
  accounts(first: $first, after: $after) {
    totalCount
    edges { cursor node { accountId owner balance closed } }
    pageInfo { hasNextPage endCursor }
  }
}"""
EVENTS = """query ($after: Position! = "0", $first: Int, $filter: EventFilter) {
  events(after: $after, first: $first, filter: $filter) {
    edges { cursor node { position stream type commandId } }
    pageInfo { hasNextPage endCursor }
  }
}"""


def pages(system: System, document: str, list_name: str, **variables: Any) -> Iterator[dict[str, Any]]:
    """Every page of a list, from its beginning."""
    after: dict[str, Any] = {}
    while True:
        page = system.data(document, **variables, **after)[list_name]
        yield page
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = {"after": page["pageInfo"]["endCursor"]}


def test_the_pages_of_a_connection_are_the_whole_list_in_the_order_of_its_key(system: System) -> None:
    own = {opened(system, owner=f"Owner {n}") for n in range(5)}
    apply(system, "openAccount", {"owner": "last"}, wait="PROJECTED")
    found = list(pages(system, ACCOUNTS, "accounts", first=7))
    ids = [edge["node"]["accountId"] for page in found for edge in page["edges"]]
    assert own <= set(ids)
    assert ids == sorted(ids, key=lambda id: UUID(id).bytes)
    assert len(set(ids)) == len(ids) == found[0]["totalCount"]
    assert [len(page["edges"]) for page in found[:-1]] == [7] * (len(found) - 1)
    assert all(page["pageInfo"]["endCursor"] == page["edges"][-1]["cursor"] for page in found)


def test_a_page_that_ends_with_the_list_has_no_next_one(system: System) -> None:
    opened(system)
    apply(system, "openAccount", {"owner": "last"}, wait="PROJECTED")
    total = system.data(ACCOUNTS, first=0)["accounts"]["totalCount"]
    if total <= 500:
        assert system.data(ACCOUNTS, first=total)["accounts"]["pageInfo"]["hasNextPage"] is False
    assert system.data(ACCOUNTS, first=total - 1)["accounts"]["pageInfo"]["hasNextPage"] is True
    empty = system.data(ACCOUNTS, first=0)["accounts"]
    assert (empty["edges"], empty["pageInfo"]["endCursor"]) == ([], None)


def test_a_row_by_its_key_is_null_where_there_is_none(system: System) -> None:
    query = "query ($id: UUID!) { account(accountId: $id) { owner } transfer(transferId: $id) { status } }"
    assert system.data(query, id=str(uuid4())) == {"account": None, "transfer": None}


def test_a_cursor_of_another_list_is_refused(system: System) -> None:
    source, target = opened(system, balance="1.00"), opened(system)
    transfer = {"sourceId": source, "targetId": target, "amount": "1.00"}
    apply(system, "requestTransfer", transfer, wait="PROJECTED")
    query = "{ transfers(first: 1) { pageInfo { endCursor } } }"
    cursor = system.data(query)["transfers"]["pageInfo"]["endCursor"]
    [error] = system.query(ACCOUNTS, after=cursor)["errors"]
    assert error["message"].startswith("after: ")
    assert error["message"].endswith(" is not a cursor of accounts; it is a cursor of transfers")
    assert error["extensions"] == {"code": "BAD_REQUEST", "argument": "after"}


@pytest.mark.parametrize("first", [-1, 501, 2**31 - 1])
@pytest.mark.parametrize("document", [ACCOUNTS, EVENTS])
def test_a_page_size_out_of_range_is_refused_with_the_limit(
    system: System, document: str, first: int
) -> None:
    [error] = system.query(document, first=first)["errors"]
    assert error["message"] == f"first: must be from 0 to 500, got {first}"
    assert error["extensions"] == {"code": "BAD_REQUEST", "argument": "first"}


def test_the_pages_of_the_log_are_all_that_matches_oldest_first(system: System) -> None:
    account, correlation = opened(system), str(uuid4())
    deposit = {"accountId": account, "amount": "1.00"}
    made = [apply(system, "deposit", deposit, correlationId=correlation)["position"] for _ in range(5)]
    found = list(pages(system, EVENTS, "events", first=2, filter={"correlationId": correlation}))
    assert [[edge["cursor"] for edge in page["edges"]] for page in found] == [made[:2], made[2:4], made[4:]]
    assert [page["pageInfo"]["hasNextPage"] for page in found] == [True, True, False]


def test_each_filter_of_the_log_keeps_what_matches_and_all_of_them_together_what_matches_all(
    system: System,
) -> None:
    source, target = opened(system, balance="2.00"), opened(system)
    correlation, command = str(uuid4()), str(uuid4())
    transfer = {"sourceId": source, "targetId": target, "amount": "2.00"}
    requested = apply(
        system, "requestTransfer", transfer, correlationId=correlation, commandId=command, wait="PROJECTED"
    )

    def types(**filter: Any) -> list[str]:
        found = system.data(EVENTS, filter=filter)["events"]["edges"]
        return [edge["node"]["type"] for edge in found]

    assert types(streams=[f"account-{source}"])[:2] == ["AccountOpened", "MoneyDeposited"]
    assert types(streams=[f"account-{source}", f"account-{target}"])[:3] == [
        "AccountOpened",
        "MoneyDeposited",
        "AccountOpened",
    ]
    assert types(commandId=command) == ["TransferRequested"]
    assert set(types(types=["AccountClosed", "TransferRequested"])) <= {"AccountClosed", "TransferRequested"}
    assert types(correlationId=correlation, aggregates=["transfer"])[0] == "TransferRequested"
    assert types(correlationId=correlation, aggregates=["account"], types=["AccountOpened"]) == []
    assert types(streams=[requested["stream"]], types=["TransferRequested"], commandId=command) == [
        "TransferRequested"
    ]
    assert types(types=[]) == types(streams=[]) == []
    aggregates = system.data(EVENTS, filter={"aggregates": ["transfer"]})["events"]["edges"]
    assert {edge["node"]["stream"].split("-")[0] for edge in aggregates} == {"transfer"}


def test_the_refusal_of_a_reaction_is_in_the_log_as_an_event(system: System) -> None:
    source, correlation = opened(system), str(uuid4())
    transfer = {"sourceId": source, "targetId": str(uuid4()), "amount": "2.00"}
    apply(system, "requestTransfer", transfer, correlationId=correlation, wait="PROJECTED")
    query = """query ($filter: EventFilter) { events(filter: $filter) { edges { node {
      aggregate ... on ReactionRejected { reactor commandType code message } } } } }"""
    filter = {"types": ["ReactionRejected"], "correlationId": correlation}
    [edge] = until(lambda: system.data(query, filter=filter)["events"]["edges"], bool)
    assert edge["node"] == {
        "aggregate": "reaction",
        "reactor": "transfers",
        "commandType": "WithdrawForTransfer",
        "code": "INSUFFICIENT_FUNDS",
        "message": "the balance is 0.00, 2.00 was asked for",
    }


@pytest.mark.parametrize(
    ("filter", "argument", "message"),
    [
        ({"types": ["MoneyStolen"]}, "filter.types", "the domain has no event 'MoneyStolen'"),
        ({"aggregates": ["acount"]}, "filter.aggregates", "it has account, reaction, transfer"),
    ],
)
def test_a_name_in_a_filter_that_the_domain_has_not_is_an_error(
    system: System, filter: dict[str, Any], argument: str, message: str
) -> None:
    [error] = system.query(EVENTS, filter=filter)["errors"]
    assert message in error["message"]
    assert error["extensions"] == {"code": "BAD_REQUEST", "argument": argument}


def test_an_event_by_its_position_is_null_beyond_the_head_and_before_the_first(system: System) -> None:
    applied = apply(system, "openAccount", {"owner": "Ada"})
    query = "query ($p: Position!) { event(position: $p) { position stream version } }"
    event = system.data(query, p=applied["position"])["event"]
    assert event == {"position": applied["position"], "stream": applied["stream"], "version": 1}
    for beyond in ("0", str(10**12), str(2**63 - 1)):
        assert system.data(query, p=beyond) == {"event": None}


def test_an_event_s_own_fields_can_be_selected_beside_those_of_every_event(system: System) -> None:
    account = opened(system, balance="7.50")
    query = """query ($filter: EventFilter) { events(filter: $filter) { edges { node {
      aggregate schemaVersion causationPosition
      ... on AccountOpened { owner } ... on MoneyDeposited { amount transferId } } } } }"""
    edges = system.data(query, filter={"streams": [f"account-{account}"]})["events"]["edges"]
    envelope = {"aggregate": "account", "schemaVersion": 1, "causationPosition": None}
    assert [edge["node"] for edge in edges] == [
        {**envelope, "owner": "Ada"},
        {**envelope, "amount": "7.50", "transferId": None},
    ]


def test_an_unknown_command_is_not_found(system: System) -> None:
    unknown = str(uuid4())
    answer = system.query("query ($id: UUID!) { command(commandId: $id) { status } }", id=unknown)
    [error] = answer["errors"]
    assert answer["data"] is None
    assert error["extensions"] == {"code": "NOT_FOUND"}
    assert unknown in error["message"]


def test_a_reactor_s_command_tells_which_reactor_sent_it_and_what_caused_it(system: System) -> None:
    source, target = opened(system, balance="1.00"), opened(system)
    correlation = str(uuid4())
    transfer = {"sourceId": source, "targetId": target, "amount": "1.00"}
    requested = apply(system, "requestTransfer", transfer, correlationId=correlation)
    query = """query ($filter: EventFilter) { events(filter: $filter) { edges { node {
      commandId causationPosition } } } }"""
    filter = {"types": ["MoneyWithdrawn"], "correlationId": correlation}
    [edge] = until(lambda: system.data(query, filter=filter)["events"]["edges"], bool)
    assert edge["node"]["causationPosition"] == requested["position"]
    command = system.data(
        "query ($id: UUID!) { command(commandId: $id) { type reactor causationPosition correlationId } }",
        id=edge["node"]["commandId"],
    )["command"]
    assert command == {
        "type": "WithdrawForTransfer",
        "reactor": "transfers",
        "causationPosition": requested["position"],
        "correlationId": correlation,
    }


def test_a_query_over_get_is_answered_like_one_over_post(system: System) -> None:
    account = opened(system)
    query = "query One($id: UUID!) { account(accountId: $id) { owner } } query Two { __typename }"
    apply(system, "openAccount", {"owner": "last"}, wait="PROJECTED")
    parameters = {"query": query, "variables": f'{{"id": "{account}"}}', "operationName": "One"}
    answer = httpx.get(system.url, params=parameters, headers={"accept": "application/json"}, verify=NO_TLS)
    assert answer.json()["data"] == {"account": {"owner": "Ada"}}
    assert set(answer.json()["extensions"]["projections"]) == {"account"}
    assert submit(system, "closeAccount", {"accountId": account})["__typename"] == "CommandApplied"


def test_the_log_and_the_list_of_commands_know_what_lies_before_a_page(system: System) -> None:
    account, correlation = opened(system), str(uuid4())
    deposit = {"accountId": account, "amount": "1.00"}
    for _ in range(3):
        apply(system, "deposit", deposit, correlationId=correlation)
    lists = {"events": "EventFilter", "commands": "CommandFilter"}
    info = "edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    for name, filter_type in lists.items():
        after_type = "Position! = 0" if name == "events" else "String"
        document = (
            f"query ($first: Int, $after: {after_type}, $filter: {filter_type}) "
            f"{{ {name}(first: $first, after: $after, filter: $filter) {{ {info} }} }}"
        )
        asked: dict[str, Any] = {"filter": {"correlationId": correlation}}
        first = system.data(document, first=2, **asked)[name]
        last = system.data(document, first=2, after=first["pageInfo"]["endCursor"], **asked)[name]
        around = [
            (page["pageInfo"]["hasPreviousPage"], page["pageInfo"]["hasNextPage"]) for page in (first, last)
        ]
        assert around == [(False, True), (True, False)]
        for page in (first, last):
            ends = [page["pageInfo"]["startCursor"], page["pageInfo"]["endCursor"]]
            assert ends == [page["edges"][0]["cursor"], page["edges"][-1]["cursor"]]
    before_all = system.data(document, after=first["pageInfo"]["endCursor"], filter={"streams": []})[
        "commands"
    ]
    assert before_all["pageInfo"]["hasPreviousPage"] is False
