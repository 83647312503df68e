"""Long work on the command line: bars on a terminal, lines or JSON elsewhere, and what Ctrl-C leaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from commander.cli.progress import LongWork
from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import NotFound
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.folding import ensure_tables
from commander.eventstore.projections.tables import Table
from commander.examples.bank import bank
from commander.streaming.projections.projecting import Projector
from tests.commander.damages import forced
from tests.commander.terminal import Terminal
from tests.faults.waiting import until
from tests.forking import Forked, fork_server
from tests.streaming.conftest import Bank, running, servers
from tests.streaming.filling import fill

__all__ = ["servers"]


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def worked(*, as_json: bool, steps: int, seconds: float) -> None:
    """Counts to 100 in `steps`, each of which takes `seconds`."""
    clock = _Clock()
    with LongWork("count", "begin again", as_json=as_json, now=clock) as work:
        step = work.step("counting", "numbers", 100)
        step.update(0)
        for number in range(1, steps + 1):
            clock.seconds += seconds
            step.update(100 * number // steps)
        step.end()
        work.say("counted")


def test_without_a_terminal_there_are_lines_with_percentage_rate_and_estimate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    worked(as_json=False, steps=10, seconds=2)
    out, err = capsys.readouterr()
    assert out == "counted\n"
    assert err.splitlines() == [
        "counting: 10% (10 of 100 numbers, 5.0/s, 18 s left)",
        "counting: 40% (40 of 100 numbers, 5.0/s, 12 s left)",
        "counting: 70% (70 of 100 numbers, 5.0/s, 6 s left)",
        "counting: 100% (100 of 100 numbers, 5.0/s, 0 s left)",
        "counting: done, 100% (100 of 100 numbers, 5.0/s)",
    ]


def test_work_of_less_than_a_second_shows_nothing_but_its_result(capsys: pytest.CaptureFixture[str]) -> None:
    worked(as_json=False, steps=9, seconds=0.1)
    assert capsys.readouterr() == ("counted\n", "")


def test_the_rate_is_that_of_the_last_seconds_and_does_not_count_what_was_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = _Clock()
    with LongWork("count", "begin again", now=clock) as work:
        step = work.step("counting", "numbers", 2000)
        step.update(1000)  # a build that goes on
        for second in range(1, 31):
            clock.seconds += 1
            step.update(1000 + (second if second <= 15 else 15 + 20 * (second - 15)))
        step.end()
    *_, last, _ = capsys.readouterr().err.splitlines()
    assert last == "counting: 62% (1,235 of 2,000 numbers, 20/s, 38 s left)"


def test_json_is_one_object_a_line_and_says_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    worked(as_json=True, steps=4, seconds=1)
    out, err = capsys.readouterr()
    lines = [json.loads(line) for line in out.splitlines()]
    assert err == ""
    assert lines[1] == {
        **{"kind": "progress", "work": "count", "step": "counting", "unit": "numbers"},
        **{"done": 50, "total": 100, "per_second": 25.0, "seconds_left": 2.0, "seconds": 2.0},
        "ended": False,
    }
    assert [line["kind"] for line in lines] == ["progress"] * 5 + ["note", "end"]
    assert (lines[4]["ended"], lines[5]["text"]) == (True, "counted")
    assert lines[6] == {"kind": "end", "work": "count", "state": "done", "text": ""}


@pytest.mark.parametrize(
    ("error", "state", "text"),
    [(NotFound("no such thing"), "failed", "no such thing"), (KeyboardInterrupt(), "interrupted", "go on")],
)
def test_the_last_object_has_the_error_or_how_to_go_on(
    error: BaseException, state: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)), LongWork("count", "go on", as_json=True):
        raise error
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last == {"kind": "end", "work": "count", "state": state, "text": text}


def environment_of(servers: Bank) -> dict[str, str]:
    nats = servers.nats.servers[0]
    return {"COMMANDER_POSTGRES_URL": servers.database.url, "COMMANDER_NATS_URL": nats}


@asynccontextmanager
async def locked(database: Database, table: str) -> AsyncIterator[Callable[[], Any]]:
    """A table that nobody can read meanwhile. Yields a function that waits until somebody wants to."""
    connection = await database.connect("the test")
    observer = await database.connect("the test")

    async def wanted() -> None:
        async with asyncio.timeout(60):
            while not await observer.fetchval(
                "select count(*) from pg_locks where not granted and relation = to_regclass($1)", table
            ):
                await asyncio.sleep(0.05)

    try:
        async with connection.transaction():
            await connection.execute(f"lock table {table} in access exclusive mode")
            yield wanted
    finally:
        await observer.close()
        await connection.close()


INTERRUPTED = {
    ("export", "log.ndjson"): ("events", "interrupted; nothing was written: run it again"),
    ("verify",): ("events", "interrupted; nothing was changed: run it again"),
    ("repair",): ("events", "interrupted; nothing was changed"),
    ("repair", "--apply"): ("events", "interrupted; what is repaired stays so: run it again for the rest"),
    ("restore",): ("epochs", "interrupted; nothing was changed"),
    ("reactors", "replay", "transfers"): (
        "reactors",
        "interrupted; the part reactors goes on with",
    ),
    ("projections", "rebuild", "account"): ("projections", "interrupted; a build that has begun continues;"),
    ("snapshots", "drop"): ("snapshots", "interrupted; run it again"),
    ("indexes", "wait"): ("log_indexes", "interrupted; the processor builds on"),
}


@pytest.mark.parametrize("arguments", INTERRUPTED, ids=" ".join)
async def test_control_c_on_a_terminal_ends_it_and_it_says_how_to_go_on(
    arguments: tuple[str, ...], servers: Bank, tmp_path: Path
) -> None:
    table, said = INTERRUPTED[arguments]
    await fill(servers.database, 20)
    async with locked(servers.database, table) as wanted:
        with Terminal(tmp_path, *arguments, **environment_of(servers)) as terminal:
            await wanted()
            children = psutil.Process(terminal.process.pid).children(recursive=True)
            terminal.press_control_c()
            code = await asyncio.to_thread(terminal.ended)
    assert (code, said in terminal.shown, "Traceback" in terminal.shown) == (130, True, False), terminal.shown
    assert not psutil.wait_procs(children, timeout=30)[1]
    assert os.listdir(tmp_path) == []


async def test_an_import_shows_a_bar_and_ctrl_c_leaves_the_store_empty(
    servers: Bank, other: Database, tmp_path: Path
) -> None:
    """It reads from a program that Ctrl-C ends too, as in zstd -dc | commander import."""
    await fill(servers.database, 2000)
    exported = fork_server().run(["export", "log"], {**os.environ, **environment_of(servers)}, tmp_path)
    assert exported.returncode == 0, exported.stderr
    lines = (tmp_path / "log").read_bytes().splitlines(keepends=True)
    os.mkfifo(tmp_path / "pipe")
    with Terminal(tmp_path, "import", "pipe", COMMANDER_POSTGRES_URL=other.url) as terminal:
        with (tmp_path / "pipe").open("wb") as pipe:
            pipe.writelines(lines[:2500])
            pipe.flush()
            await asyncio.to_thread(terminal.until, "2,000 of 4,000 records")
            assert "50%" in terminal.shown
            terminal.press_control_c()
        code = await asyncio.to_thread(terminal.ended)
    assert (code, "interrupted; nothing was stored: run it again" in terminal.shown) == (130, True)
    assert await head_position(other) == 0


async def test_a_build_shows_lines_without_a_terminal_and_its_end(servers: Bank, tmp_path: Path) -> None:
    """It waits for the part projections, which the test starts when the lines are there."""
    await fill(servers.database, 20)
    made = Table(bank.projections["account"])
    await ensure_tables(servers.database, [made])
    written = tmp_path / "written"
    started = start(["projections", "rebuild", "account"], servers, written)
    await until_written(written, started, f"building {made.name}: 0% (0 of 20 events)\n")
    await until_written(written, started, "no process builds it: start `commander projections`")
    async with running(Projector(bank, servers.database, servers.nats, made).run()):
        assert await asyncio.to_thread(started.wait, 60) == 0, written.read_text()
    lines = written.read_text().splitlines()
    assert lines[-1] == f"{made.name} is built and serves"
    assert lines[-2].startswith(f"building {made.name}: done, 100% (20 of 20 events")


async def test_a_build_as_json_ends_with_how_it_was_interrupted(servers: Bank, tmp_path: Path) -> None:
    await fill(servers.database, 20)
    await ensure_tables(servers.database, [Table(bank.projections["account"])])
    written = tmp_path / "written"
    started = start(["projections", "rebuild", "account", "--json"], servers, written)
    await until_written(written, started, '"kind":"progress"')
    started.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(started.wait, 60) == 130
    lines = [json.loads(line) for line in written.read_text().splitlines()]
    progress = next(line for line in lines if line["kind"] == "progress")
    assert (progress["done"], progress["total"], progress["unit"]) == (0, 20, "events")
    assert lines[-1]["state"] == "interrupted"
    assert lines[-1]["text"] == "a build that has begun continues; it serves when it is built"


async def test_an_index_is_waited_for_until_it_is_on(servers: Bank, tmp_path: Path) -> None:
    await fill(servers.database, 20)
    await servers.database.fetch("insert into log_indexes (name, fingerprint) values ('tags', 'other')")
    written = tmp_path / "written"
    started = start(["indexes", "wait"], servers, written)
    await until_written(written, started, "building tags: 0% (0 of 20 events)")
    await servers.database.fetch("update log_indexes set active = true")
    assert await asyncio.to_thread(started.wait, 60) == 0
    assert written.read_text().splitlines()[-1] == "all indexes are on"


async def test_verify_as_json_has_each_check_and_each_finding(
    servers: Bank, nats_server: EmbeddedNats, tmp_path: Path
) -> None:
    await fill(servers.database, 20)
    await forced(servers.database, "delete from events where position = 3")
    environment = {**os.environ, **environment_of(servers)}
    ended = await asyncio.to_thread(fork_server().run, ["verify", "--json"], environment, tmp_path)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    checks = {line["promise"]: line["holds"] for line in lines if line["kind"] == "check"}
    assert checks["the log is dense, and its events are those of its outcomes"] is False
    assert checks["each deadline and each tick is scheduled"] is True
    assert checks["the projection account is a fold of the log"] is None, "it has no table"
    findings = [line for line in lines if line["kind"] == "finding"]
    assert ("event missing", "position 3") in [(line["what"], line["where"]) for line in findings]
    assert lines[-1] == {
        **{"kind": "end", "work": "verify", "state": "failed"},
        "text": f"{len(findings)} findings",
    }
    assert (ended.returncode, ended.stderr) == (1, f"commander: {len(findings)} findings\n")


def start(arguments: list[str], servers: Bank, written: Path) -> Forked:
    """Starts a command whose output and errors go to this file."""
    with written.open("wb") as file:
        environment = {**os.environ, **environment_of(servers)}
        return fork_server().start(arguments, environment, file.fileno(), file.fileno(), written.parent)


async def until_written(written: Path, started: Forked, text: str) -> None:
    def shows() -> bool:
        so_far = written.read_text()
        assert text in so_far or started.poll() is None, so_far
        return text in so_far

    await until(shows, text)
