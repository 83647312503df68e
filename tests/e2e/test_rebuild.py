"""A projection is written anew while it serves: nobody reads half a table, and nothing is lost on the way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.bank import until
from tests.e2e.parts import Part, Parts
from tests.forking import fork_server
from tests.placed import Placed
from tests.system import NO_TLS

TILL = "tests.e2e.till:till"
ONE, OTHER = str(uuid4()), str(uuid4())
READ = """query ($id: UUID!) { sum(tillId: $id) { total } well(tillId: $id) { payments } }"""
PAY = """mutation ($input: PayInput!, $options: CommandOptions) {
  pay(input: $input, options: $options) {
    __typename
    ... on CommandPending { stage }
  }
}"""


def pay(api: Part, amount: int, till: str = ONE, **options: Any) -> dict[str, Any]:
    given = {"wait": "PROJECTED", "timeoutMs": 20_000, **options}
    result: dict[str, Any] = api.data(PAY, input={"tillId": till, "amount": amount}, options=given)["pay"]
    return result


def total(api: Part, till: str = ONE) -> int | None:
    row = api.data(READ, id=till)["sum"]
    return None if row is None else row["total"]


@pytest.fixture
def run(parts: Parts) -> Any:
    """Runs `commander projections …` and returns what it printed; fails unless it ends with `code`."""

    def ran(*arguments: str, code: int = 0, version: str = "first") -> str:
        environment = {**parts.environment, "COMMANDER_DOMAIN": TILL, "TILL": version, "PATH": "/bin"}
        ended = fork_server().run(["projections", *arguments], environment)
        assert ended.returncode == code, ended.stderr
        return ended.stdout if code == 0 else ended.stderr

    return ran


def listed(run: Any) -> dict[str, list[str]]:
    """By table: name, state, serves, kept up, position, behind, error."""
    rows = (line.split("\t") for line in run("list").splitlines())
    return {table: [name, *rest] for name, table, *rest in rows}


@pytest.fixture
def first(parts: Parts) -> Iterator[tuple[Part, Part]]:
    """An API and the projections of the first version, with three payments."""
    api, _, projections = parts.start("api", "processor", "projections", domain=TILL)
    for amount in (1, 2, 3):
        assert pay(api, amount)["__typename"] == "CommandApplied"
    yield api, projections


def test_a_changed_projection_is_built_beside_the_one_that_serves_and_then_all_read_it(
    parts: Parts, first: tuple[Part, Part], run: Any
) -> None:
    api, projections = first
    [newer] = parts.start("api", domain=TILL, TILL="doubled")
    assert (total(api), total(newer)) == (6, 6), "the shape is the same: the old table serves both"
    assert pay(newer, 4)["__typename"] == "CommandApplied"
    assert total(newer) == 10
    parts.start("projections", domain=TILL, TILL="doubled")
    until(lambda: total(newer), lambda found: found != 10)
    assert total(newer) == 20, "never half a table"
    until(lambda: total(api), lambda found: found == 20)
    assert pay(newer, 5)["__typename"] == "CommandApplied"
    assert total(newer) == 30
    tables = listed(run)
    assert sorted((row[0], *row[2:5]) for row in tables.values()) == [
        ("sum", "no", "yes", "5"),
        ("sum", "yes", "yes", "5"),
        ("well", "yes", "yes", "5"),
    ]
    # Back again: the old code still keeps its table up, so nothing is missing in it.
    assert "serves" in run("rollback", "sum")
    until(lambda: (total(api), total(newer)), lambda found: found == (15, 15))
    projections.end()
    assert pay(newer, 1, wait="APPLIED")["__typename"] == "CommandApplied"


def test_code_of_another_shape_waits_for_its_own_table_and_the_old_goes_on_reading_the_old(
    parts: Parts, first: tuple[Part, Part], run: Any
) -> None:
    api, _ = first
    [newer] = parts.start("api", domain=TILL, TILL="wider")
    answer = newer.query(READ, id=ONE)
    assert answer["errors"][0]["extensions"]["code"] == "PROJECTION_BUILDING"
    assert answer["data"]["well"] == {"payments": 3}, "the rest goes on"
    late = pay(newer, 4, timeoutMs=300)
    assert late == {"__typename": "CommandPending", "stage": "PROJECTION"}
    until(lambda: total(api), lambda found: found == 10)

    [building] = parts.start("projections", domain=TILL, TILL="wider")
    assert building.readiness()["parts"]["projection sum"] == "ok", "ready means built"
    until(lambda: "errors" in newer.query(READ, id=ONE), lambda failed: not failed)
    largest = "query ($id: UUID!) { sum(tillId: $id) { total largest } }"
    assert newer.data(largest, id=ONE)["sum"] == {"total": 10, "largest": 4}
    assert pay(api, 9)["__typename"] == "CommandApplied"
    assert total(api) == 19, "waited for the table that it reads"
    assert pay(newer, 1)["__typename"] == "CommandApplied"
    assert newer.data(largest, id=ONE)["sum"] == {"total": 20, "largest": 9}
    # The old table is dropped once nobody needs it; not the one that serves.
    serving = next(t for t, row in listed(run).items() if row[0] == "sum" and row[2] == "yes")
    (other,) = (t for t, row in listed(run).items() if row[0] == "sum" and row[2] == "no")
    assert "is serving; switch to another table first" in run("drop", "sum", serving, code=1)
    diff = run("switch", "sum", other, "--diff")
    assert "- columns largest" in diff
    assert "0 rows differ" in diff
    run("drop", "sum", other)
    assert other not in listed(run)
    assert total(newer) == 20


def test_a_projection_that_raises_stops_alone_and_its_error_event_and_position_are_shown(
    parts: Parts, first: tuple[Part, Part], run: Any
) -> None:
    api, _ = first
    pay(api, 13)
    pay(api, 1)
    [failing] = parts.start("projections", domain=TILL, TILL="raising", ready=False)
    error = Placed("projection sum failed on Paid at position 4: ValueError: 13 is unlucky")
    ready = until(failing.readiness, lambda answer: answer["parts"].get("projection sum", "") == error)
    assert (ready["ready"], ready["parts"]["projection well"]) == (False, "ok")
    (row,) = (row for row in listed(run).values() if row[-1])
    assert (row[0], row[2], row[4], row[5], row[6]) == ("sum", "no", "3", "2", error)
    text = httpx.get(f"http://127.0.0.1:{failing.port}/metrics", verify=NO_TLS).text
    gauges = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("commander_"))
    found = {
        (name.partition("{")[0], 'projection="sum"' in name, 'serving="true"' in name): float(value)
        for name, value in gauges.items()
    }
    assert found["commander_projection_failed", True, False] == 1
    assert found["commander_projection_lag_events", True, False] == 2
    assert found["commander_projection_position", True, False] == 3
    assert found["commander_projection_building", True, False] == 1
    assert found["commander_projection_failed", True, True] == 0
    assert found["commander_projection_failed", False, True] == 0
    assert found["commander_projection_lag_events", True, True] == 0
    assert total(api) == 20, "the old table serves"
    assert error in run("rebuild", "sum", version="raising", code=1)


def test_a_rebuild_of_the_same_code_is_shown_compared_switched_to_and_taken_back(
    parts: Parts, first: tuple[Part, Part], run: Any
) -> None:
    api, _ = first
    pay(api, 7, OTHER)
    (before,) = (t for t, row in listed(run).items() if row[0] == "sum")
    assert "0 rows differ" in run("rebuild", "sum", "--diff")
    (held,) = (t for t, row in listed(run).items() if row[0] == "sum" and t != before)
    assert listed(run)[held][1:4] == ["BUILT", "no", "yes"]
    assert "serves" in run("switch", "sum")
    assert listed(run)[held][2] == "yes"
    assert f"{before} serves" in run("rollback", "sum")
    assert "serves" in run("rebuild", "sum")
    third = next(t for t, row in listed(run).items() if row[0] == "sum" and row[2] == "yes")
    assert third not in (before, held)
    assert pay(api, 4)["__typename"] == "CommandApplied"
    assert (total(api), total(api, OTHER)) == (10, 7)
    for arguments, problem in {
        ("switch", "nothing"): "there is no projection nothing",
        ("switch", "sum", "nothing"): "the projection sum has no nothing",
        ("rollback", "well"): "no other table of the projection well has served",
        ("rebuild", "nothing"): "there is no projection nothing; the domain has well, sum",
        ("drop", "sum", "events"): "the projection sum has no table events",
    }.items():
        said = run(*arguments, code=1)
        assert (said.count("\n"), problem in said) == (1, True), said


def test_undone_code_serves_again_as_in_commander_dev(
    parts: Parts, first: tuple[Part, Part], run: Any
) -> None:
    api, projections = first
    projections.end()
    [changed] = parts.start("projections", domain=TILL, TILL="doubled")
    until(lambda: total(api), lambda found: found == 12)
    changed.end()
    parts.start("projections", domain=TILL, COMMANDER_PROJECTION_TAKEOVER_SECONDS="0")
    until(lambda: total(api), lambda found: found == 6)
    assert pay(api, 1)["__typename"] == "CommandApplied"
    assert total(api) == 7
    serving = [row for row in listed(run).values() if row[2] == "yes"]
    assert {(name, kept) for name, _, _, kept, *_ in serving} == {("sum", "yes"), ("well", "yes")}


def test_a_table_that_nobody_keeps_up_is_not_switched_to_unasked(
    parts: Parts, first: tuple[Part, Part], run: Any
) -> None:
    api, projections = first
    parts.start("projections", domain=TILL, TILL="doubled")
    until(lambda: total(api), lambda found: found == 12)
    projections.end()
    pay(api, 1)
    assert "1 events behind and no process keeps it up" in run("rollback", "sum", code=1)
    assert total(api) == 14
    run("rollback", "sum", "--behind")
    deadline = time.monotonic() + 10
    while total(api) != 6:
        assert time.monotonic() < deadline
    parts.start("projections", domain=TILL)
    until(lambda: total(api), lambda found: found == 7)
