"""A link that a viewer does not see tells it nothing, neither by a filter nor by a list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Annotated, Any
from uuid import UUID

import pytest
import pytest_asyncio

from commander import Domain, Ref, Viewer, Visible, anyone
from commander.eventstore.projections.tables import Table
from commander.resolvers.services import Services
from commander.schema.context import Context
from commander.streaming.projections.progress import ProjectionProgress
from tests.resolvers.rows import store
from tests.schema.built import schema_of

archive = Domain("archive")


@archive.event(visible=anyone)
@dataclass(frozen=True)
class Kept:
    person_id: UUID
    file_id: UUID
    letter_id: UUID


@archive.command(allow=anyone)
@dataclass(frozen=True)
class Keep:
    person_id: UUID


@archive.aggregate(key="person_id")
@dataclass(frozen=True)
class Keeping:
    def keep(self, command: Keep) -> Kept:
        return Kept(command.person_id, command.person_id, command.person_id)

    def kept(self, event: Kept) -> Keeping:
        return self


@archive.projection("person", key="person_id", indexes=("name",), visible=anyone)
@dataclass(frozen=True)
class PersonRow:
    person_id: UUID
    name: str

    @classmethod
    def kept(cls, event: Kept) -> PersonRow:
        return cls(event.person_id, "")


@archive.projection("file", key="file_id", indexes=("person_id",), visible=anyone)
@dataclass(frozen=True)
class FileRow:
    """Whose file it is, is for doctors."""

    file_id: UUID
    person_id: Annotated[UUID, Ref("person", reverse="files"), Visible({"doctor"})]

    @classmethod
    def kept(cls, event: Kept) -> FileRow:
        return cls(event.file_id, event.person_id)


@archive.projection("letter", key="letter_id", indexes=(("person_id", "grade"),), visible=anyone)
@dataclass(frozen=True)
class LetterRow:
    letter_id: UUID
    person_id: Annotated[UUID, Ref("person", reverse="letters")]
    grade: Annotated[str, Visible({"doctor"})]

    @classmethod
    def kept(cls, event: Kept) -> LetterRow:
        return cls(event.letter_id, event.person_id, "")


ADA, BOB = UUID(int=1), UUID(int=2)
DOCTOR = Viewer("dora", frozenset({"doctor"}))


@pytest_asyncio.fixture
async def shelves(services: Services) -> AsyncIterator[Services]:
    tables = {name: Table(projection) for name, projection in archive.projections.items()}
    progress = ProjectionProgress(services.nats, services.database, tables)
    await progress.start()
    made = replace(services, domain=archive, tables=tables, progress=progress)
    await store(made, "person", [PersonRow(ADA, "ada"), PersonRow(BOB, "bob")])
    await store(made, "file", [FileRow(UUID(int=3), ADA)])
    await store(made, "letter", [LetterRow(UUID(int=4), ADA, "a"), LetterRow(UUID(int=5), ADA, "b")])
    yield made


async def executed(services: Services, viewer: Viewer, document: str) -> Any:
    return await schema_of(archive).execute(document, {}, Context(services, rights=archive.rights(viewer)))


@pytest.mark.parametrize(
    "guess",
    [
        'files(where: {person: {name: {eq: "ada"}}}) { totalCount }',
        "people: persons { edges { node { files { totalCount } } } }",
        "people: persons { edges { node { files { edges { node { fileId } } } } } }",
        "people: persons { edges { node { letters(orderBy: [{column: GRADE}]) { edges { cursor } } } } }",
    ],
)
async def test_who_does_not_see_a_field_cannot_follow_it_or_order_by_it(
    shelves: Services, guess: str
) -> None:
    result = await executed(shelves, Viewer("eve"), f"{{ {guess} }}")
    assert {error.extensions["code"] for error in result.errors} == {"FORBIDDEN"}, result
    assert (await executed(shelves, DOCTOR, f"{{ {guess} }}")).errors is None


async def test_a_hidden_link_is_null(shelves: Services) -> None:
    document = "{ files { edges { node { personId person { name } } } } }"
    for viewer, shown in (
        (Viewer("eve"), {"personId": None, "person": None}),
        (DOCTOR, {"personId": str(ADA), "person": {"name": "ada"}}),
    ):
        result = await executed(shelves, viewer, document)
        assert result.errors is None
        assert [edge["node"] for edge in result.data["files"]["edges"]] == [shown]
