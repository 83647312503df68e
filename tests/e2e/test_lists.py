"""Lists over HTTP and the other transports: filtered, ordered, walked both ways, as fresh as asked for."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.bank import apply, opened, until
from tests.e2e.sockets import LEGACY_WS, TRANSPORT_WS, socket_to, start, subscribe
from tests.e2e.test_bad_input import JSON, checked, refused
from tests.system import NO_TLS, System

pytestmark = pytest.mark.usefixtures("goes_on")

ACCOUNTS = """query (
  $where: AccountWhere, $orderBy: [AccountOrder!], $atLeast: Position
  $first: Int, $after: String, $last: Int, $before: String
) { accounts(
  where: $where, orderBy: $orderBy, atLeast: $atLeast
  first: $first, after: $after, last: $last, before: $before
) {
  totalCount
  edges { cursor node { accountId owner balance closed events { edges { node { type } } } } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
} }"""
BY_BALANCE = {"column": "BALANCE", "direction": "DESC"}


def family(system: System, *balances: str) -> tuple[str, str]:
    """Accounts with these balances; how the names of their owners begin, and the last position."""
    name = f"{uuid4().hex[:8]} "
    position = "0"
    for n, balance in enumerate(balances):
        account = str(uuid4())
        apply(system, "openAccount", {"owner": f"{name}{n}", "accountId": account})
        position = apply(system, "deposit", {"accountId": account, "amount": balance})["position"]
    return name, position


def page(system: System, **variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = system.data(ACCOUNTS, **variables)["accounts"]
    return found


def balances(page: dict[str, Any]) -> list[str]:
    return [edge["node"]["balance"] for edge in page["edges"]]


def test_a_list_is_filtered_ordered_and_counted(system: System) -> None:
    name, position = family(system, "3.00", "1.00", "2.00", "1.00")
    where: dict[str, Any] = {"owner": {"startsWith": name}}
    fresh = {"atLeast": position}
    found = page(system, where=where, orderBy=[BY_BALANCE], **fresh)
    assert (balances(found), found["totalCount"]) == (["3.00", "2.00", "1.00", "1.00"], 4)
    types = [edge["node"]["type"] for edge in found["edges"][0]["node"]["events"]["edges"]]
    assert types == ["AccountOpened", "MoneyDeposited"]
    where["balance"] = {"gt": "1", "lte": 3}
    assert balances(page(system, where=where, orderBy={"column": "BALANCE"})) == ["2.00", "3.00"]
    where["or"] = [{"balance": {"in": ["2"]}}, {"not": {"closed": {"eq": False}}}]
    assert balances(page(system, where=where)) == ["2.00"]
    assert page(system, where={"owner": {"in": []}})["totalCount"] == 0


def test_a_list_is_walked_from_either_end_to_the_other(system: System) -> None:
    amounts = ["3.00", "1.00", "2.00", "1.00", "5.00"]
    name, position = family(system, *amounts)
    asked = {"where": {"owner": {"startsWith": name}}, "orderBy": [BY_BALANCE], "atLeast": position}
    whole = [f"{amount:.2f}" for amount in sorted(map(Decimal, amounts), reverse=True)]
    for size, forward, backward in (
        ("first", ("after", "endCursor", "hasNextPage"), "hasPreviousPage"),
        ("last", ("before", "startCursor", "hasPreviousPage"), "hasNextPage"),
    ):
        argument, cursor, more = forward
        walked: list[str] = []
        given: dict[str, Any] = {}
        while True:
            found = page(system, **asked, **{size: 2}, **given)
            walked = walked + balances(found) if size == "first" else balances(found) + walked
            assert found["totalCount"] == 5
            assert found["pageInfo"][backward] is bool(given)
            assert found["pageInfo"]["startCursor"] == found["edges"][0]["cursor"]
            if not found["pageInfo"][more]:
                break
            given = {argument: found["pageInfo"][cursor]}
        assert walked == whole


def test_what_was_written_is_read_at_the_position_that_the_mutation_gave(system: System) -> None:
    account = opened(system)
    query = """query ($id: UUID!, $p: Position) { account(accountId: $id, atLeast: $p) { balance } }"""
    for n in range(1, 21):
        written = apply(system, "deposit", {"accountId": account, "amount": "1.00"})
        answer = system.query(query, id=account, p=written["position"])
        assert answer["data"] == {"account": {"balance": f"{n}.00"}}
        reached = answer["extensions"]["projections"]["account"]
        assert int(reached["position"]) >= int(written["position"])


def test_a_position_beyond_the_log_is_refused_with_the_head_there_is(system: System) -> None:
    applied = apply(system, "openAccount", {"owner": "Ada"})
    lists = "query ($p: Position) { accounts(atLeast: $p) { totalCount } }"
    row = "query ($p: Position, $id: UUID!) { transfer(transferId: $id, atLeast: $p) { status } }"
    for document in (lists, row):
        [error] = system.query(document, p=str(2**63 - 1), id=str(uuid4()))["errors"]
        assert error["extensions"]["argument"] == "atLeast"
        head = int(error["extensions"]["head"])
        assert head >= int(applied["position"])
        assert error["message"] == f"atLeast: the log ends at position {head}; {2**63 - 1} is beyond it"


QUERY = "{ accounts(first: 1) { totalCount } }"


def told(payload: dict[str, Any]) -> None:
    """Whether a payload says how far the projection is."""
    reached = payload["extensions"]["projections"]["account"]
    assert set(reached) == {"position", "lag"}
    assert isinstance(reached["position"], str) and isinstance(reached["lag"], int)


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_how_far_a_projection_is_stands_in_the_response_over_http(
    system: System, method: str, accept: str
) -> None:
    sent: dict[str, Any] = {"params": {"query": QUERY}} if method == "GET" else {"json": {"query": QUERY}}
    told(httpx.request(method, system.url, headers={"accept": accept}, verify=NO_TLS, **sent).json())


def test_how_far_a_projection_is_stands_in_the_response_over_sse(system: System) -> None:
    headers = {"accept": "text/event-stream"}
    stream = httpx.post(system.url, json={"query": QUERY}, headers=headers, verify=NO_TLS).text
    [line] = [line for line in stream.splitlines() if line.startswith("data: {")]
    told(json.loads(line.removeprefix("data: ")))


@pytest.mark.parametrize(("protocol", "message"), [(TRANSPORT_WS, subscribe), (LEGACY_WS, start)])
async def test_how_far_a_projection_is_stands_in_the_response_over_a_websocket(
    system: System, protocol: str, message: Any
) -> None:
    async with socket_to(system, protocol) as socket:
        await socket.send(message(QUERY))
        told((await socket.receive())["payload"])


def test_the_lag_is_none_once_all_is_folded(system: System) -> None:
    position = apply(system, "openAccount", {"owner": "Ada"})["position"]
    query = "query ($p: Position) { accounts(atLeast: $p) { totalCount } transfers { totalCount } }"
    reached = until(
        lambda: system.query(query, p=position)["extensions"]["projections"],
        lambda found: all(one["lag"] == 0 for one in found.values()),
    )
    assert int(reached["account"]["position"]) >= int(position)


def cursor(*content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    ("variables", "argument", "message"),
    [
        ({"where": {"owner": {"eq": "a\0b"}}}, "where.owner.eq", "must not contain the character NUL"),
        ({"where": {"owner": {"startsWith": "\ud800"}}}, "where.owner.startsWith", "is not valid Unicode"),
        ({"where": {"owner": {"eq": None}}}, "where.owner.eq", "must not be null"),
        ({"where": {"and": [{}] * 101}}, "where.and[99]", "a filter may have at most 100 conditions"),
        ({"where": {"balance": {"in": ["1"] * 1001}}}, "where.balance.in", "1000 values together"),
        ({"first": 501}, "first", "must be from 0 to 500, got 501"),
        ({"last": 501}, "last", "must be from 0 to 500, got 501"),
        ({"last": -1}, "last", "must be from 0 to 500, got -1"),
        ({"first": 1, "last": 1}, "last", "give first or last, not both"),
        ({"before": "x"}, "before", "'x' is not a cursor of accounts"),
        ({"after": cursor("accounts", "accountId ASC", ["x"])}, "after", "is not a cursor of accounts"),
        ({"after": cursor("accounts", "accountId ASC", [])}, "after", "is not a cursor of accounts"),
        (
            {"after": cursor("accounts", {}, [])},
            "after",
            "is not a cursor of accounts; its order is {}, not accountId ASC",
        ),
        (
            {"after": cursor("transfers", "transferId ASC", [])},
            "after",
            "is not a cursor of accounts; it is a cursor of transfers",
        ),
        (
            {"after": cursor("accounts", "accountId ASC", []), "orderBy": [BY_BALANCE]},
            "after",
            "is not a cursor of accounts; its order is accountId ASC, not balance DESC, accountId DESC",
        ),
        (
            {"after": cursor("accounts", "balance DESC, accountId DESC", ["1e999999", str(uuid4())])}
            | {"orderBy": [BY_BALANCE]},
            "after",
            "is not a cursor of accounts",
        ),
        ({"orderBy": [BY_BALANCE, {"column": "OWNER"}]}, "orderBy", "accountId; owner; balance"),
        ({"orderBy": [BY_BALANCE, {"column": "ACCOUNT_ID"}]}, "orderBy", "must have the same direction"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_list_can_be_is_refused_with_what_is_allowed(
    system: System, variables: dict[str, Any], argument: str, message: str
) -> None:
    error = refused(system, ACCOUNTS, variables)
    assert error["extensions"] == {"code": "BAD_REQUEST", "argument": argument}
    assert message in error["message"]


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ({"balance": {"eq": "1e1001"}}, "at .balance.eq: Decimal cannot represent"),
        ({"balance": {"gt": "NaN"}}, "at .balance.gt: Decimal cannot represent"),
        ({"balance": {"startsWith": "1"}}, "not to include unknown field 'startsWith'"),
        ({"owner": {"eq": 5}}, "at .owner.eq: String cannot represent"),
        ({"owner": "Ada"}, "at .owner: Expected value of type 'StringCondition'"),
        ({"accountId": {"in": ["x"]}}, "at .accountId.in[0]: UUID cannot represent"),
        ({"colour": {"eq": "red"}}, "not to include unknown field 'colour'"),
        ({"and": [{"or": [{"closed": {"eq": 1}}]}]}, "at .and[0].or[0].closed.eq: Boolean cannot represent"),
    ],
    ids=str,
)
def test_a_condition_that_does_not_fit_its_column_is_refused_with_its_place(
    system: System, where: dict[str, Any], place: str
) -> None:
    assert place in refused(system, ACCOUNTS, {"where": where})["message"]


@pytest.mark.parametrize("levels", [9, 100, 300, 450])
def test_a_filter_that_is_nested_too_deep_is_refused_however_deep_it_is(system: System, levels: int) -> None:
    for before, after in (('{"not": ', "}"), ('{"and": [', "]}")):
        where = before * levels + "{}" + after * levels
        body = f'{{"query": {json.dumps(ACCOUNTS)}, "variables": {{"where": {where}}}}}'
        response = httpx.post(system.url, content=body, headers=JSON, timeout=20, verify=NO_TLS)
        [error] = checked(response)
        assert "deep" in error["message"]


def test_a_time_to_wait_out_of_range_is_refused(system: System) -> None:
    document = "query ($t: Int! = 0) { accounts(timeoutMs: $t) { totalCount } }"
    for given in (-1, 60_001):
        error = refused(system, document, {"t": given})
        assert error["message"] == f"timeoutMs: must be from 0 to 60000, got {given}"
