"""Time travel over HTTP, on the bank: an account as it was, and the versions it went through."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.bank import apply, opened, submit
from tests.system import System

AS_OF = """query ($id: UUID!, $asOf: AsOf!) {
  accountAt(accountId: $id, asOf: $asOf) { accountId owner balance closed } }"""
HISTORY = """query ($id: UUID!, $first: Int, $after: String) {
  accountHistory(accountId: $id, first: $first, after: $after) {
    edges { cursor node {
      __typename version position recordedAt
      event { __typename position version ... on MoneyDeposited { amount } }
      command { commandId actor type status }
      row { __typename version position time owner balance closed }
    } }
    pageInfo { hasNextPage endCursor }
  } }"""


def account_as_of(system: System, account: str, **as_of: Any) -> dict[str, Any] | None:
    found: dict[str, Any] | None = system.data(AS_OF, id=account, asOf=as_of)["accountAt"]
    return found


def history(system: System, account: str, **variables: Any) -> dict[str, Any]:
    """A page."""
    page: dict[str, Any] = system.data(HISTORY, id=account, **variables)["accountHistory"]
    return page


@pytest.fixture(scope="module")
def account(system: System) -> str:
    """An account at version 5; between its events others happen."""
    account = opened(system, owner="Ada")
    for mutation, amount in (("deposit", "10.50"), ("withdraw", "4.00"), ("deposit", "0.25")):
        opened(system)
        apply(system, mutation, {"accountId": account, "amount": amount})
    submit(system, "withdraw", {"accountId": account, "amount": "99.00"})  # rejected: no version
    apply(system, "withdraw", {"accountId": account, "amount": "6.75"}, wait="PROJECTED")
    return account


BALANCES = ["0.00", "10.50", "6.50", "6.75", "0.00"]


def test_an_account_as_of_each_version_position_and_time(system: System, account: str) -> None:
    nodes = [edge["node"] for edge in history(system, account)["edges"]]
    for n, (node, balance) in enumerate(zip(nodes, BALANCES, strict=True), 1):
        expected = {"accountId": account, "owner": "Ada", "balance": balance, "closed": False}
        assert account_as_of(system, account, version=n) == expected
        assert account_as_of(system, account, position=node["position"]) == expected
        assert account_as_of(system, account, time=node["recordedAt"]) == expected
    for before, balance in zip(nodes[1:], BALANCES, strict=False):
        just_before = str(int(before["position"]) - 1)
        found = account_as_of(system, account, position=just_before)
        assert found is not None
        assert found["balance"] == balance
        moment = datetime.fromisoformat(before["recordedAt"]) - timedelta(microseconds=1)
        found = account_as_of(system, account, time=moment.isoformat())
        assert found is not None
        assert found["balance"] == balance


def test_the_history_has_each_version_with_its_event_its_command_and_the_row(
    system: System, account: str
) -> None:
    page = history(system, account)
    nodes = [edge["node"] for edge in page["edges"]]
    assert [node["version"] for node in nodes] == [1, 2, 3, 4, 5]
    kinds = ["AccountOpened", "MoneyDeposited", "MoneyWithdrawn", "MoneyDeposited", "MoneyWithdrawn"]
    assert [node["event"]["__typename"] for node in nodes] == kinds
    commands = ["OpenAccount", "Deposit", "Withdraw", "Deposit", "Withdraw"]
    assert [node["command"]["type"] for node in nodes] == commands
    assert {node["command"]["status"] for node in nodes} == {"APPLIED"}
    assert {node["__typename"] for node in nodes} == {"AccountVersion"}
    for node, balance in zip(nodes, BALANCES, strict=True):
        own = {"owner": "Ada", "balance": balance, "closed": False}
        place = {"version": node["version"], "position": node["position"], "time": node["recordedAt"]}
        assert node["row"] == {"__typename": "AccountAt", **place, **own}
    assert nodes[1]["event"]["amount"] == "10.50"
    query = (
        "query ($f: EventFilter) { events(filter: $f) { edges { node { position commandId recordedAt } } } }"
    )
    events = system.data(query, f={"streams": [f"account-{account}"]})["events"]["edges"]
    assert [
        {"position": n["position"], "commandId": n["command"]["commandId"], "recordedAt": n["recordedAt"]}
        for n in nodes
    ] == [edge["node"] for edge in events]
    assert not page["pageInfo"]["hasNextPage"]
    of_row = HISTORY.replace("accountHistory(accountId: $id,", "account(accountId: $id) { history(") + " }"
    assert system.data(of_row, id=account)["account"]["history"] == page


def test_a_past_row_says_which_version_it_is(system: System, account: str) -> None:
    query = """query ($id: UUID!, $asOf: AsOf!) {
      accountAt(accountId: $id, asOf: $asOf) { version position time balance } }"""
    nodes = [edge["node"] for edge in history(system, account)["edges"]]
    between = str(int(nodes[2]["position"]) - 1)
    for node, as_of in ((nodes[1], {"position": between}), (nodes[2], {"version": 3})):
        found = system.data(query, id=account, asOf=as_of)["accountAt"]
        assert (found["version"], found["position"]) == (node["version"], node["position"])
        assert found["time"] == node["recordedAt"]


@pytest.mark.parametrize("first", [1, 2, 4, 5])
def test_the_pages_of_a_history_are_the_whole(system: System, account: str, first: int) -> None:
    found, after = [], None
    while True:
        page = history(system, account, first=first, after=after)
        found += page["edges"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        assert len(page["edges"]) == first
    assert found == history(system, account)["edges"]
    end = history(system, account, first=0, after=after)
    assert (end["edges"], end["pageInfo"]) == ([], {"hasNextPage": False, "endCursor": None})


def test_before_its_first_event_a_row_is_not_there(system: System, account: str) -> None:
    late = opened(system)
    head = apply(system, "deposit", {"accountId": account, "amount": "0.01"})["position"]
    assert account_as_of(system, late, position="1") is None
    assert account_as_of(system, str(uuid4()), position=head) is None
    first = system.data('{ event(position: "1") { ... on Event { recordedAt } } }')["event"]["recordedAt"]
    assert account_as_of(system, late, time=first) is None
    apply(system, "withdraw", {"accountId": account, "amount": "0.01"}, wait="PROJECTED")


def test_what_was_applied_a_moment_ago_can_be_asked_without_waiting_for_the_projection(
    system: System,
) -> None:
    account = str(uuid4())
    applied = apply(system, "openAccount", {"owner": "Eve", "accountId": account})
    found = account_as_of(system, account, position=applied["position"])
    assert found is not None
    assert found["owner"] == "Eve"


def refused(system: System, account: str, **as_of: Any) -> tuple[str, str | None]:
    """(message, argument) of the one error."""
    answer = system.query(AS_OF, id=account, asOf=as_of)
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST", error
    return error["message"], error["extensions"].get("argument")


def test_a_position_that_is_not_past_is_refused_with_the_head_of_the_log(
    system: System, account: str
) -> None:
    for position in ("0", str(2**63 - 1)):
        message, argument = refused(system, account, position=position)
        assert argument == "asOf.position"
        assert message.startswith("asOf.position: must be from 1 to ")
        assert message.endswith(f", the head of the log; got {position}")
    head = int(message.split()[6].rstrip(","))
    assert account_as_of(system, account, position=str(head)) is not None
    assert "it must be a whole number from 0 to" in refused(system, account, position="-1")[0]


@pytest.mark.parametrize("version", [0, -1, 1000, 2**31 - 1, -(2**31)])
def test_a_version_that_there_is_not_is_refused_with_the_newest(
    system: System, account: str, version: int
) -> None:
    message, argument = refused(system, account, version=version)
    assert argument == "asOf.version"
    newest = len(history(system, account)["edges"])
    assert message == f"asOf.version: must be from 1 to {newest}, the newest version; got {version}"


def test_a_version_of_what_never_was_is_refused(system: System) -> None:
    nobody = str(uuid4())
    said = f"asOf.version: the stream account-{nobody} has no versions"
    assert refused(system, nobody, version=1) == (said, "asOf.version")


def test_a_moment_that_is_not_past_is_refused_with_what_is(system: System, account: str) -> None:
    first = system.data('{ event(position: "1") { ... on Event { recordedAt } } }')["event"]["recordedAt"]
    for time in ("0001-01-01T00:00:00Z", "2999-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999Z"):
        message, argument = refused(system, account, time=time)
        assert argument == "asOf.time"
        assert message.startswith(f"asOf.time: must be from {first} (the first event of the log) to ")
        assert message.endswith(f"; got {datetime.fromisoformat(time).isoformat()}")
    before = (datetime.fromisoformat(first) - timedelta(microseconds=1)).isoformat()
    assert refused(system, account, time=before)[1] == "asOf.time"
    assert (
        "asOf.time: must have a time zone, like " in refused(system, account, time="2026-01-01T00:00:00")[0]
    )


def test_one_point_is_asked_for_neither_none_nor_two(system: System, account: str) -> None:
    for as_of in (None, {}, {"version": 1, "position": "1"}, {"version": None}):
        [error] = system.query(AS_OF, id=account, asOf=as_of)["errors"]
        assert error["extensions"]["code"] == "BAD_REQUEST"


def test_a_cursor_of_another_list_and_a_page_too_large_are_refused(system: System, account: str) -> None:
    source, target = opened(system, balance="1.00"), opened(system)
    transfer = {"sourceId": source, "targetId": target, "amount": "1.00"}
    apply(system, "requestTransfer", transfer, wait="PROJECTED")
    query = "{ transfers(first: 1) { edges { cursor node { history(first: 1) { edges { cursor } } } } } }"
    [edge] = system.data(query)["transfers"]["edges"]
    [other] = edge["node"]["history"]["edges"]
    for cursor in (edge["cursor"], other["cursor"], "nonsense", ""):
        [error] = system.query(HISTORY, id=account, after=cursor)["errors"]
        assert error["extensions"] == {"code": "BAD_REQUEST", "argument": "after"}
        assert error["message"].startswith("after: ")
    [error] = system.query(HISTORY, id=account, first=501)["errors"]
    assert error["message"] == "first: must be from 0 to 500, got 501"


def test_a_transfer_as_it_was(system: System) -> None:
    source, target = opened(system, balance="2.00"), opened(system)
    transfer = {"sourceId": source, "targetId": target, "amount": "2.00"}
    stream = apply(system, "requestTransfer", transfer, wait="PROJECTED")["stream"]
    query = "query ($id: UUID!) { transferAt(transferId: $id, asOf: {version: 1}) { status amount } }"
    found = system.data(query, id=stream.partition("-")[2])
    assert found == {"transferAt": {"status": "REQUESTED", "amount": "2.00"}}


def test_a_row_that_never_was_has_an_empty_history(system: System) -> None:
    assert history(system, str(uuid4()))["edges"] == []
