"""Lists that are ordered by a number are walked from both ends: the log, commands, the versions of a row."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.e2e.bank import apply, opened
from tests.system import System

PAGE = "edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
ARGUMENTS = "first: $first, after: $after, last: $last, before: $before"
WALK = "$first: Int, $after: %s, $last: Int, $before: %s"
LISTS = {
    "events": ("$stream: String!", "events(filter: {streams: [$stream]}, %s) { %s }", "Position"),
    "commands": ("$stream: String!", "commands(filter: {streams: [$stream]}, %s) { %s }", "String"),
    "history": ("$id: UUID!", "account(accountId: $id) { history(%s) { %s } }", "String"),
    "accountHistory": ("$id: UUID!", "accountHistory(accountId: $id, %s) { %s }", "String"),
    "events of a row": ("$id: UUID!", "account(accountId: $id) { events(%s) { %s } }", "String"),
}
"""The variable that names the list, the field, and the type of its cursors."""
EVENTS = 5


@pytest.fixture(scope="module")
def account(system: System) -> str:
    """An account with so many events, each by a command of its own."""
    account = opened(system)
    for _ in range(EVENTS - 2):
        opened(system)
        apply(system, "deposit", {"accountId": account, "amount": "1.00"})
    apply(system, "deposit", {"accountId": account, "amount": "1.00"}, wait="PROJECTED")
    return account


class Listed:
    """One of the lists, for one account."""

    def __init__(self, system: System, name: str, account: str) -> None:
        variable, field, cursor = LISTS[name]
        self._document = f"query ({variable}, {WALK % (cursor, cursor)}) {{ {field % (ARGUMENTS, PAGE)} }}"
        self._given: dict[str, Any] = (
            {"id": account} if "$id" in variable else {"stream": f"account-{account}"}
        )
        self._system = system

    def answer(self, **walk: Any) -> dict[str, Any]:
        return self._system.query(self._document, **self._given, **walk)

    def page(self, **walk: Any) -> dict[str, Any]:
        answer = self.answer(**walk)
        assert "errors" not in answer, answer
        found = answer["data"]
        while "edges" not in found:
            [found] = found.values()
        return dict(found)

    def cursors(self, **walk: Any) -> list[str]:
        return [edge["cursor"] for edge in self.page(**walk)["edges"]]


@pytest.mark.parametrize("name", LISTS)
def test_each_walk_gives_that_part_of_the_whole_and_says_what_is_left(
    system: System, account: str, name: str
) -> None:
    listed = Listed(system, name, account)
    whole = listed.cursors(first=EVENTS)
    assert len(whole) == EVENTS
    assert whole == listed.cursors(last=EVENTS)
    for size, begin, end in product((0, 2, EVENTS), (None, 1, EVENTS - 1), (None, 1, EVENTS - 1)):
        bounds = {"after": begin, "before": end}
        walk = {bound: whole[n] for bound, n in bounds.items() if n is not None}
        first, stop = (0 if begin is None else begin + 1), (EVENTS if end is None else end)
        within = whole[first:stop]
        front, back = within[:size], within[len(within) - size if len(within) > size else 0 :]
        for side, cursors in (("first", front), ("last", back)):
            found = listed.page(**{side: size}, **walk)
            case = (name, side, size, begin, end)
            assert [edge["cursor"] for edge in found["edges"]] == cursors, case
            info = found["pageInfo"]
            assert (info["startCursor"], info["endCursor"]) == (
                (cursors[0], cursors[-1]) if cursors else (None, None)
            ), case
            if cursors:
                assert info["hasPreviousPage"] is (cursors[0] != whole[0]), case
                assert info["hasNextPage"] is (cursors[-1] != whole[-1]), case


@pytest.mark.parametrize("name", LISTS)
def test_both_sizes_at_once_and_a_size_out_of_range_are_refused(
    system: System, account: str, name: str
) -> None:
    listed = Listed(system, name, account)
    for walk, message in (
        ({"first": 1, "last": 1}, "last: give first or last, not both"),
        ({"last": -1}, "last: must be from 0 to 500, got -1"),
        ({"last": 501}, "last: must be from 0 to 500, got 501"),
    ):
        [error] = listed.answer(**walk)["errors"]
        assert (error["message"], error["extensions"]["code"]) == (message, "BAD_REQUEST")


def test_the_last_events_of_the_whole_log_end_with_its_head(system: System, account: str) -> None:
    query = """{ events(last: 3) { edges { node { position } } pageInfo { hasNextPage hasPreviousPage } }
      far: events(last: 1, before: "9223372036854775807") { edges { cursor } } }"""
    found = system.data(query)
    positions = [int(edge["node"]["position"]) for edge in found["events"]["edges"]]
    assert positions == list(range(positions[0], positions[0] + 3))
    assert found["events"]["pageInfo"] == {"hasNextPage": False, "hasPreviousPage": True}
    assert found["far"]["edges"] == [{"cursor": str(positions[-1])}]
