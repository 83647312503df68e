"""Code of the domain that does not return: it is interrupted, its event has failed, the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.clusters import Clusters
from tests.e2e.bank import until
from tests.system import NO_TLS, PARTS, System

TURN = """mutation ($wheel: UUID!, $how: String!, $options: CommandOptions) {
  turn(input: {wheelId: $wheel, how: $how}, options: $options) {
    __typename ... on CommandApplied { position } ... on CommandFailed { code message } } }"""
PATIENT = {"timeoutMs": 25_000}


@pytest.fixture(scope="module")
def wheels(clusters: Clusters) -> Iterator[System]:
    with System(
        clusters.copy("wheels"),
        COMMANDER_DOMAIN="tests.e2e.endless:endless",
        COMMANDER_HANDLER_SECONDS="0.8",
        COMMANDER_LOOP_BLOCKED_SECONDS="0.4",
        COMMANDER_PARTITIONS="3",
    ) as running:
        until(lambda: [answers(running, part) for part in PARTS], all)  # the API is ready before the others
        yield running


def answers(wheels: System, part: str) -> bool:
    try:
        url = f"http://127.0.0.1:{wheels.operators_port(part)}/health/live"
        return httpx.get(url, timeout=5, verify=NO_TLS).is_success
    except (httpx.TransportError, LookupError):
        return False


@pytest.fixture(autouse=True)
def no_process_ends(wheels: System) -> Iterator[None]:
    before = pids(wheels)
    yield
    assert pids(wheels) == before, wheels.log.read_text()[-10_000:]


def pids(wheels: System) -> dict[str, int]:
    return {part: wheels.find(part).pid for part in PARTS}


def turned(wheels: System, how: str = "well", wheel: str | None = None, **options: Any) -> dict[str, Any]:
    given = {**PATIENT, **options}
    found: dict[str, Any] = wheels.data(TURN, wheel=wheel or str(uuid4()), how=how, options=given)["turn"]
    return found


def state(wheels: System, part: str, name: str) -> str:
    """What a part's readiness says of one thing."""
    url = f"http://127.0.0.1:{wheels.operators_port(part)}/health/ready"
    return str(httpx.get(url, timeout=10, verify=NO_TLS).json()["parts"].get(name))


@pytest.mark.parametrize("way", ["", "sleep", "match", "stubbornly"])
def test_a_decider_that_does_not_return_fails_its_command_only(wheels: System, way: str) -> None:
    answer = turned(wheels, f"decide {way}")
    assert (answer["__typename"], answer["code"]) == ("CommandFailed", "DECIDER_TIMED_OUT")
    assert "Turn did not return within 0.8 seconds" in answer["message"]
    assert "of tests.e2e.endless" in answer["message"]
    assert turned(wheels)["__typename"] == "CommandApplied"


def test_a_hook_that_does_not_return_fails_its_request_only(wheels: System) -> None:
    given = {"wheel": str(uuid4()), "how": "hook", "options": PATIENT}
    answer = wheels.query(TURN, **given)  # type: ignore[arg-type]
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert "look_at raised HandlerTimedOut: did not return within 0.8 seconds" in wheels.log.read_text()
    assert turned(wheels)["__typename"] == "CommandApplied"


@pytest.mark.parametrize(("part", "place"), [("processor", "decide"), ("api", "hook")])
def test_code_that_blocks_the_event_loop_is_counted_and_logged(wheels: System, part: str, place: str) -> None:
    before, logged = blocks(wheels, part), wheels.log.read_text()
    wheels.query(TURN, wheel=str(uuid4()), how=place, options=PATIENT)
    until(lambda: blocks(wheels, part)[0], lambda count: count > before[0])
    assert 0.4 < blocks(wheels, part)[1] < 30
    new = wheels.log.read_text().removeprefix(logged)
    assert "the event loop was blocked for" in new
    assert "in go_on_for_ever\n    while True:\n" in new


def blocks(wheels: System, part: str) -> tuple[float, float]:
    """How many blocks a part has counted, and the longest in seconds."""
    url = f"http://127.0.0.1:{wheels.operators_port(part)}/metrics"
    lines = httpx.get(url, timeout=10, verify=NO_TLS).text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines)
    names = ("event_loop_blocks_total", "event_loop_longest_block_seconds")
    count, longest = (float(values[f"commander_{name}"]) for name in names)
    return count, longest


def test_an_inline_projection_that_does_not_return_leaves_inline_mode(wheels: System) -> None:
    wheel = str(uuid4())
    poison = turned(wheels, "inline", wheel)
    assert poison["__typename"] == "CommandApplied"
    assert turned(wheels, wheel=wheel)["__typename"] == "CommandApplied"
    at = poison["position"]
    reason = f"projection tally failed on Turned at position {at}: HandlerTimedOut: did not return within 0.8"
    until(lambda: state(wheels, "projections", "projection tally"), lambda told: told.startswith(reason))
    assert state(wheels, "projections", "projection spin") == "ok"


def test_a_projection_that_does_not_return_stops_alone(wheels: System) -> None:
    wheel = str(uuid4())
    turned(wheels, "projection stubbornly", wheel)
    last = turned(wheels, wheel=wheel, wait="APPLIED")
    until(lambda: state(wheels, "projections", "projection lap"), lambda told: "did not return" in told)
    rows = wheels.data(
        "query ($id: UUID!, $at: Position!) { spin(wheelId: $id, atLeast: $at) { turns } }",
        id=wheel,
        at=last["position"],
    )
    assert rows["spin"] == {"turns": 2}
    url = f"http://127.0.0.1:{wheels.operators_port('api')}"
    ready = until(
        lambda: httpx.get(f"{url}/health/ready", timeout=10, verify=NO_TLS).json(),
        lambda told: "projection lap" in told["warnings"],
    )
    assert (ready["ready"], ready["degraded"]) == (True, True), "other operations work"
    stopped = ready["warnings"]["projection lap"]
    assert stopped.startswith("stopped before Turned at position ") and "did not return" in stopped
    assert wheels.readiness() == {"ready": True, "degraded": True}
    metrics = httpx.get(f"{url}/metrics", timeout=10, verify=NO_TLS).text
    assert 'commander_projection_stopped{projection="lap"} 1' in metrics
    assert 'commander_projection_stopped{projection="spin"} 0' in metrics


def test_time_travel_through_code_that_does_not_return_is_an_error_of_its_own(wheels: System) -> None:
    wheel = str(uuid4())
    poison = turned(wheels, "projection stubbornly", wheel)
    document = "query ($id: UUID!, $at: Position!) { lapAt(wheelId: $id, asOf: {position: $at}) { turns } }"
    for _ in range(2):
        answer = wheels.query(document, id=wheel, at=poison["position"])
        assert "did not return within 0.8 seconds" in answer["errors"][0]["message"]
    assert wheels.data("{ __typename }")


FAILURES = """query ($first: Int, $after: String, $reactor: String) {
  reactorFailures(first: $first, after: $after, reactor: $reactor) {
    edges { cursor node {
      reactor key state position eventType error traceback attempts parkedAt failedAt
      actions { position deed actor } } }
    pageInfo { hasNextPage endCursor } } }"""


def failures(wheels: System, **given: Any) -> list[dict[str, Any]]:
    """The parked keys."""
    return [edge["node"] for edge in wheels.data(FAILURES, **given)["reactorFailures"]["edges"]]


def test_a_key_whose_reactor_does_not_return_is_parked_and_can_be_skipped(wheels: System) -> None:
    first, second = str(uuid4()), str(uuid4())
    poison = turned(wheels, "reactor stubbornly", first)
    turned(wheels, "reactor", second)
    [one, two] = until(lambda: failures(wheels), lambda found: len(found) == 2)
    assert (one["reactor"], one["key"], one["state"], one["attempts"]) == ("oiler", first, "PARKED", 1)
    assert (one["position"], one["eventType"]) == (poison["position"], "Turned")
    assert "did not return within 0.8 seconds" in one["error"]
    assert "in go_on_for_ever" in one["traceback"]
    assert two["error"].startswith("HandlerTimedOut: ")
    health = state(wheels, "reactors", "reactor oiler")
    assert health.startswith(f"2 parked keys; {first} failed at position {poison['position']}: Handler")
    metrics = httpx.get(f"http://127.0.0.1:{wheels.operators_port('reactors')}/metrics", verify=NO_TLS).text
    assert 'commander_reactor_parked_keys{reactor="oiler"} 2' in metrics

    page = wheels.data(FAILURES, first=1)["reactorFailures"]
    assert ([edge["node"]["key"] for edge in page["edges"]], page["pageInfo"]["hasNextPage"]) == (
        [first],
        True,
    )
    assert [found["key"] for found in failures(wheels, after=page["pageInfo"]["endCursor"])] == [second]
    assert failures(wheels, reactor="another") == []

    turned(wheels, wheel=first)
    skip = 'mutation ($key: String!) { skipReaction(reactor: "oiler", key: $key) { key state } }'
    assert wheels.data(skip, key=first) == {"skipReaction": {"key": first, "state": "RETRYING"}}
    [left] = until(lambda: failures(wheels), lambda found: len(found) == 1)
    retry = 'mutation ($key: String!) { retryReaction(reactor: "oiler", key: $key) { key state } }'
    assert wheels.data(retry, key=second) == {"retryReaction": {"key": second, "state": "RETRYING"}}
    [again] = until(lambda: failures(wheels), lambda found: found[0]["attempts"] == 2)
    assert again["actions"] == [{"position": left["position"], "deed": "RETRIED", "actor": None}]
    assert again["state"] == "PARKED"
    refused = wheels.query(skip, key=first)["errors"][0]
    assert refused["extensions"]["code"] == "NOT_FOUND"
    assert refused["message"] == f"the reactor oiler has no parked key {first}, or its retry has not ended"
    query = "query ($stream: String!) { events(filter: {streams: [$stream]}) { edges { node { type } } } }"
    until(
        lambda: wheels.data(query, stream=f"wheel-{first}")["events"]["edges"],
        lambda edges: [edge["node"]["type"] for edge in edges] == ["Turned", "Turned", "Oiled"],
    )
