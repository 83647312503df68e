"""A projection that has stopped, or is late, is named by every answer that waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from commander.domain import CommandType, EventType, ProjectionType, Rights, Verdict, Viewer
from commander.domain.filters import EVERY_ROW, Filter
from commander.domain.rights import EVERY_EVENT, EventRule
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.tables import Table
from commander.resolvers.services import Limits, Services
from commander.schema.context import Context
from commander.streaming.commands.outcomes import OutcomeWaiter
from commander.streaming.feed.feed import Feed
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.projecting import Projector
from commander.streaming.standstill import Standstill
from tests.schema import ledger as domain
from tests.schema.built import schema_of
from tests.schema.ledger import UNLUCKY, ledger
from tests.schema.transports import CARRIES, client_of, first, serving
from tests.streaming.conftest import Bank, running

PENDING = """__typename ... on CommandApplied { commandId at: position } ... on CommandPending {
  commandId stage position
  behind { projection code message position wanted stopped { position type error } } }"""
PATIENT = 20_000


@dataclass
class Desk:
    """The ledger's API, processor and projectors, in this process."""

    services: Services
    stack: AsyncExitStack
    port: int = 0
    projectors: dict[str, Projector] = field(default_factory=dict)

    async def project(self, *names: str) -> None:
        for name in names:
            table = self.services.tables[name]
            made = Projector(ledger, self.services.database, self.services.nats, table)
            self.projectors[name] = made
            await self.stack.enter_async_context(running(made.run()))

    async def asked(self, document: str, transport: str = "http", answers: int = 1) -> list[dict[str, Any]]:
        async with client_of(transport, self.port) as client:
            return await first(client, document, answers)

    async def data(self, document: str) -> dict[str, Any]:
        [answer] = await self.asked(document)
        assert "errors" not in answer, answer
        found: dict[str, Any] = answer["data"]
        return found

    async def written(
        self, amount: int, options: str = "wait: APPLIED", *, tag: str = "null"
    ) -> dict[str, Any]:
        found: dict[str, Any] = (await self.data(writing(amount, options, tag)))["write"]
        return found

    async def stop(self, *names: str) -> dict[str, Any]:
        """Stops these projections by an event that they cannot fold: the mutation that made it."""
        await self.project(*names)
        stopping = await self.written(UNLUCKY, tag='"a"')
        await until(lambda: all(self.services.progress.stopped(name) for name in names), self.services)
        return stopping


def writing(amount: int, options: str, tag: str = "null") -> str:
    given = f'{{bookId: "{uuid4()}", amount: {amount}, tag: {tag}}}'
    return f"mutation {{ write(input: {given}, options: {{{options}}}) {{ {PENDING} }} }}"


async def until(condition: Callable[[], bool], services: Services) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)
            await services.progress.refresh()


@pytest_asyncio.fixture
async def desk(servers: Bank, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr("commander.streaming.projections.projecting._RETRY_FAILED_SECONDS", 0.05)
    monkeypatch.setattr("commander.streaming.standstill._POLL_SECONDS", 0.1)
    monkeypatch.setattr(domain, "mended", False)
    tables = {name: Table(projection) for name, projection in ledger.projections.items()}
    await ensure_tables(servers.database, tables.values())
    progress = ProjectionProgress(servers.nats, servers.database, tables)
    standstill = Standstill(progress, (), tables)
    services = Services(
        domain=ledger,
        database=servers.database,
        nats=servers.nats,
        submitter=servers.submitter,
        outcomes=OutcomeWaiter(servers.nats, servers.database),
        progress=progress,
        feed=Feed(servers.database, servers.nats),
        tables=tables,
        limits=Limits(heartbeat_seconds=0.2),
        standstill=standstill,
    )
    await services.outcomes.start()
    await services.progress.start()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(servers.processor(ledger).run()))
        await stack.enter_async_context(running(standstill.run(lambda: None)))
        made = Desk(services, stack)
        made.port = await stack.enter_async_context(serving(schema_of(ledger), lambda: services))
        yield made


def named(stopping: dict[str, Any], projection: str = "page") -> dict[str, Any]:
    """The event that stopped the projection: the first of two of its command."""
    raised = {"page": "ValueError: unlucky", "tag": "ValueError: unlucky too"}[projection]
    at = str(int(stopping["at"]) - 1)
    return {
        "position": at,
        "type": "Booked",
        "error": f"projection {projection} failed on Booked at position {at}: {raised}",
    }


def without_place(stopped: dict[str, Any]) -> dict[str, Any]:
    """Without the place in the author's file, which must be there."""
    error, place = stopped["error"].split(" (", 1)
    assert "tests/schema/ledger.py:" in place
    return {**stopped, "error": error}


@pytest.mark.parametrize("transport", [one for one, kinds in CARRIES.items() if "mutation" in kinds])
async def test_a_mutation_names_at_once_the_projection_that_has_stopped_before_its_event(
    desk: Desk, transport: str
) -> None:
    stopping = await desk.stop("page")
    await desk.project("sound", "tag")
    began = time.monotonic()
    [answer] = await desk.asked(writing(1, f"wait: PROJECTED, timeoutMs: {PATIENT}"), transport)
    assert time.monotonic() - began < PATIENT / 2000
    found = answer["data"]["write"]
    assert (found["__typename"], found["stage"], found["position"]) == ("CommandPending", "PROJECTION", "4")
    [page] = [one for one in found["behind"] if one["projection"] == "page"]
    assert (page["code"], page["position"], page["wanted"]) == ("PROJECTION_STOPPED", "0", "3")
    assert without_place(page["stopped"]) == named(stopping)
    assert page["message"].startswith("the projection page has stopped before Booked at position 1: ")


async def test_the_mutation_whose_own_event_stops_a_projection_is_told_so_without_waiting_out_its_time(
    desk: Desk,
) -> None:
    await desk.project("page", "sound", "tag")
    began = time.monotonic()
    found = await desk.written(UNLUCKY, f"wait: PROJECTED, timeoutMs: {PATIENT}")
    assert time.monotonic() - began < PATIENT / 2000
    assert [one["stopped"]["position"] for one in found["behind"] if one["stopped"]] == ["1"]


async def test_a_mutation_that_selects_a_row_is_told_at_once_that_its_projection_has_stopped(
    desk: Desk,
) -> None:
    await desk.stop("page")
    await desk.project("sound", "tag")
    for wait in ("APPLIED", "SETTLED"):
        document = writing(1, f"wait: {wait}, timeoutMs: {PATIENT}")
        selecting = document.replace("commandId at: position", "position page { amount } sound { amount }")
        began = time.monotonic()
        found = (await desk.data(selecting))["write"]
        assert time.monotonic() - began < PATIENT / 2000
        assert found["stage"] == "PROJECTION"
        assert {one["projection"]: one["code"] for one in found["behind"]}["page"] == "PROJECTION_STOPPED"


async def test_a_mutation_waits_for_the_projections_that_it_chooses(desk: Desk) -> None:
    await desk.stop("page", "tag")
    await desk.project("sound")
    sound = "wait: PROJECTED, projections: [SOUND]"
    assert (await desk.written(2, sound, tag='"b"'))["__typename"] == "CommandApplied"
    both = await desk.written(2, "wait: PROJECTED, projections: [SOUND, TAG]", tag='"b"')
    assert {one["projection"] for one in both["behind"]} >= {"tag"}
    assert "page" not in {one["projection"] for one in both["behind"]}
    given = f'{{write: {{bookId: "{uuid4()}", amount: 1}}}}'
    many = await desk.data(
        f"mutation {{ submit(commands: [{given}], options: {{{sound}}}) {{ __typename }} }}"
    )
    assert many == {"submit": [{"__typename": "CommandApplied"}]}


async def test_a_projection_none_of_whose_rows_an_event_touches_is_not_waited_for(desk: Desk) -> None:
    await desk.stop("tag")
    await desk.project("page", "sound")
    await until(lambda: desk.services.progress.stopped("page") is not None, desk.services)
    untagged = await desk.written(3, "wait: PROJECTED, projections: [SOUND, TAG]")
    assert untagged["__typename"] == "CommandApplied"


async def test_of_several_in_one_document_each_has_its_answer(desk: Desk) -> None:
    await desk.stop("page")
    await desk.project("sound", "tag")
    one, two = writing(1, f"wait: PROJECTED, timeoutMs: {PATIENT}"), writing(2, "wait: APPLIED")
    inner = [text.removeprefix("mutation { ").removesuffix(" }") for text in (one, two)]
    found = await desk.data(f"mutation {{ one: {inner[0]} two: {inner[1]} }}")
    assert [found[name]["__typename"] for name in ("one", "two")] == ["CommandPending", "CommandApplied"]
    submitting = (
        f'[{{write: {{bookId: "{uuid4()}", amount: 1}}}}, {{write: {{bookId: "{uuid4()}", amount: 2}}}}]'
    )
    options = f"{{wait: PROJECTED, timeoutMs: {PATIENT}}}"
    many = await desk.data(
        f"mutation {{ submit(commands: {submitting}, options: {options}) {{ {PENDING} }} }}"
    )
    for result in many["submit"]:
        assert "PROJECTION_STOPPED" in {one["code"] for one in result["behind"]}


async def test_the_status_of_a_command_says_what_does_not_show_it(desk: Desk) -> None:
    stopping = await desk.stop("page")
    await desk.project("sound", "tag")
    await desk.written(1, "wait: PROJECTED, projections: [SOUND]")
    fields = "behind { projection code stopped { position type error } }"
    id = stopping["commandId"]
    for transport, document in (
        ("http", f'{{ command(commandId: "{id}") {{ {fields} }} }}'),
        ("graphql-transport-ws", f'subscription {{ commandStatus(commandId: "{id}") {{ {fields} }} }}'),
    ):
        [answer] = await desk.asked(document, transport)
        [data] = answer["data"].values()
        [page] = [one for one in data["behind"] if one["projection"] == "page"]
        assert page["code"] == "PROJECTION_STOPPED"
        assert without_place(page["stopped"]) == named(stopping)


async def test_a_query_that_waits_for_a_position_is_told_at_once_that_its_projection_has_stopped(
    desk: Desk,
) -> None:
    stopping = await desk.stop("page")
    for transport, document in (
        ("http", f'{{ pages(atLeast: "2", timeoutMs: {PATIENT}) {{ totalCount }} }}'),
        ("http", f'{{ page(bookId: "{uuid4()}", atLeast: "2", timeoutMs: {PATIENT}) {{ amount }} }}'),
        ("sse", f'subscription {{ pages(atLeast: "2", timeoutMs: {PATIENT}) {{ position }} }}'),
    ):
        began = time.monotonic()
        [answer] = await desk.asked(document, transport)
        assert time.monotonic() - began < PATIENT / 2000
        told = answer["errors"][0]["extensions"]
        stopped = without_place(told.pop("stopped"))
        assert stopped == named(stopping)
        assert told == {"code": "PROJECTION_STOPPED", "projection": "page", "position": "0", "wanted": "2"}
    [rows] = await desk.asked("{ pages { totalCount } }")
    assert without_place(rows["extensions"]["projections"]["page"]["stopped"]) == named(stopping)


async def test_live_rows_say_at_which_event_their_projection_has_stopped(desk: Desk) -> None:
    stopping = await desk.stop("page")
    document = "subscription { pages { standsStill { reason stopped { position type error } } } }"
    answers = await desk.asked(document, "sse", 2)
    still = next(
        one["data"]["pages"]["standsStill"] for one in answers if one["data"]["pages"]["standsStill"]
    )
    assert without_place(still["stopped"]) == named(stopping)
    assert still["reason"].startswith("the projection page has stopped before Booked at position 1: ")


async def test_only_operators_are_told_what_stopped_a_projection(desk: Desk) -> None:
    """What the code raised can quote an event that the viewer may not see."""
    await desk.stop("page")
    queries = [
        f'{{ pages(atLeast: "2", timeoutMs: {PATIENT}) {{ totalCount }} }}',
        "{ pages { totalCount } }",
        writing(1, f"wait: PROJECTED, projections: [PAGE], timeoutMs: {PATIENT}"),
        "subscription { pages { standsStill { since reason stopped { error } } } }",
        f'subscription {{ pages(atLeast: "2", timeoutMs: {PATIENT}) {{ position }} }}',
    ]
    for document in queries:
        told = {}
        for is_operator in (True, False):
            rights = AllRights(ledger, Viewer("ada"), is_operator)
            answers = await schema_of(ledger).stream(document, {}, Context(desk.services, rights=rights))
            text = ""
            async with asyncio.timeout(20), aclosing(answers):
                async for answer in answers:
                    data = bytes(answer.data) if hasattr(answer, "cursor") else answer.data
                    errors = [error.formatted for error in answer.errors or ()]
                    text += str((data, errors, answer.extensions))
                    if "unlucky" in text or "stopped" in text:
                        break
            told[is_operator] = text
        assert "ValueError: unlucky" in told[True]
        assert "ledger.py" in told[True]
        assert "unlucky" not in told[False]
        assert "ledger.py" not in told[False]
        stands_still = "PROJECTION_STOPPED", "has stopped; its operators are told why"
        assert document == queries[1] or any(one in told[False] for one in stands_still)


class AllRights(Rights):
    """A viewer who may do and see everything, and is no operator."""

    def may_submit(self, type_: CommandType, command: Any) -> Verdict:
        return Verdict.ALLOWED

    def row_filter(self, projection: ProjectionType) -> Filter:
        return EVERY_ROW

    def event_filter(self, event: EventType) -> EventRule:
        return EVERY_EVENT


async def test_a_projection_that_is_only_late_is_named_when_the_time_is_over(desk: Desk) -> None:
    await desk.project("page", "tag")
    for patience in (700, 3_000, PATIENT):  # of which the decision takes a part, on a busy machine all
        began = time.monotonic()
        found = await desk.written(1, f"wait: PROJECTED, timeoutMs: {patience}")
        assert time.monotonic() - began >= patience / 1000
        if found["stage"] == "PROJECTION":
            break
    at = str(int(found["position"]) - 1)  # of the first of two events
    found["behind"] = [one for one in found["behind"] if one["projection"] == "sound"]
    assert found["behind"] == [
        {
            "projection": "sound",
            "code": "PROJECTION_BEHIND",
            "message": f"sound is at position 0 and did not reach {at} in time",
            "position": "0",
            "wanted": at,
            "stopped": None,
        }
    ]


async def test_when_its_code_is_mended_mutations_wait_for_it_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.stop("page", "tag")
    await desk.project("sound")
    monkeypatch.setattr(domain, "mended", True)
    await until(lambda: desk.services.progress.stopped("page") is None, desk.services)
    found = await desk.written(1, f"wait: PROJECTED, timeoutMs: {PATIENT}")
    assert found["__typename"] == "CommandApplied"


async def test_a_client_that_breaks_a_constraint_gets_the_message_of_its_author(desk: Desk) -> None:
    document = writing(-1, "wait: APPLIED").replace(
        PENDING, "... on CommandInvalid { problems { path message } }"
    )
    assert await desk.data(document) == {"write": {"problems": [{"path": ["amount"], "message": "no debts"}]}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("projections: [PAGE]", "projections: needs wait: PROJECTED or SETTLED"),
        (
            "wait: PROJECTED, projections: []",
            "projections: must name at least one; leave it out to wait for all",
        ),
        (
            "wait: PROJECTED, projections: [OTHER]",
            "Value 'OTHER' does not exist in 'ProjectionName' enum.",
        ),
    ],
)
async def test_a_choice_that_means_nothing_is_refused(desk: Desk, options: str, message: str) -> None:
    [answer] = await desk.asked(writing(1, options))
    assert answer["errors"][0]["message"] == message
    assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
