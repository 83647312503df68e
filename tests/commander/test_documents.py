"""`commander documents`: files of each tool are read, checked against the schema, and stored all or none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from commander.cli.document_files import UnusableFile, documents_in
from commander.eventstore.database import Database
from tests.commander.conftest import Run

ACCOUNTS = "query Accounts { accounts { edges { node { owner } } } }"
FEED = "subscription Feed { events { position } }"
APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [
        {"id": "a1", "name": "Accounts", "type": "query", "body": ACCOUNTS},
        {"id": "f1", "name": "Feed", "type": "subscription", "body": FEED},
    ],
}
HASHED = {"md5-of-accounts": ACCOUNTS}

Asking = Callable[..., Awaitable[tuple[int, list[str], str]]]


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content", "documents"),
    [
        ("manifest.json", APOLLO, {"a1": ACCOUNTS, "f1": FEED}),
        ("relay.json", HASHED, HASHED),
        ("persisted-documents.json", {}, {}),
        ("feed.graphql", FEED, {sha256(FEED.encode()).hexdigest(): FEED}),
        ("feed.gql", f"\ufeff{FEED}\n", {sha256(f"{FEED}\n".encode()).hexdigest(): f"{FEED}\n"}),
    ],
)
def test_a_file_of_each_tool_has_its_documents(
    tmp_path: Path, name: str, content: Any, documents: dict[str, str]
) -> None:
    assert documents_in(written(tmp_path, name, content)) == documents


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is not JSON: "),
        ([], "is not an Apollo manifest, or an object whose keys are ids"),
        ({"a": {"body": "x"}}, "is not an Apollo manifest, or an object whose keys are ids"),
        ({"a": ""}, "is not an Apollo manifest, or an object whose keys are ids"),
        ({**APOLLO, "version": 2}, "is an Apollo manifest of version 2; version 1 is known"),
        ({**APOLLO, "operations": {}}, "is an Apollo manifest of version 1; version 1 is known"),
        ({**APOLLO, "operations": ["x"]}, "has an operation that is no object: 'x'"),
        ({**APOLLO, "operations": [{"id": "a"}]}, "is not an Apollo manifest, or an object whose keys are"),
        (
            {**APOLLO, "operations": [{"id": "a", "body": FEED}, {"id": "a", "body": ACCOUNTS}]},
            "has two documents with the id a",
        ),
    ],
    ids=range(9),
)
def test_another_file_is_an_error_that_names_it(tmp_path: Path, content: Any, problem: str) -> None:
    path = written(tmp_path, "other.json", content)
    with pytest.raises(UnusableFile) as told:
        documents_in(path)
    assert str(told.value).startswith(f"{path}: {problem}")
    with pytest.raises(UnusableFile, match="cannot be read: No such file"):
        documents_in(tmp_path / "missing.json")


@pytest.fixture
def asked(database: Database, commander: Run) -> Asking:
    """Exit code, lines and errors of `commander documents` with these arguments."""

    async def ask(*arguments: object) -> tuple[int, list[str], str]:
        url = {"COMMANDER_POSTGRES_URL": database.url}
        ended = await asyncio.to_thread(commander, "documents", *map(str, arguments), **url)
        return ended.returncode, ended.stdout.splitlines(), ended.stderr

    return ask


async def test_documents_are_added_listed_checked_and_removed(asked: Asking, tmp_path: Path) -> None:
    manifest, relay = written(tmp_path, "apollo.json", APOLLO), written(tmp_path, "relay.json", HASHED)
    assert await asked("add", manifest, relay) == (0, ["3 documents, 3 of them new"], "")
    assert await asked("add", relay) == (0, ["1 documents, 0 of them new"], "")
    code, lines, _ = await asked("list")
    cells = [line.split("\t") for line in lines]
    assert (code, [(one[0], one[2]) for one in cells]) == (
        0,
        [("a1", "Accounts"), ("f1", "Feed"), ("md5-of-accounts", "Accounts")],
    )
    assert await asked("check") == (0, ["3 documents, 0 of them not valid"], "")
    code, lines, _ = await asked("check", "--domain", "tests.streaming.post:post")
    assert (code, lines[-1]) == (1, "3 documents, 2 of them not valid")
    assert lines[0].startswith("a1\tCannot query field 'accounts' on type 'Query'.")

    code, _, error = await asked("remove", "a1", "nothing")
    assert (code, error) == (1, "commander: there is no document with the id nothing; nothing was removed\n")
    assert await asked("remove", "a1", "f1") == (0, ["2 documents removed"], "")
    assert len((await asked("list"))[1]) == 1


async def test_one_wrong_document_adds_none(asked: Asking, tmp_path: Path) -> None:
    good, bad = written(tmp_path, "good.graphql", FEED), written(tmp_path, "bad.json", {"b1": "{ nothing }"})
    code, _, error = await asked("add", good, bad)
    assert code == 1
    assert error.startswith(f"commander: {bad}: the document b1: Cannot query field 'nothing'")
    for content, problem in (
        ("fragment F on Query { __typename }", "Fragment 'F' is never used"),
        ("", "the request has no query"),
        (f"{FEED} # \0", "it has the character NUL"),
    ):
        code, _, error = await asked("add", good, written(tmp_path, "bad.graphql", content))
        assert (code, problem in error) == (1, True), error
    other = written(tmp_path, "other.json", {sha256(FEED.encode()).hexdigest(): ACCOUNTS})
    code, _, error = await asked("add", good, other)
    assert (code, "another file has another document with the id" in error) == (1, True)
    assert await asked("list") == (0, [], "")
    assert (await asked("add", good))[0] == 0
    code, _, error = await asked("add", other)
    assert (code, "other documents are stored under the ids" in error) == (1, True)
