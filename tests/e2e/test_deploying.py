"""Old and new code of a domain side by side: what one does not know is left to the other, and never fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from typing import Any
from uuid import uuid4

from commander.eventstore.database import Database
from commander.streaming.nats.streams import partition_of
from tests.e2e.bank import until
from tests.e2e.parts import Part, Parts
from tests.e2e.test_commands_evolution import NEW, OLD, put

SWEEP = """mutation ($id: UUID!, $options: CommandOptions) {
  sweep(input: {shelfId: $id}, options: $options) {
    __typename
    ... on CommandAccepted { commandId }
    ... on CommandApplied { commandId }
    ... on CommandRejected { code message }
    ... on CommandPending { commandId }
    ... on CommandFailed { code message }
  } }"""
SENT = """mutation ($id: UUID!, $size: Int!) {
  put(input: {shelfId: $id, size: $size}, options: {wait: ACCEPTED}) {
    ... on CommandAccepted { commandId }
  } }"""
SHOWN = """fragment Type on Event { __typename type }
  { version: event(position: "1") { ...Type } type: event(position: "2") { ...Type } }"""
TRIED = """mutation ($id: UUID!) {
  put(input: {shelfId: $id, size: 1}, options: {validateOnly: true}) { __typename } }"""
STATUS = "query ($id: UUID!) { command(commandId: $id) { status code message events { type } } }"
DONE = {"wait": "APPLIED", "timeoutMs": 20_000}
SENT_ONLY = {"wait": "ACCEPTED"}


def sweep(api: Part, shelf: str, options: dict[str, Any]) -> dict[str, Any]:
    """A command that only the new code knows."""
    result: dict[str, Any] = api.data(SWEEP, id=shelf, options=options)["sweep"]
    return result


def partition(shelf: str) -> int:
    return partition_of(f"shelf-{shelf}", 8)


def status(api: Part, command_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.data(STATUS, id=command_id)["command"]
    return found


def ended(api: Part, command_id: str) -> dict[str, Any]:
    """The command once it has an outcome."""
    return until(partial(status, api, command_id), lambda one: one["status"] not in ("ACCEPTED",))


def unready(processor: Part) -> dict[str, str]:
    """What the processor's health says is not well, by part."""
    return {part: state for part, state in processor.readiness()["parts"].items() if state != "ok"}


def test_commands_that_only_the_new_code_knows_are_decided_by_it_while_both_share_the_partitions(
    parts: Parts,
) -> None:
    [old] = parts.start("processor", domain=OLD)
    api, new = parts.start("api", "processor", domain=NEW)
    until(old.metrics, lambda text: "commander_partitions_owned 4.0" in text)
    until(new.metrics, lambda text: "commander_partitions_owned 4.0" in text)
    sent = [sweep(api, str(uuid4()), SENT_ONLY)["commandId"] for _ in range(16)]
    assert [ended(api, command_id)["status"] for command_id in sent] == ["APPLIED"] * 16
    assert unready(old) == unready(new) == {}


def test_a_command_that_no_running_code_knows_stays_until_one_comes_and_the_health_says_what_is_missing(
    parts: Parts,
) -> None:
    [old] = parts.start("processor", domain=OLD)
    [api] = parts.start("api", domain=NEW)
    shelf = str(uuid4())
    sent = sweep(api, shelf, SENT_ONLY)["commandId"]
    behind = api.data(SENT, id=shelf, size=1)["put"]["commandId"]
    says = until(partial(unready, old), bool)
    [(part, sentence)] = says.items()
    assert part == f"partition {partition(shelf)}"
    assert f"the command Sweep {sent}" in sentence
    assert "has no such command" in sentence
    assert "start a processor" in sentence
    assert len(old.process.lines(sent)) == 1, "the warning is logged once"
    others = (other for other in iter(lambda: str(uuid4()), "") if partition(other) != partition(shelf))
    assert put(api, next(others), 1)["__typename"] == "CommandApplied", "other partitions go on"
    assert status(api, sent)["status"] == status(api, behind)["status"] == "ACCEPTED"

    [new] = parts.start("processor", domain=NEW)
    assert [ended(api, one)["status"] for one in (sent, behind)] == ["APPLIED", "APPLIED"]
    until(lambda: (unready(old), unready(new)), lambda states: states == ({}, {}))


def test_old_code_alone_leaves_a_stream_with_newer_events_until_the_newer_code_is_back(parts: Parts) -> None:
    api, new = parts.start("api", "processor", domain=NEW)
    shelf = str(uuid4())
    assert put(api, shelf, 60)["__typename"] == "CommandApplied"
    assert sweep(api, str(uuid4()), DONE)["__typename"] == "CommandApplied"
    new.end()
    old_api, old = parts.start("api", "processor", domain=OLD)
    shown = old_api.data(SHOWN)
    assert [shown["version"], shown["type"]] == [
        {"__typename": "UnreadableEvent", "type": name} for name in ("Placed", "Swept")
    ]
    [tried] = old_api.query(TRIED, id=shelf)["errors"]
    assert tried["extensions"]["code"] == "UNREADABLE"
    assert "newer than this code's 1" in tried["message"]
    sent = api.data(SENT, id=shelf, size=50)["put"]["commandId"]
    [sentence] = until(partial(unready, old), bool).values()
    assert "Placed: it has schema version 2, newer than this code's 1" in sentence
    assert status(api, sent)["status"] == "ACCEPTED"
    parts.start("processor", domain=NEW)
    found = ended(api, sent)
    assert (found["status"], found["code"]) == ("REJECTED", "FULL"), (
        "as by the code that could read the stream"
    )


class Load:
    """Clients that send commands to an API, one after the other, until the block ends. sent: their ids."""

    def __init__(self, api: Part, send: Callable[[Part, str], str], shelves: Sequence[str]) -> None:
        self.sent: list[str] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(api, send, shelves))

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def until_more(self, count: int) -> None:
        """Returns when so many more were sent."""
        goal = len(self.sent) + count
        until(lambda: len(self.sent), lambda sent: sent >= goal)

    def _run(self, api: Part, send: Callable[[Part, str], str], shelves: Sequence[str]) -> None:
        for shelf in cycle(shelves):
            if self._stopping.is_set():
                return
            self.sent.append(send(api, shelf))


def send_put(api: Part, shelf: str) -> str:
    command_id: str = api.data(SENT, id=shelf, size=0)["put"]["commandId"]  # it is never full
    return command_id


def send_sweep(api: Part, shelf: str) -> str:
    command_id: str = sweep(api, shelf, SENT_ONLY)["commandId"]
    return command_id


async def test_a_rolling_deployment_under_load_and_back_ends_with_each_command_decided_by_code_that_could(
    parts: Parts,
) -> None:
    roll(parts)
    database = Database(parts.environment["COMMANDER_POSTGRES_URL"])
    by_status = await database.fetch("select status, code, count(*) from commands group by 1, 2")
    assert {(row["status"], row["code"]) for row in by_status} == {("APPLIED", None)}
    back = await database.fetch(
        """select stream, version from events as e where type = 'Placed' and schema_version = 1
             and exists (select from events as newer where newer.stream = e.stream
                           and newer.version < e.version
                           and (newer.type = 'Swept' or newer.schema_version = 2))"""
    )
    assert back == [], "old code decided on a stream that it could not read"
    versions = await database.fetch("select distinct schema_version from events where type = 'Placed'")
    assert {row["schema_version"] for row in versions} == {1, 2}, "both have decided"
    await database.close()


def roll(parts: Parts) -> None:
    """Old, old and new, new, back to old, and new again; at the end each command has an outcome."""
    shelves = [str(uuid4()) for _ in range(24)]
    old_api, *olds = parts.start("api", "processor", "processor", domain=OLD)
    with Load(old_api, send_put, shelves) as puts:
        puts.until_more(30)
        new_api, *news = parts.start("api", "processor", "processor", domain=NEW)
        with Load(new_api, send_sweep, shelves[::2]) as sweeps:
            sweeps.until_more(30)
            for processor in olds:
                processor.end()
            sweeps.until_more(30)
            parts.start("processor", domain=OLD)
            for processor in news:
                processor.end()
            sweeps.until_more(30)
            puts.until_more(30)
    parts.start("processor", domain=NEW)
    for command_id in (*puts.sent, *sweeps.sent):
        assert ended(new_api, command_id)["status"] == "APPLIED"
