"""`commander documents`: documents that clients name by their ids: add, list, check, remove."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from commander.cli.dead_letters import as_user
from commander.cli.document_files import documents_in
from commander.cli.loading import load_domain
from commander.domain.errors import CommanderError, NotFound
from commander.eventstore.database import Database
from commander.eventstore.migrate import migrate
from commander.eventstore.trusted_documents import (
    TrustedDocument,
    add_documents,
    remove_documents,
    trusted_documents,
)
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import DatabaseService
from commander.schema.build import build_schema
from commander.schema.execution.gate import Gate
from commander.settings import read_settings

app = typer.Typer(no_args_is_help=True)

Domain = Annotated[str | None, typer.Option(help="MODULE:DOMAIN; default: COMMANDER_DOMAIN.")]


class InvalidDocument(CommanderError):
    """A document cannot be run with this schema. The message says where it is from, and why."""


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Documents, or manifests (.json).")],
    domain: Domain = None,
) -> None:
    """Add the documents of FILE…: all of them, or none if one is not valid for the domain's schema.

    A file is a document of GraphQL, or the manifest of Apollo, Relay or GraphQL Code Generator, whose name
    ends in .json. Running API processes know the documents within a few seconds. Add them before the client
    that sends their ids is released.
    """
    documents: dict[str, str] = {}
    read = _reader(domain)
    for file in files:
        for id, text in documents_in(file).items():
            if problem := read.problem_of(text):
                raise InvalidDocument(f"{file}: the document {id}: {problem}")
            if documents.setdefault(id, text) != text:
                raise InvalidDocument(f"{file}: another file has another document with the id {id}")

    async def store(context: RequestContext[DatabaseService]) -> None:
        database = context.services.database
        await migrate(database)  # so they can be added before the first start of new code
        new = await add_documents(database, documents)
        print(f"{len(documents)} documents, {new} of them new")

    as_user(store)


@app.command("list")
def list_all(domain: Domain = None) -> None:
    """List the documents: id, when it was added, and the names of its operations, with tabs."""
    read = _reader(domain)

    async def show(context: RequestContext[DatabaseService]) -> None:
        for one in await _stored(context.services.database):
            when = one.added_at.isoformat(timespec="seconds")
            print(f"{one.id}\t{when}\t{' '.join(read.names_of(one.text))}")

    as_user(show)


@app.command()
def check(domain: Domain = None) -> None:
    """Check the stored documents against the schema of this code. Exit with 1 if one is not valid for it.

    Run it before you deploy a changed domain: it names the clients' documents that the change would break.
    """
    read = _reader(domain)

    async def compare(context: RequestContext[DatabaseService]) -> None:
        stored = await _stored(context.services.database)
        problems = {one.id: problem for one in stored if (problem := read.problem_of(one.text))}
        for id, problem in problems.items():
            print(f"{id}\t{problem}")
        print(f"{len(stored)} documents, {len(problems)} of them not valid")
        if problems:
            raise typer.Exit(1)

    as_user(compare)


@app.command()
def remove(ids: Annotated[list[str], typer.Argument(metavar="ID…")]) -> None:
    """Remove documents. Clients that send their ids get PERSISTED_QUERY_NOT_FOUND within a few seconds."""

    async def take(context: RequestContext[DatabaseService]) -> None:
        database = context.services.database
        known = {one.id for one in await _stored(database)}
        if unknown := sorted(set(ids) - known):
            raise NotFound(f"there is no document with the id {', '.join(unknown)}; nothing was removed")
        print(f"{await remove_documents(database, ids)} documents removed")

    as_user(take)


class _Reader:
    """Reads documents as the API does. gate: of the domain's schema."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def problem_of(self, text: str) -> str | None:
        """Why the API would not run a document. None if it would."""
        if "\0" in text:
            return "it has the character NUL, which cannot be stored"
        read = self._gate.document(text)
        if read.errors:
            return "; ".join(error.message for error in read.errors)
        return None if read.names else "it has no operation"

    def names_of(self, text: str) -> list[str]:
        return [name or "(without a name)" for name in self._gate.document(text).names]


def _reader(domain: str | None) -> _Reader:
    return _Reader(build_schema(load_domain(read_settings(domain=domain).domain)).gate)


async def _stored(database: Database) -> list[TrustedDocument]:
    try:
        return await trusted_documents(database)
    except asyncpg.UndefinedTableError:  # neither `add` nor a part of this version has run on this database
        return []
