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
from commander.resolvers.node_ids import command_id, event_id
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.streaming.log.relay import Relay
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.projectors import Projectors
from tests.schema.clinic import Admit, Book, Reassign, clinic
from tests.schema.test_visible_rows import SCHEMA, VIEWERS, data, nodes, rights
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
        document = f"""query ($id: UUID!) {{ command(commandId: $id) {{ input events {{ {EVENT} }} }}
            lineage(commandId: $id) {{ root {{ events {{ event {{ {EVENT} }} }} }} }} }}"""
        result = await SCHEMA.execute(document, {"id": str(id_)}, context)
        if n in own:
            assert result.errors is None and result.data is not None, result.errors
            assert len(result.data["command"]["events"]) == 1, "the sender sees what its command made"
        else:
            assert set(codes_of(result)) == {"NOT_FOUND"}
        answers = await SCHEMA.stream(
            "subscription ($id: UUID!) { commandStatus(commandId: $id) { input } }",
            {"id": str(id_)},
            Context(open_clinic.services, rights=rights(VIEWERS[name])),
        )
        async with aclosing(answers):
            answer = await anext(answers)
        assert (answer.errors is None) == (n in own)
        found = await open_clinic.ask(
            name, "query ($id: ID!) { node(id: $id) { ... on Command { input } } }", id=command_id(id_)
        )
        assert (found["node"] is not None) == (n in own)


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


OPERATIONS = [
    "query { deadLetters { commandId } }",
    "query { effectFailures { effect } }",
    "query { reactorFailures { edges { cursor } } }",
    f'mutation {{ retryDeadLetter(commandId: "{UUID(int=1)}") {{ commandId }} }}',
    f'mutation {{ dropDeadLetter(commandId: "{UUID(int=1)}") {{ commandId }} }}',
    'mutation { retryEffect(effect: "mail", position: "1") { effect } }',
    'mutation { dropEffect(effect: "mail", position: "1") { effect } }',
    'mutation { retryReaction(reactor: "r", key: "k") { reactor } }',
    'mutation { skipReaction(reactor: "r", key: "k") { reactor } }',
]


@pytest.mark.parametrize("document", OPERATIONS)
async def test_operations_are_for_operators(services: Services, document: str) -> None:
    services = replace(services, domain=clinic)
    for viewer in VIEWERS.values():
        result = await SCHEMA.execute(document, {}, Context(services, rights=rights(viewer)))
        assert codes_of(result) == ["FORBIDDEN"]
    operator = Viewer("olga", frozenset({"operator"}))
    result = await SCHEMA.execute(document, {}, Context(services, rights=rights(operator)))
    assert "FORBIDDEN" not in codes_of(result)
