"""Which rows, and which of their fields, each viewer reaches: by every field that shows rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from commander.domain import Rights, Viewer
from commander.domain.viewers import NOBODY
from commander.eventstore.projections.tables import Table
from commander.resolvers.node_ids import row_id
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.streaming.projections.progress import ProjectionProgress
from commander.streaming.projections.projectors import Projectors
from tests.resolvers.rows import store
from tests.schema.built import schema_of
from tests.schema.clinic import Admit, NoteRow, PatientRow, Reassign, VisitRow, WardRow, clinic
from tests.streaming.conftest import Bank, running

ADA, BOB, EVE = (UUID(int=n) for n in (1, 2, 3))
PATIENTS = [
    PatientRow(ADA, "ada", "gout"),
    PatientRow(BOB, "bob", "measles"),
    PatientRow(EVE, "eve", "mumps"),
]
VISITS = [VisitRow(UUID(int=10 + n), key, "north") for n, key in enumerate((ADA, ADA, BOB, EVE))]

DOCTOR = Viewer("dora", frozenset({"doctor"}))
VIEWERS = {"nobody": NOBODY, "ada": Viewer("ada"), "bob": Viewer("bob"), "doctor": DOCTOR}
SEEN = {"nobody": [], "ada": ["ada"], "bob": ["bob"], "doctor": ["ada", "bob", "eve"]}
"""The persons whose rows each viewer sees."""


@pytest_asyncio.fixture
async def wards(services: Services) -> AsyncIterator[Services]:
    """The services of the clinic's API, over these rows."""
    tables = {name: Table(projection) for name, projection in clinic.projections.items()}
    progress = ProjectionProgress(services.nats, services.database, tables)
    await progress.start()
    made = replace(services, domain=clinic, tables=tables, progress=progress)
    await store(made, "patient", PATIENTS)
    await store(made, "visit", VISITS)
    await store(made, "note", [NoteRow(visit.visit_id, visit.patient_id) for visit in VISITS])
    await store(made, "ward", [WardRow("north", 4)])
    yield made


def rights(viewer: Viewer) -> Rights:
    return clinic.rights(viewer, frozenset({"operator"}))


async def executed(services: Services, viewer: Viewer | None, document: str, **variables: Any) -> Any:
    context = Context(services, rights=None if viewer is None else rights(viewer))
    return await schema_of(clinic).execute(document, variables, context)


async def data(services: Services, viewer: Viewer | None, document: str, **variables: Any) -> dict[str, Any]:
    result = await executed(services, viewer, document, **variables)
    assert result.errors is None, result.errors
    found: dict[str, Any] = result.data
    return found


def persons(rows: list[Any]) -> list[str]:
    return sorted(row["person"] for row in rows if row is not None)


def nodes(connection: dict[str, Any]) -> list[Any]:
    return [edge["node"] for edge in connection["edges"]]


@pytest.mark.parametrize("name", VIEWERS)
async def test_a_gateway_gets_the_entities_that_the_viewer_sees(wards: Services, name: str) -> None:
    document = """query ($of: [_Any!]!) { _entities(representations: $of) {
      ... on Patient { person diagnosis } } }"""
    of = [{"__typename": "Patient", "patientId": str(row.patient_id)} for row in PATIENTS]
    context = Context(wards, rights=rights(VIEWERS[name]))
    result: Any = await schema_of(clinic, subgraph=True).execute(document, {"of": of}, context)
    assert result.errors is None
    rows = result.data["_entities"]
    assert persons(rows) == SEEN[name]
    diagnoses = [row["diagnosis"] for row in rows if row is not None]
    assert diagnoses == (["gout", "measles", "mumps"] if name == "doctor" else [None] * len(diagnoses))


@pytest.mark.parametrize("name", VIEWERS)
async def test_each_field_that_shows_rows_shows_those_that_the_viewer_sees(
    wards: Services, name: str
) -> None:
    viewer, seen = VIEWERS[name], SEEN[name]

    async def ask(document: str, **variables: Any) -> dict[str, Any]:
        return await data(wards, viewer, document, **variables)

    one = "query ($id: UUID!) { patient(patientId: $id) { person } }"
    assert persons([(await ask(one, id=str(row.patient_id)))["patient"] for row in PATIENTS]) == seen

    found = (await ask("{ patients { totalCount edges { node { person } } } }"))["patients"]
    assert (persons(nodes(found)), found["totalCount"]) == (seen, len(seen))
    found = await ask("{ patients(last: 1) { pageInfo { hasPreviousPage } edges { node { person } } } }")
    assert persons(nodes(found["patients"])) == seen[-1:]
    assert found["patients"]["pageInfo"]["hasPreviousPage"] is (len(seen) > 1)

    ids = [row_id(clinic.projections["patient"], row) for row in PATIENTS]
    found = await ask("query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Patient { person } } }", ids=ids)
    assert persons(found["nodes"]) == seen

    found = await ask("{ visits { edges { node { patient { person } } } } }")
    assert {row["person"] for visit in nodes(found["visits"]) if (row := visit["patient"])} == set(seen)

    through = '{ visits(where: {patient: {person: {gte: ""}}}) { totalCount } }'
    expected = sum(
        row.person in seen for visit in VISITS for row in PATIENTS if row.patient_id == visit.patient_id
    )
    assert (await ask(through))["visits"]["totalCount"] == expected

    found = await ask("{ patients { edges { node { visits { totalCount edges { node { room } } } } } } }")
    counts = [node["visits"]["totalCount"] for node in nodes(found["patients"])]
    assert sum(counts) == expected

    found = await ask("{ patients { edges { node { notes { totalCount edges { node { visitId } } } } } } }")
    notes = [node["notes"] for node in nodes(found["patients"])]
    expected = len(VISITS) if viewer == DOCTOR else 0
    assert [sum(one["totalCount"] for one in notes), sum(len(one["edges"]) for one in notes)] == [
        expected
    ] * 2

    assert (await ask('{ ward(room: "north") { visits } wards { totalCount } }')) == {
        "ward": None,
        "wards": {"totalCount": 0},
    }, "without a rule"


async def test_operators_and_an_api_without_authentication_show_every_row(wards: Services) -> None:
    document = "{ patients { edges { node { person diagnosis } } } wards { totalCount } }"
    for viewer in (None, Viewer("olga", frozenset({"operator"}))):
        found = await data(wards, viewer, document)
        assert [node["diagnosis"] for node in nodes(found["patients"])] == ["gout", "measles", "mumps"]
        assert found["wards"]["totalCount"] == 1


async def test_a_field_is_null_for_those_who_do_not_see_it(wards: Services) -> None:
    document = """query ($id: UUID!) { patient(patientId: $id) { person diagnosis }
        patients { edges { node { diagnosis } } } visits { edges { node { patient { diagnosis } } } } }"""
    found = await data(wards, VIEWERS["ada"], document, id=str(ADA))
    assert found["patient"] == {"person": "ada", "diagnosis": None}
    assert nodes(found["patients"]) == [{"diagnosis": None}]
    assert {str(visit["patient"]) for visit in nodes(found["visits"])} == {"None", "{'diagnosis': None}"}
    assert (await data(wards, DOCTOR, document, id=str(ADA)))["patient"]["diagnosis"] == "gout"


@pytest.mark.parametrize(
    "guess",
    [
        'patients(where: {diagnosis: {startsWith: "g"}}) { totalCount }',
        'patients(where: {not: {or: [{diagnosis: {eq: "gout"}}]}}) { totalCount }',
        "patients(orderBy: [{column: DIAGNOSIS}]) { edges { cursor } }",
        'visits(where: {patient: {diagnosis: {eq: "gout"}}}) { totalCount }',
    ],
)
async def test_a_hidden_value_cannot_be_guessed_from_which_rows_there_are_or_their_order(
    wards: Services, guess: str
) -> None:
    result = await executed(wards, VIEWERS["ada"], f"{{ {guess} }}")
    assert [error.extensions["code"] for error in result.errors] == ["FORBIDDEN"], result
    assert "diagnosis" in result.errors[0].message
    assert (await executed(wards, DOCTOR, f"{{ {guess} }}")).errors is None


async def test_rows_of_the_past_are_those_that_the_viewer_saw(wards: Services, servers: Bank) -> None:
    key = uuid4()
    document = """query ($id: UUID!, $first: AsOf!, $now: AsOf!, $none: AsOf!) {
        first: patientAt(patientId: $id, asOf: $first) { person diagnosis }
        now: patientAt(patientId: $id, asOf: $now) { person diagnosis }
        none: patientAt(patientId: $id, asOf: $none) { person }
        patientHistory(patientId: $id) { edges { node { version row { person diagnosis } } } } }"""
    points = {"first": {"version": 1}, "now": {"version": 2}, "none": {"version": 3}}
    async with running(servers.processor(clinic).run()):
        for command in (Admit(key, "ada", "gout"), Reassign(key, "bob")):
            await servers.outcome(await servers.submit(command, domain=clinic))
    for name in ("ada", "bob", "nobody"):
        found = await data(wards, VIEWERS[name], document, id=str(key), **points)
        kept = {"ada": {"person": "ada", "diagnosis": None}, "bob": {"person": "bob", "diagnosis": None}}
        assert found["first"] == (kept["ada"] if name == "ada" else None)
        assert found["now"] == (kept["bob"] if name == "bob" else None)
        assert found["none"] is None
        versions = [(node["version"], node["row"]) for node in nodes(found["patientHistory"])]
        assert versions == {"ada": [(1, kept["ada"])], "bob": [(2, kept["bob"])], "nobody": []}[name]


LIVE = """subscription ($after: String) { patients(after: $after) {
    cursor snapshot changes { kind patientId row { person diagnosis } } } }"""
LIVE_ROW = "subscription ($id: UUID!) { patient(patientId: $id) { cursor row { person diagnosis } } }"


class Watcher:
    """One viewer's subscription, which is read as far as a test asks."""

    def __init__(self, services: Services, name: str, document: str = LIVE, **variables: Any) -> None:
        self._context = Context(services, rights=rights(VIEWERS[name]))
        self._given = (document, variables)
        self._answers: Any = None

    async def __aenter__(self) -> Watcher:
        self._answers = await schema_of(clinic).stream(*self._given, self._context)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._answers.aclose()

    async def item(self) -> Any:
        """The next item that says something of rows."""
        async with asyncio.timeout(20):
            async for answer in self._answers:
                assert not answer.errors, answer.errors
                [found] = json.loads(bytes(answer.data)).values()
                if found.get("snapshot") or found.get("changes") or "row" in found:
                    return found
        raise AssertionError("it ended")


def changes(item: Any) -> list[tuple[str, str | None]]:
    return sorted((one["kind"], one["row"] and one["row"]["person"]) for one in item["changes"])


async def test_a_live_row_comes_and_goes_with_who_sees_it(wards: Services, servers: Bank) -> None:
    key = uuid4()
    projectors = Projectors(clinic, servers.database, servers.nats)
    async with (
        running(servers.processor(clinic).run()),
        running(projectors.run()),
        Watcher(wards, "ada") as ada,
        Watcher(wards, "bob") as bob,
        Watcher(wards, "doctor") as doctor,
        Watcher(wards, "ada", LIVE_ROW, id=str(key)) as row,
    ):
        begin = [
            [change["row"]["person"] for change in (await one.item())["changes"]]
            for one in (ada, bob, doctor)
        ]
        assert [sorted(found) for found in begin] == [["ada"], ["bob"], ["ada", "bob", "eve"]]
        assert (await row.item())["row"] is None

        await servers.outcome(await servers.submit(Admit(key, "ada", "gout"), domain=clinic))
        entered = await ada.item()
        assert [one["row"] for one in entered["changes"]] == [{"person": "ada", "diagnosis": None}]
        assert (await row.item())["row"] == {"person": "ada", "diagnosis": None}
        assert (await doctor.item())["changes"][0]["row"]["diagnosis"] == "gout"

        await servers.outcome(await servers.submit(Reassign(key, "bob"), domain=clinic))
        left = await ada.item()
        assert changes(left) == [("LEFT", None)]
        assert (await row.item())["row"] is None
        assert [one["row"]["person"] for one in (await bob.item())["changes"]] == ["bob"]

        async with Watcher(wards, "ada", after=entered["cursor"]) as resumed:
            again = await resumed.item()
        assert again["snapshot"], "which rows have changed since could be those of others"
        assert [one["row"]["person"] for one in again["changes"]] == ["ada"]


async def test_a_live_list_cannot_select_by_a_hidden_value(wards: Services) -> None:
    document = 'subscription { patients(where: {diagnosis: {eq: "gout"}}) { cursor } }'
    answers = await schema_of(clinic).stream(document, {}, Context(wards, rights=rights(VIEWERS["ada"])))
    async with aclosing(answers):
        [error] = (await anext(answers)).errors
    assert error.extensions["code"] == "FORBIDDEN"
