"""Which events, and which commands, each viewer reaches: by every field that shows them, and by the feed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from commander.domain import Viewer
from commander.domain.senders import Sender
from commander.eventstore.projections.tables import Table
from commander.resolvers import ending, status
from commander.resolvers.node_ids import command_id, event_id
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.streaming.log.relay import Relay
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.projectors import Projectors
from tests.schema.built import schema_of
from tests.schema.clinic import Admit, Book, Reassign, clinic
from tests.schema.test_visible_rows import VIEWERS, data, nodes, rights
from tests.streaming.conftest import Bank, running

SEEN = {
    "nobody": [],
    "ada": ["ada admitted"],
    "bob": ["bob admitted"],
    "doctor": ["ada admitted", "bob admitted", "booked"],
}
"""The events that each viewer sees."""


@dataclass
class Clinic:
    """Two patients who have admitted themselves, and a visit that the doctor booked for one of them."""

    services: Services
    servers: Bank
    ada: UUID
    bob: UUID
    visit: UUID
    commands: list[UUID]
    positions: list[int]

    async def ask(self, viewer: str, document: str, **variables: Any) -> dict[str, Any]:
        return await data(self.services, VIEWERS[viewer], document, **variables)


async def sent(servers: Bank, command: Any, subject: str) -> UUID:
    """A command of this sender that has ended."""
    id_ = await servers.submit(command, domain=clinic, sender=Sender(subject))
    await servers.outcome(id_)
    return id_


@pytest_asyncio.fixture
async def open_clinic(services: Services, servers: Bank) -> AsyncIterator[Clinic]:
    tables = {name: Table(projection) for name, projection in clinic.projections.items()}
    progress = ProjectionProgress(services.nats, services.database, tables)
    await progress.start()
    made = replace(services, domain=clinic, tables=tables, progress=progress)
    work = [
        servers.processor(clinic).run(),
        Relay(servers.database, servers.nats).run(),
        Projectors(clinic, servers.database, servers.nats).run(),
        made.feed.run(),
    ]
    async with AsyncExitStack() as stack:
        for one in work:
            await stack.enter_async_context(running(one))
        ada, bob, visit = uuid4(), uuid4(), uuid4()
        commands = [
            await sent(servers, Admit(ada, "ada", "gout"), "ada"),
            await sent(servers, Admit(bob, "bob", "measles"), "bob"),
            await sent(servers, Book(visit, ada, "north"), "dora"),
        ]
        assert not await progress.reach(dict.fromkeys(tables, len(commands)), 20)
        yield Clinic(made, servers, ada, bob, visit, commands, [1, 2, 3])


EVENT = "__typename position ... on Admitted { person diagnosis } ... on Reassigned { person }"


def codes_of(result: Any) -> list[str]:
    return [error.extensions["code"] for error in result.errors or ()]


def shown(events: list[Any]) -> list[str]:
    named = {"Admitted": "admitted", "Booked": "booked", "Reassigned": "reassigned"}
    found = [f"{e.get('person') or ''} {named[e['__typename']]}".strip() for e in events if e is not None]
    return sorted(found)


@pytest.mark.parametrize("name", VIEWERS)
async def test_each_field_that_shows_events_shows_those_that_the_viewer_sees(
    open_clinic: Clinic, name: str
) -> None:
    seen = SEEN[name]

    async def ask(document: str, **variables: Any) -> dict[str, Any]:
        return await open_clinic.ask(name, document, **variables)

    found = await ask(f"{{ events {{ edges {{ node {{ {EVENT} }} }} }} }}")
    assert shown(nodes(found["events"])) == seen
    if name != "doctor":
        assert {event.get("diagnosis") for event in nodes(found["events"])} <= {None}
    found = await ask(f"{{ events(last: 2, before: 4) {{ edges {{ node {{ {EVENT} }} }} }} }}")
    assert shown(nodes(found["events"])) == [one for one in seen if not one.startswith("ada")]
    one = f"query ($at: Position!) {{ event(position: $at) {{ {EVENT} }} }}"
    assert shown([(await ask(one, at=str(at)))["event"] for at in open_clinic.positions]) == seen

    ids = [event_id(at, open_clinic.services.epochs) for at in open_clinic.positions]
    found = await ask(
        f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Event {{ {EVENT} }} }} }}", ids=ids
    )
    assert shown(found["nodes"]) == seen

    found = await ask(
        f"{{ patients {{ edges {{ node {{ events {{ edges {{ node {{ {EVENT} }} }} }} }} }} }} }}"
    )
    of_rows = [event for row in nodes(found["patients"]) for event in nodes(row["events"])]
    assert shown(of_rows) == [one for one in seen if one != "booked"]
    found = await ask(
        f"{{ visits {{ edges {{ node {{ events {{ edges {{ node {{ {EVENT} }} }} }} }} }} }} }}"
    )
    of_rows = [event for row in nodes(found["visits"]) for event in nodes(row["events"])]
    assert shown(of_rows) == [one for one in seen if one == "booked"], "everyone sees visits"


@pytest.mark.parametrize("name", VIEWERS)
async def test_a_command_is_for_its_sender_and_for_operators(open_clinic: Clinic, name: str) -> None:
    subject = VIEWERS[name].subject
    own = {"ada": [0], "bob": [1], "dora": [2]}.get(subject or "", [])

    found = await open_clinic.ask(name, "{ commands { edges { node { commandId input } } } }")
    assert [node["commandId"] for node in nodes(found["commands"])] == [
        str(open_clinic.commands[n]) for n in own
    ]
    for n, id_ in enumerate(open_clinic.commands):
        context = Context(open_clinic.services, rights=rights(VIEWERS[name]))
        for document in (
            f"query ($id: UUID!) {{ command(commandId: $id) {{ input events {{ {EVENT} }} }} }}",
            f"""query ($id: UUID!) {{
                lineage(commandId: $id) {{ root {{ events {{ event {{ {EVENT} }} }} }} }} }}""",
        ):
            result = await schema_of(clinic).execute(document, {"id": str(id_)}, context)
            if n in own:
                assert result.errors is None and result.data is not None, result.errors
                if (command := result.data.get("command")) is not None:
                    assert len(command["events"]) == 1, "the sender sees what its command made"
            else:
                assert codes_of(result) == ["NOT_FOUND"]
        found = await open_clinic.ask(
            name, "query ($id: ID!) { node(id: $id) { ... on Command { input } } }", id=command_id(id_)
        )
        assert (found["node"] is not None) == (n in own)


OTHERS = """insert into commands (command_id, type, stream, data, digest, status, position, event_count,
                                  version, correlation_id, submitted_at, decided_at, number, guards)
            select gen_random_uuid(), type, stream, data, digest, 'REJECTED', position, 0, version,
                   gen_random_uuid(), now(), now(), 3 + n, guards
            from commands, generate_series(1, 1000) as n where number = 2"""


async def test_pages_of_commands_are_full_however_many_others_have_sent(open_clinic: Clinic) -> None:
    await open_clinic.services.database.fetch(OTHERS)
    last = await sent(open_clinic.servers, Admit(uuid4(), "ada", "mumps"), "ada")
    own = [str(last), str(open_clinic.commands[0])]
    page = """query ($first: Int, $after: String, $last: Int, $before: String) {
        commands(first: $first, after: $after, last: $last, before: $before) {
            edges { node { commandId } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""

    async def ask(**given: Any) -> tuple[list[str], dict[str, Any]]:
        found = (await open_clinic.ask("ada", page, **given))["commands"]
        return [node["commandId"] for node in nodes(found)], found["pageInfo"]

    ids, info = await ask(first=2)
    assert (ids, info["hasNextPage"], info["hasPreviousPage"]) == (own, False, False)
    ids, info = await ask(first=1)
    assert (ids, info["hasNextPage"]) == (own[:1], True)
    ids, info = await ask(first=1, after=info["endCursor"])
    assert (ids, info["hasNextPage"], info["hasPreviousPage"]) == (own[1:], False, True)
    ids, info = await ask(last=1, before=info["startCursor"])
    assert (ids, info["hasNextPage"], info["hasPreviousPage"]) == (own[:1], True, False)
    found = (await open_clinic.ask("nobody", page, first=5))["commands"]
    assert found["edges"] == []
    assert not found["pageInfo"]["hasNextPage"]


STATUS = "subscription ($id: UUID!) { commandStatus(commandId: $id) { status } }"
LINEAGE = "subscription ($id: UUID!) { lineage(commandId: $id) { correlationId } }"


async def answers_to(clinic_: Clinic, viewer: str, document: str, id_: UUID) -> list[str]:
    """What a viewer is told about an id, until the end, without the id. Of a tree only the first item."""
    context = Context(clinic_.services, rights=rights(VIEWERS[viewer]))
    answers = await schema_of(clinic).stream(document, {"id": str(id_)}, context)
    found: list[str] = []
    async with asyncio.timeout(60), aclosing(answers):
        async for answer in answers:
            found.append(str(answer.data or [error.formatted for error in answer.errors]))
            if document == LINEAGE:
                break
    return [one.replace(str(id_), "ID") for one in found]


@pytest.mark.parametrize("name", ["nobody", "ada", "bob"])
async def test_of_a_command_of_somebody_else_a_subscription_tells_what_it_tells_of_an_unknown_id(
    open_clinic: Clinic, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it also waits as long, and says nothing when the command is decided in the meantime."""
    monkeypatch.setattr(status, "_UNKNOWN_SECONDS", 0.5)
    own = {"ada": [0], "bob": [1]}.get(name, [])
    later = uuid4()
    asked = [*open_clinic.commands, later, uuid4()]
    waiting = [asyncio.create_task(answers_to(open_clinic, name, STATUS, one)) for one in asked]
    visit = Book(uuid4(), open_clinic.ada, "south")
    await open_clinic.servers.submit(visit, domain=clinic, sender=Sender("dora"), command_id=later)
    await open_clinic.servers.outcome(later)
    told = await asyncio.gather(*waiting)
    unknown = told[-1]
    assert "no command with the id ID was submitted within a minute" in unknown[0]
    for n, one in enumerate(told):
        assert "APPLIED" in one[-1] if n in own else one == unknown
    trees = [await answers_to(open_clinic, name, LINEAGE, one) for one in asked]
    assert "there is no command with the id ID" in trees[-1][0]
    for n, tree in enumerate(trees):
        assert (tree == trees[-1]) == (n not in own)


async def test_of_a_command_of_somebody_else_the_same_is_read_as_of_an_unknown_id(
    open_clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the time of the answer tells that the command exists."""
    read: list[str] = []

    def counted(module: Any, name: str) -> None:
        function = getattr(module, name)

        async def called(*given: Any) -> Any:
            read.append(name)
            return await function(*given)

        monkeypatch.setattr(module, name, called)

    for module in (status, ending):
        for name in ("outcome_of", "pending_command"):
            counted(module, name)
    counted(status, "known_outcomes")
    counted(ending, "events_of_outcome")
    documents = [
        "query ($id: UUID!) { command(commandId: $id) { status } }",
        "query ($id: UUID!) { lineage(commandId: $id) { settled } }",
        "query ($node: ID!) { node(id: $node) { id } }",
        "query ($node: ID!) { nodes(ids: [$node]) { id } }",
        "mutation ($id: UUID!) { cancelCommand(commandId: $id) { commandId } }",
    ]
    for document in documents:
        found = []
        for id_ in (open_clinic.commands[2], uuid4()):
            read.clear()
            context = Context(open_clinic.services, rights=rights(VIEWERS["ada"]))
            result = await schema_of(clinic).execute(
                document, {"id": str(id_), "node": command_id(id_)}, context
            )
            answer = str((result.data, [error.formatted for error in result.errors or ()]))
            found.append((answer.replace(str(id_), "ID"), sorted(read)))
        assert found[0] == found[1]
        assert "NOT_FOUND" in found[0][0] or "None" in found[0][0]


async def test_a_lineage_does_not_tell_an_event_that_its_sender_does_not_see(open_clinic: Clinic) -> None:
    """Ada has handed her row over to Bob."""
    moved = await sent(open_clinic.servers, Reassign(open_clinic.ada, "bob"), "ada")
    assert not await open_clinic.services.progress.reach({"patient": 4}, 20)
    document = "query ($id: UUID!) { lineage(commandId: $id) { root { events { event { position } } } } }"
    found = await open_clinic.ask("ada", document, id=str(moved))
    assert found["lineage"]["root"]["events"] == [{"event": None}]


async def test_the_past_of_a_row_tells_of_others_commands_only_that_they_were(open_clinic: Clinic) -> None:
    moved = await sent(open_clinic.servers, Reassign(open_clinic.ada, "bob"), "dora")
    async with asyncio.timeout(20):
        while (await open_clinic.services.progress.reached("patient")).position < 4:
            await asyncio.sleep(0.01)
    found = await open_clinic.ask(
        "bob",
        f"""query ($id: UUID!) {{ patientHistory(patientId: $id) {{ edges {{ node {{ version
            event {{ {EVENT} }} command {{ commandId status input actor message }} }} }} }} }}""",
        id=str(open_clinic.ada),
    )
    [version] = nodes(found["patientHistory"])
    assert (version["version"], shown([version["event"]])) == (2, ["bob reassigned"])
    assert version["command"] == {
        "commandId": str(moved),
        "status": "APPLIED",
        "input": None,
        "actor": None,
        "message": None,
    }
    history = """query ($id: UUID!) { visitHistory(visitId: $id) { edges { node {
        event { position } command { events { position } } } } } }"""
    [hidden] = nodes((await open_clinic.ask("ada", history, id=str(open_clinic.visit)))["visitHistory"])
    assert hidden == {"event": None, "command": {"events": []}}
    [shown_] = nodes((await open_clinic.ask("doctor", history, id=str(open_clinic.visit)))["visitHistory"])
    assert shown_ == {"event": {"position": "3"}, "command": {"events": [{"position": "3"}]}}


@pytest.mark.parametrize(("name", "diagnosis"), [("ada", None), ("doctor", "gout")])
async def test_a_dry_run_does_not_tell_the_hidden_fields_of_what_it_proposes(
    services: Services, name: str, diagnosis: str | None
) -> None:
    document = """mutation ($input: AdmitInput!) { admit(input: $input, options: {validateOnly: true}) {
        ... on CommandValid { events { type data } } } }"""
    admitted = {"patientId": str(uuid4()), "person": "ada", "diagnosis": "gout"}
    context = Context(replace(services, domain=clinic), rights=rights(VIEWERS[name]))
    result = await schema_of(clinic).execute(document, {"input": admitted}, context)
    assert result.errors is None and result.data is not None, result.errors
    [event] = result.data["admit"]["events"]
    assert event["type"] == "Admitted"
    assert (event["data"]["person"], event["data"]["diagnosis"]) == ("ada", diagnosis)


OPERATIONS = [
    "query { deadLetters { commandId } }",
    "query { effectFailures { effect } }",
    "query { reactorFailures { edges { cursor } } }",
    "query { system { at } }",
    f'mutation {{ retryDeadLetter(commandId: "{UUID(int=1)}") {{ commandId }} }}',
    f'mutation {{ dropDeadLetter(commandId: "{UUID(int=1)}") {{ commandId }} }}',
    'mutation { retryEffect(effect: "mail", position: "1") { effect } }',
    'mutation { dropEffect(effect: "mail", position: "1") { effect } }',
    'mutation { retryReaction(reactor: "r", key: "k") { reactor } }',
    'mutation { skipReaction(reactor: "r", key: "k") { reactor } }',
    'mutation { rebuildProjection(projection: "none") { table } }',
    'mutation { switchProjection(projection: "none") { table } }',
    'mutation { rollBackProjection(projection: "none") { table } }',
    'mutation { dropProjectionTable(projection: "none", table: "none") { table } }',
]


@pytest.mark.parametrize("document", OPERATIONS)
async def test_operations_are_for_operators(services: Services, document: str) -> None:
    services = replace(services, domain=clinic)
    for viewer in VIEWERS.values():
        result = await schema_of(clinic).execute(document, {}, Context(services, rights=rights(viewer)))
        assert codes_of(result) == ["FORBIDDEN"]
    operator = Viewer("olga", frozenset({"operator"}))
    result = await schema_of(clinic).execute(document, {}, Context(services, rights=rights(operator)))
    assert "FORBIDDEN" not in codes_of(result)
