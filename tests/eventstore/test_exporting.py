"""Export and import: the same bytes again, all or nothing, and checksums that find every damage."""

from __future__ import annotations

import asyncio
import io
import json
import tracemalloc
from collections import defaultdict
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commander.domain.errors import InvalidRequest
from commander.embedded import EmbeddedPostgres
from eventstore.archive import ArchiveReader, ExportBroken, ExportFilter, Header
from eventstore.checkpoints import settle_partitions
from eventstore.database import Database
from eventstore.effects import begin_effect
from eventstore.exporting import LogBroken, exported, header_of
from eventstore.history import list_dead_letters, record_dead_letter_action
from eventstore.importing import NotEmpty, NotImportable, import_all
from eventstore.locks import Lock, join, sole_holder
from eventstore.log import append, head_position, read_log
from eventstore.migrate import migrate
from eventstore.outcomes import outcome_of
from eventstore.reactors import reactor_checkpoints, reactor_positions
from eventstore.records import Decision, NewEvent, Status
from tests.eventstore.conftest import EMPTY
from tests.eventstore.decisions import command, decision, digest_of, refusal
from tests.eventstore.test_reactors import react_up_to

STREAMS = ["account-1", "account-ü 🏦", "transfer-\u2028-'\"\\", "reaction"]

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
numbers = st.from_regex(r"\A-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?\Z")
documents = st.one_of(
    st.recursive(
        st.none() | st.booleans() | st.integers() | text,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
        max_leaves=8,
    ).flatmap(
        lambda value: st.sampled_from(
            [json.dumps(value, ensure_ascii=False), json.dumps(value), json.dumps(value, indent=1) + "\n"]
        )
    ),
    numbers.map(lambda digits: f'{{"amount": {digits}, "amount":"{digits}"}}'),
    st.sampled_from([' {"a":1}', '{"a":"\\ud800"}', '{"a":"\\u0000"}', "[" * 600 + "]" * 600, "\t1\r\n"]),
)
endings = st.tuples(
    st.integers(0, len(STREAMS) - 1),
    st.one_of(
        st.lists(documents, max_size=3).map(tuple),
        st.sampled_from(["REJECTED", "FAILED", "REACTION", "DROPPED", "RETRIED", "RETRIED IN VAIN"]),
    ),
    documents,
    st.none() | text,
)


@pytest_asyncio.fixture(scope="session")
async def other_url(postgres: EmbeddedPostgres) -> str:
    """Another migrated database, to import into."""
    admin = Database(postgres.url.replace(f"/{postgres.database}?", "/postgres?"))
    await admin.fetch("create database other")
    await admin.close()
    url = postgres.url.replace(f"/{postgres.database}?", "/other?")
    database = Database(url)
    await migrate(database)
    await database.close()
    return url


@pytest_asyncio.fixture
async def other(other_url: str) -> Any:
    opened = Database(other_url)
    await opened.fetch(EMPTY)
    yield opened
    await opened.close()


async def export(database: Database, where: ExportFilter | None = None) -> bytes:
    """The bytes of an export."""
    header = await header_of(database, where or ExportFilter(), await reactor_positions(database))
    return b"".join([line async for line in exported(database, header)])


async def import_(database: Database, file: bytes) -> None:
    await import_all(database, ArchiveReader(io.BytesIO(file)), lambda header, records: None)


def lines_of(file: bytes, kind: str | None = None) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in file.split(b"\n")[:-1]]
    return [line for line in lines if kind in (None, line["line"])]


async def fill(database: Database, plan: list[Any]) -> None:
    """Appends what a plan says, a batch per three commands, and deals with some dead letters."""
    versions: dict[int, int] = defaultdict(int)
    made: list[Decision] = []
    deeds = []
    for number, what, document, said in plan:
        given: dict[str, Any] = {"data": msgspec.Raw(document.encode()), "actor": said}
        if isinstance(what, tuple):
            versions[number] += len(what)
            sent = command(STREAMS[number], **given)
            events = tuple(NewEvent("Opened", n, data) for n, data in enumerate(what, 1))
            made.append(Decision(sent, digest_of(sent), Status.APPLIED, versions[number], events))
        elif what == "REACTION":
            given |= {"reactor": "transfers", "causation_position": 1, "traceparent": "00-a-b-01"}
            made.append(refusal(STREAMS[number], versions[number], **given))
        else:
            status = Status.REJECTED if what == "REJECTED" else Status.FAILED
            refused = refusal(STREAMS[number], versions[number], status, **given)
            made.append(msgspec.structs.replace(refused, message=said, code=said or "NO"))
        if what in ("DROPPED", "RETRIED", "RETRIED IN VAIN"):
            again = made[0].command.command_id if what == "RETRIED" else uuid4()
            retried = (made[-1].command.command_id, "RETRIED", again, said)
            deeds.append((retried[0], "DROPPED", None, said) if what == "DROPPED" else retried)
    async with database.connection() as connection:
        for begin in range(0, len(made), 3):
            await append(connection, made[begin : begin + 3], None)
        for deed in deeds:
            await record_dead_letter_action(connection, *deed)


async def tables(database: Database) -> dict[str, list[Any]]:
    """All that an export is about."""
    ordered = {"events": "position", "commands": "number", "log_head": "only_row"}
    return {name: await database.fetch(f"select * from {name} order by {by}") for name, by in ordered.items()}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(endings, max_size=12))
async def test_what_is_imported_is_what_was_exported_and_exports_the_same_bytes(
    database: Database, other: Database, plan: list[Any]
) -> None:
    for emptied in (database, other):
        await emptied.fetch(EMPTY)
    await fill(database, plan)
    file = await export(database)
    await import_(other, file)
    there, here = await tables(database), await tables(other)
    assert [list(row.values()) for row in here["events"]] == [list(row.values()) for row in there["events"]]
    assert here == there
    assert await export(other) == file
    assert len(lines_of(file, "command")) == len(plan)
    async with other.connection() as connection:
        await append(connection, [decision(f"account-{uuid4()}", 0)], None)
    assert len(lines_of(await export(other), "command")) == len(plan) + 1, "it goes on where it ended"


async def test_effects_begin_behind_what_is_imported(database: Database, other: Database) -> None:
    async with database.connection() as connection:
        await append(connection, [decision(f"account-{n}", 0) for n in range(7)], None)
    file = await export(database)
    async with other.connection() as connection:
        assert await begin_effect(connection, "known before") == 0
    await import_(other, file)
    async with other.connection() as connection:
        assert await begin_effect(connection, "known before") == 7
        assert await begin_effect(connection, "new") == 7


async def test_the_checksums_are_those_of_the_file_so_that_others_can_verify_them(
    database: Database,
) -> None:
    async with database.connection() as connection:
        await append(connection, [decision(f"account-{n}", 0) for n in range(600)], None)
    raw = (await export(database)).splitlines(keepends=True)
    kinds = [json.loads(line)["line"] for line in raw]
    assert kinds == ["header", *["command", "event"] * 500, "checksum", *["command", "event"] * 100, "end"]
    for n in (1001, 1202):
        assert json.loads(raw[n])["sha256"] == sha256(b"".join(raw[:n])).hexdigest()
    assert (lines_of(raw[-1])[0]["commands"], lines_of(raw[-1])[0]["events"]) == (600, 600)


@pytest_asyncio.fixture
async def file(database: Database) -> bytes:
    """A small export with something of everything."""
    await fill(
        database,
        [
            (0, ('{"a":"é"}', '{"a":2}'), '{"a":1}', "Ada"),
            (1, "REACTION", "{}", None),
            (1, "DROPPED", "{}", "Ada"),
            (2, ("\n1",), "{}", None),
        ],
    )
    async with database.connection() as connection:
        await react_up_to(connection, "transfers", 2)
    return await export(database)


async def assert_nothing_left(other: Database) -> None:
    assert {name: len(rows) for name, rows in (await tables(other)).items()} == {
        "events": 0,
        "commands": 0,
        "log_head": 1,
    }
    assert (await head_position(other), await reactor_positions(other)) == (0, {})


async def test_a_file_cut_anywhere_is_refused_and_nothing_is_left_behind(
    file: bytes, other: Database
) -> None:
    for end in range(0, len(file), 7):
        with pytest.raises(ExportBroken, match="cut"):
            await import_(other, file[:end])
    with pytest.raises(ExportBroken, match="cut"):
        await import_(other, file[:-1])
    await assert_nothing_left(other)


async def test_a_file_changed_anywhere_is_refused_and_nothing_is_left_behind(
    file: bytes, other: Database
) -> None:
    for at in range(0, len(file), 5):
        changed = bytearray(file)
        changed[at] = ord("1") if changed[at] != ord("1") else ord("2")
        with pytest.raises((ExportBroken, NotImportable)):
            await import_(other, bytes(changed))
    await assert_nothing_left(other)
    await import_(other, file)
    assert await export(other) == file


def sealed(lines: list[dict[str, Any]]) -> bytes:
    """A file of these lines with the right checksums, as one would be forged."""
    found = b""
    for line in lines:
        if "sha256" in line:
            line["sha256"] = sha256(found).hexdigest()
        found += json.dumps(line, ensure_ascii=False).encode() + b"\n"
    return found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines.pop(2), "line 4: it does not follow|line 3: it does not follow"),
        (lambda lines: lines.pop(1), "does not follow"),
        (lambda lines: lines[1].update(number=2), "line 2: it does not follow"),
        (lambda lines: lines[3].update(position=3), "line 4: it does not follow"),
        (lambda lines: lines[3].update(command_id=str(uuid4())), "line 4: it does not follow"),
        (lambda lines: lines[3].update(version=1), "Postgres does not take"),
        (lambda lines: lines[3].update(version=7), "the versions of the stream account-1 have a gap"),
        (lambda lines: lines[1].update(status="LOST"), "Postgres does not take"),
        (lambda lines: lines[0].update(position=9), "does not end where the header says"),
        (lambda lines: lines[0].update(format=2), "line 1: format 2 is not known"),
        (lambda lines: lines[0].update(reactors={"transfers": 5}), "line 1: a reactor stands beyond the log"),
        (lambda lines: lines[-1].update(events=1), "it says 4 commands and 1 events"),
        (lambda lines: lines.append(lines[1]), "there is more behind the end"),
        (lambda lines: lines.insert(3, lines[0]), "line 4: there is a second header"),
        (lambda lines: lines[2].update(colour="red"), "line 3: it is no line of an export"),
        (lambda lines: lines.__setitem__(slice(None), [{"a": 1}]), "line 1: it is no line of an export"),
    ],
)
async def test_a_file_that_is_no_log_is_refused_though_its_checksums_are_right(
    file: bytes, other: Database, change: Any, said: str
) -> None:
    lines = lines_of(file)
    assert sealed(lines_of(file)).count(b"\n") == file.count(b"\n")
    change(lines)
    with pytest.raises(ExportBroken, match=said):
        await import_(other, sealed(lines))
    await assert_nothing_left(other)


async def test_only_an_empty_store_is_imported_into(file: bytes, database: Database, other: Database) -> None:
    before = await tables(database)
    with pytest.raises(NotEmpty, match="its log has 4 events of 4 commands"):
        await import_(database, file)
    assert await tables(database) == before
    async with other.connection() as connection:
        await append(connection, [refusal("account-1", 0)], None)
    with pytest.raises(NotEmpty, match="its log has 0 events of 1 commands"):
        await import_(other, file)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("insert into reactors (name, position) values ('clerk', 1)", "a reactor stands"),
        (
            """with clerk as (insert into reactors values ('clerk') returning name)
               insert into reactor_partitions select name, 3, 1, 1 from clerk""",
            "a reactor stands",
        ),
        ("insert into projections values ('item', 'f', 't', 1)", "a projection stands"),
        ("insert into snapshots values ('account-1', 1, 'f', '{}')", "snapshots"),
    ],
)
async def test_what_follows_from_another_log_must_be_gone_too(
    file: bytes, other: Database, sql: str, said: str
) -> None:
    await other.fetch(sql)
    with pytest.raises(NotEmpty, match=said):
        await import_(other, file)
    assert await head_position(other) == 0


async def test_parts_that_run_on_the_store_must_be_stopped_first(file: bytes, other: Database) -> None:
    async with sole_holder(other, Lock.REACTOR, 7, "test"):
        with pytest.raises(NotEmpty, match="run on it: stop them first"):
            await import_(other, file)
    async with other.connection() as connection:
        await join(connection, Lock.PROCESSORS)
        with pytest.raises(NotEmpty, match="run on it: stop them first"):
            await import_(other, file)
        await connection.execute("select pg_advisory_unlock_all()")
    await import_(other, file)


async def test_who_appends_or_reacts_while_an_import_runs_waits_and_goes_on_behind_it(
    database: Database, other: Database
) -> None:
    async with database.connection() as connection:
        await append(connection, [decision(f"account-{n}", 0) for n in range(1500)], None)
        await react_up_to(connection, "transfers", 1400)
    file = await export(database)
    started: list[asyncio.Task[int]] = []

    async def appended() -> int:
        async with other.connection() as connection:
            return (await append(connection, [decision("account-new", 0)], None)).base

    async def reacting() -> int:
        async with other.connection() as connection:
            return (await reactor_checkpoints(connection, "transfers", [3]))[3].position

    def told(header: Header, records: int) -> None:
        if records < 3000 and not started:
            started.extend(asyncio.create_task(work()) for work in (appended, reacting))

    await import_all(other, ArchiveReader(io.BytesIO(file)), told)
    assert await asyncio.gather(*started) == [1500, 1400]
    assert await head_position(other) == 1501


async def test_memory_does_not_grow_with_the_log(database: Database, other: Database, tmp_path: Path) -> None:
    path, sizes, peaks = tmp_path / "log", (2000, 3000, 18_000), []
    reached = 0
    for size in sizes:
        async with database.connection() as connection:
            for n in range(reached, size, 500):
                await append(connection, [decision(f"account-{n + m}", 0) for m in range(500)], None)
        reached = size
        await other.fetch(EMPTY)
        tracemalloc.start()
        header = await header_of(database, ExportFilter(), {})
        with path.open("wb") as file:
            async for line in exported(database, header):
                file.write(line)
        _, exporting = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        with path.open("rb") as file:
            await import_all(other, ArchiveReader(file), lambda header, records: None)
        _, importing = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        peaks.append((exporting, importing))
    assert await head_position(other) == 18_000
    *few, (many, many_in) = peaks
    assert many < 1.2 * max(one for one, _ in few), "six times the log, but one page of it at a time"
    assert many_in < 1.2 * max(one for _, one in few)


async def test_a_store_that_was_only_started_is_empty(file: bytes, other: Database) -> None:
    await settle_partitions(other, 4)
    async with other.connection() as connection:
        await reactor_checkpoints(connection, "transfers", range(4))
    await import_(other, file)
    assert await reactor_positions(other) == {"transfers": 2}


async def test_dead_letters_come_with_what_was_done_and_a_retry_only_with_its_command(
    database: Database, other: Database
) -> None:
    failed = [refusal(f"account-{n}", 0, Status.FAILED) for n in range(4)]
    ids = [made.command.command_id for made in failed]
    retry = decision("account-9", 0)
    async with database.connection() as connection:
        await append(connection, [*failed, retry], None)
        await record_dead_letter_action(connection, ids[0], "DROPPED", None, "ada")
        await record_dead_letter_action(connection, ids[1], "RETRIED", retry.command.command_id, "bob")
        await record_dead_letter_action(connection, ids[2], "RETRIED", uuid4(), "bob")
    await import_(other, await export(database))
    assert [found.command_id for found in await list_dead_letters(other, 10)] == [ids[2], ids[3]]
    columns = "select command_id, action, retried_as, actor, at from dead_letter_actions order by at limit 2"
    assert await other.fetch(columns) == await database.fetch(columns)


async def test_a_filtered_export_has_what_matches_with_its_commands_and_is_not_imported(
    file: bytes, database: Database, other: Database
) -> None:
    log = await read_log(database, 0, 4, 10)
    for where, expected in (
        (ExportFilter(streams=("account-1",)), [1, 2]),
        (ExportFilter(aggregates=("account",), after=1), [2]),
        (ExportFilter(types=("ReactionRejected",)), [3]),
        (ExportFilter(up_to=2), [1, 2]),
        (ExportFilter(after=1, up_to=3), [2, 3]),
        (ExportFilter(types=("Gone",)), []),
    ):
        found = await export(database, where)
        assert [line["position"] for line in lines_of(found, "event")] == expected
        commands = [line["command_id"] for line in lines_of(found, "command")]
        assert commands == list(dict.fromkeys(str(log[p - 1].command_id) for p in expected))
        assert lines_of(found)[0]["filter"] == json.loads(msgspec.json.encode(where))
        with pytest.raises(NotImportable, match="only a whole one is imported"):
            await import_(other, found)
    await assert_nothing_left(other)


@pytest.mark.parametrize("where", [ExportFilter(after=5), ExportFilter(up_to=-1), ExportFilter(up_to=5)])
async def test_a_stretch_beyond_the_log_is_refused_with_its_head(
    file: bytes, database: Database, where: ExportFilter
) -> None:
    with pytest.raises(InvalidRequest, match="must be from 0 to 4, the head of the log"):
        await export(database, where)


async def test_a_log_with_a_gap_is_not_exported(database: Database) -> None:
    async with database.connection() as connection:
        await append(connection, [decision("account-1", 0, 2), decision("account-2", 0, 2)], None)
    for gone in ("events where position = 2", "commands where number = 1"):
        async with database.connection() as connection, connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(f"delete from {gone}")
        with pytest.raises(LogBroken):
            await export(database)


async def test_what_is_appended_meanwhile_is_not_exported(database: Database, file: bytes) -> None:
    header = await header_of(database, ExportFilter(), {"transfers": 2})
    found = []
    async for line in exported(database, header):
        found.append(line)
        async with database.connection() as connection:
            await append(connection, [decision(f"account-{uuid4()}", 0)], None)
    assert b"".join(found) == file


async def test_an_id_submitted_again_finds_its_first_outcome(
    file: bytes, database: Database, other: Database
) -> None:
    await import_(other, file)
    for line in lines_of(file, "command"):
        first = await outcome_of(database, line["command_id"])
        assert first is not None
        assert await outcome_of(other, line["command_id"]) == first
