"""What must hold after whatever happened, asked from outside: the log, the outcomes, the money."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from tests.faults.customers import Client, Customers
from tests.faults.subscriber import Subscriber
from tests.faults.waiting import until

_PAGE = """query ($after: Position!) { events(after: $after, first: 500) {
  pageInfo { hasNextPage endCursor }
  edges { node {
    position stream version type commandId
    ... on AccountOpened { accountId }
    ... on MoneyDeposited { accountId amount ofTransfer: transferId }
    ... on MoneyWithdrawn { accountId amount }
    ... on MoneyReturned { accountId amount }
    ... on TransferRequested { transferId } ... on TransferCompleted { transferId }
    ... on TransferRefused { transferId } ... on TransferReturned { transferId }
  } }
} }"""
_ACCOUNTS = """query ($after: String) { accounts(first: 500, after: $after) {
  pageInfo { hasNextPage endCursor } edges { node { accountId balance } }
} }"""
_TRANSFERS = """query ($after: String) { transfers(first: 500, after: $after) {
  pageInfo { hasNextPage endCursor } edges { node { transferId status } }
} }"""
_COMMAND = '{alias}: command(commandId: "{id}") {{ status position version events {{ position }} }}'
_COMMANDS_AT_ONCE = 50
_ENDS = {"TransferCompleted": "COMPLETED", "TransferRefused": "REFUSED", "TransferReturned": "RETURNED"}


async def assert_all_well(client: Client, subscriber: Subscriber) -> None:
    """Waits until every transfer has ended, then audits the log, the outcomes, the projections and the feed.

    The client must be the only one whose commands are under way.
    """
    await subscriber.until_position(max(int(k.result.get("position", 0)) for k in client.known.values()))
    await subscriber.until(lambda: not _under_way(subscriber), "every transfer ends")
    log = await _pages(client, _PAGE, "events", after="0")
    assert_dense(log)
    await assert_one_outcome_each(client, log)
    await assert_projected(client, log)
    await subscriber.until_position(len(log))
    subscriber.assert_each_position_once()
    told = {item["position"]: item["commandId"] for item in subscriber.events}
    assert told == {e["position"]: e["commandId"] for e in log if e["position"] > subscriber.began_after}


def assert_dense(log: list[dict[str, Any]]) -> None:
    """Positions are 1 to the head, and each stream's versions 1 to its last, without gap or repeat."""
    assert [event["position"] for event in log] == list(range(1, len(log) + 1))
    versions: dict[str, list[int]] = {}
    for event in log:
        versions.setdefault(event["stream"], []).append(event["version"])
    for stream, found in versions.items():
        assert found == list(range(1, len(found) + 1)), stream


async def assert_one_outcome_each(client: Client, log: list[dict[str, Any]]) -> None:
    """What the client was told is what is stored, and each command's events stand in the log once."""
    positions: dict[str, list[int]] = {}
    for event in log:
        positions.setdefault(event["commandId"], []).append(event["position"])
    statuses = {"CommandApplied": "APPLIED", "CommandRejected": "REJECTED"}
    stored_by_id = await _outcomes(client, list(client.known))
    for known in client.known.values():
        stored = stored_by_id[known.command_id]
        assert stored["status"] == statuses[known.result["__typename"]]
        assert [int(e["position"]) for e in stored["events"]] == positions.get(known.command_id, [])
        assert len(stored["events"]) == (1 if known.applied else 0)
        if known.applied:
            assert (int(known.result["position"]), known.result["version"]) == (
                int(stored["position"]),
                stored["version"],
            )


async def assert_projected(client: Client, log: list[dict[str, Any]]) -> None:
    """The projections become what a fold of the log gives, and no money came from or went nowhere."""
    balances = folded_balances(log)
    ends = folded_transfers(log)
    assert set(ends.values()) <= set(_ENDS.values()), "every transfer has ended"

    async def projected() -> bool:
        rows = await _pages(client, _ACCOUNTS, "accounts", after=None)
        transfers = await _pages(client, _TRANSFERS, "transfers", after=None)
        return {row["accountId"]: Decimal(row["balance"]) for row in rows} == balances and {
            row["transferId"]: row["status"] for row in transfers
        } == ends

    await until(projected, "the projections equal a fold of the log")
    deposits = [e for e in log if e["type"] == "MoneyDeposited" and e["ofTransfer"] is None]
    assert sum(balances.values()) == sum(Decimal(e["amount"]) for e in deposits)
    assert min(balances.values()) >= 0


def folded_balances(log: list[dict[str, Any]]) -> dict[str, Decimal]:
    signs = {"AccountOpened": 0, "MoneyDeposited": 1, "MoneyReturned": 1, "MoneyWithdrawn": -1}
    balances: dict[str, Decimal] = {}
    for event in log:
        if event["type"] in signs:
            change = signs[event["type"]] * Decimal(event.get("amount", 0))
            balances[event["accountId"]] = balances.get(event["accountId"], Decimal(0)) + change
    return balances


def folded_transfers(log: list[dict[str, Any]]) -> dict[str, str]:
    """Where each transfer stands; REQUESTED for one that has not ended."""
    found: dict[str, str] = {}
    for event in log:
        if event["type"] == "TransferRequested":
            found[event["transferId"]] = "REQUESTED"
        elif event["type"] in _ENDS:
            found[event["transferId"]] = _ENDS[event["type"]]
    return found


async def assert_kinds_of_transfers(customers: Customers) -> None:
    """The work was worth the name: transfers were completed, refused and returned."""
    log = await _pages(customers.client, _PAGE, "events", after="0")
    assert set(folded_transfers(log).values()) == set(_ENDS.values())


def _under_way(subscriber: Subscriber) -> int:
    types = Counter(event["type"] for event in subscriber.events)
    return types["TransferRequested"] - sum(types[end] for end in _ENDS)


async def _outcomes(client: Client, command_ids: list[str]) -> dict[str, dict[str, Any]]:
    """Each command by its id; one without an outcome is an error."""
    found: dict[str, dict[str, Any]] = {}
    for begin in range(0, len(command_ids), _COMMANDS_AT_ONCE):
        asked = command_ids[begin : begin + _COMMANDS_AT_ONCE]
        fields = [_COMMAND.format(alias=f"c{n}", id=command_id) for n, command_id in enumerate(asked)]
        data = await client.data(f"{{ {' '.join(fields)} }}")
        found |= {command_id: data[f"c{n}"] for n, command_id in enumerate(asked)}
    return found


async def _pages(client: Client, document: str, field: str, after: str | None) -> list[dict[str, Any]]:
    """All nodes of a connection. Positions come as strings or numbers; here they are numbers."""
    nodes: list[dict[str, Any]] = []
    while True:
        page = (await client.data(document, after=after))[field]
        nodes += [edge["node"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    for node in nodes:
        if "position" in node:
            node["position"] = int(node["position"])
    return nodes
