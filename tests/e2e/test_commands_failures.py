"""Commands that the domain's code fails on, and what becomes of them: by the API and on the command line."""

from __future__ import annotations

import getpass
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.clusters import Clusters
from tests.e2e.bank import until
from tests.forking import fork_server
from tests.system import System

WORK = """mutation ($job: UUID!, $how: String!, $options: CommandOptions) {
  work(input: {jobId: $job, how: $how}, options: $options) {
    __typename
    ... on CommandApplied { commandId version events { version } }
    ... on CommandFailed { commandId code message }
    ... on CommandPending { commandId }
  } }"""
COMMAND = """query ($id: UUID!) { command(commandId: $id) {
  status code version events { type } deadLetterAction { deed retriedAs actor at } } }"""
LETTERS = """query ($first: Int! = 1000) {
  deadLetters(first: $first) { commandId type stream input code message } }"""
RETRY = "mutation ($id: UUID!) { retryDeadLetter(commandId: $id) { commandId } }"
DROP = """mutation ($id: UUID!) {
  dropDeadLetter(commandId: $id) { commandId status deadLetterAction { deed actor } }
}"""
PATIENT = {"timeoutMs": 25_000}


@pytest.fixture(scope="module")
def shop(clusters: Clusters) -> Iterator[System]:
    data_dir = clusters.copy("workshop")
    with System(
        data_dir,
        MENDED=str(data_dir / "mended"),
        COMMANDER_DOMAIN="tests.e2e.workshop:workshop",
        COMMANDER_ACTOR_HEADER="X-Forwarded-User",
        COMMANDER_PARTITIONS="3",
    ) as running:
        yield running


@contextmanager
def mended(shop: System) -> Iterator[None]:
    """The domain's code works, until this is left."""
    flag = shop.data_dir / "mended"
    flag.touch()
    try:
        yield
    finally:
        flag.unlink()


def work(shop: System, job: str, how: str = "well", **options: Any) -> dict[str, Any]:
    result: dict[str, Any] = shop.data(WORK, job=job, how=how, options={**PATIENT, **options})["work"]
    return result


def failed(shop: System) -> str:
    """The id of a fresh dead letter."""
    result = work(shop, str(uuid4()), "raise")
    assert result["__typename"] == "CommandFailed", result
    id: str = result["commandId"]
    return id


def letters(shop: System) -> list[str]:
    return [letter["commandId"] for letter in shop.data(LETTERS)["deadLetters"]]


def command(shop: System, id: str) -> dict[str, Any]:
    found: dict[str, Any] = shop.data(COMMAND, id=id)["command"]
    return found


def ended(shop: System, id: str) -> dict[str, Any]:
    return until(
        lambda: (shop.query(COMMAND, id=id)["data"] or {"command": {"status": "ACCEPTED"}})["command"],
        lambda found: found["status"] != "ACCEPTED",
    )


def refused(shop: System, document: str, id: str) -> str:
    """The message of the error that this mutation is answered with."""
    [error] = shop.query(document, id=id)["errors"]
    assert error["extensions"] == {"code": "NOT_FOUND"}
    message: str = error["message"]
    return message


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        ("raise", "DECIDER_RAISED", "RuntimeError: a bug [/bold] in list[int]\n[red]second line"),
        ("nonsense", "INVALID_DECISION", "Job.work returned int, which is not an event of its aggregate"),
        ("half", "INVALID_DECISION", "Job.work returned str, which is not an event of its aggregate"),
        ("big", "INVALID_DECISION", "786432 is the limit"),
        ("exit", "DECIDER_RAISED", "SystemExit: 3"),
        ("kill", "CRASHED_PROCESSOR", "its processor died in each of 3 attempts"),
    ],
)
def test_a_decider_that_goes_wrong_fails_its_command_alone_and_the_stream_goes_on(
    shop: System, how: str, code: str, message: str
) -> None:
    job, id = str(uuid4()), str(uuid4())
    assert work(shop, job)["version"] == 1
    document = """mutation ($c: [AnyCommand!]!, $o: SubmitOptions) { submit(commands: $c, options: $o) {
      __typename ... on CommandApplied { version } ... on CommandFailed { code message } } }"""
    ids = [str(uuid4()), id, str(uuid4())]
    commands = [{"work": {"jobId": job, "how": way}} for way in ("well", how, "well")]
    first, failure, last = shop.data(document, c=commands, o={"commandIds": ids, **PATIENT})["submit"]
    assert (first["version"], last["version"]) == (2, 3)
    assert (failure["__typename"], failure["code"]) == ("CommandFailed", code)
    assert message in failure["message"]
    assert work(shop, job)["version"] == 4
    found = command(shop, id)
    assert (found["status"], found["code"], found["events"]) == ("FAILED", code, [])
    assert id in letters(shop)
    assert work(shop, job, how, commandId=id) == {
        **{"__typename": "CommandFailed", "commandId": id, "code": code},
        "message": failure["message"],
    }


def test_more_events_than_an_announcement_holds_reach_who_waits_and_the_processor_goes_on(
    shop: System,
) -> None:
    processor, job = shop.find("processor").pid, str(uuid4())
    applied = work(shop, job, "many")
    assert [event["version"] for event in applied["events"]] == list(range(1, 3001))
    assert work(shop, job)["version"] == 3001
    assert shop.find("processor").pid == processor


def test_dead_letters_are_listed_the_oldest_first_up_to_as_many_as_are_asked_for(shop: System) -> None:
    ids = [failed(shop) for _ in range(3)]
    found = shop.data(LETTERS)["deadLetters"]
    assert [letter["commandId"] for letter in found][-3:] == ids
    assert found[-1]["input"]["how"] == "raise"
    assert len(shop.data(LETTERS, first=1)["deadLetters"]) == 1
    assert shop.data(LETTERS, first=0)["deadLetters"] == []
    for first in (-1, 1001):
        [error] = shop.query(LETTERS, first=first)["errors"]
        assert error["message"] == f"first: must be from 0 to 1000, got {first}"
        assert error["extensions"] == {"code": "BAD_REQUEST", "argument": "first"}


def test_a_retry_is_a_new_command_and_who_retried_when_is_on_record(shop: System) -> None:
    id = failed(shop)
    assert command(shop, id)["deadLetterAction"] is None
    before = datetime.now(UTC) - timedelta(seconds=1)
    with mended(shop):
        again = shop.data(RETRY, headers={"x-forwarded-user": b"ada"}, id=id)["retryDeadLetter"]["commandId"]
        assert ended(shop, again)["status"] == "APPLIED"
    found = command(shop, id)
    assert (found["status"], found["code"]) == ("FAILED", "DECIDER_RAISED")
    done = found["deadLetterAction"]
    assert before < datetime.fromisoformat(done.pop("at")) < datetime.now(UTC) + timedelta(seconds=1)
    assert done == {"deed": "RETRIED", "retriedAs": again, "actor": "ada"}
    assert id not in letters(shop)
    for document in (RETRY, DROP):
        assert f"was retried as {again} at " in refused(shop, document, id)


def test_a_retry_that_fails_is_a_dead_letter_itself(shop: System) -> None:
    id = failed(shop)
    again = shop.data(RETRY, id=id)["retryDeadLetter"]["commandId"]
    assert ended(shop, again)["status"] == "FAILED"
    assert again in letters(shop)
    assert id not in letters(shop)


def test_a_dropped_one_is_off_the_list_and_who_dropped_it_when_is_on_record(shop: System) -> None:
    id = failed(shop)
    dropped = {"commandId": id, "status": "FAILED", "deadLetterAction": {"deed": "DROPPED", "actor": "eve"}}
    assert shop.data(DROP, headers={"x-forwarded-user": b"eve"}, id=id) == {"dropDeadLetter": dropped}
    done = command(shop, id)["deadLetterAction"]
    assert (done["deed"], done["retriedAs"], done["actor"]) == ("DROPPED", None, "eve")
    assert id not in letters(shop)
    for document in (RETRY, DROP):
        assert "was dropped at " in refused(shop, document, id)


def test_a_retry_is_applied_only_at_the_version_that_its_client_expected(shop: System) -> None:
    def retried_by_the_api(id: str) -> str:
        again: str = shop.data(RETRY, id=id)["retryDeadLetter"]["commandId"]
        return again

    def retried_by_the_command_line(id: str) -> str:
        [again] = re.findall(r"submitted again as ([0-9a-f-]{36})", commander(shop, "retry", id).stdout)
        return str(again)

    for retry in (retried_by_the_api, retried_by_the_command_line):
        job = str(uuid4())
        assert work(shop, job)["version"] == 1
        failure = work(shop, job, "raise", expectedVersion=1)
        assert failure["__typename"] == "CommandFailed"
        assert work(shop, job)["version"] == 2
        with mended(shop):
            found = ended(shop, retry(failure["commandId"]))
        assert (found["status"], found["code"], found["version"]) == ("REJECTED", "VERSION_CONFLICT", 2)


def test_what_is_no_dead_letter_is_neither_retried_nor_dropped(shop: System) -> None:
    applied = work(shop, str(uuid4()))["commandId"]
    for id in (applied, str(uuid4())):
        for document in (RETRY, DROP):
            assert refused(shop, document, id) == f"there is no dead letter {id}"
    for document in (RETRY, DROP):
        [error] = shop.query(document, id="x")["errors"]
        assert error["extensions"]["code"] == "BAD_REQUEST"


def test_of_many_who_deal_with_one_at_once_one_does_and_the_record_tells_which(shop: System) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            id = failed(shop)

            def deal(n: int, id: str = id) -> dict[str, Any]:
                return shop.query((RETRY, DROP)[n % 2], headers={"x-forwarded-user": b"%d" % n}, id=id)

            answers = list(pool.map(deal, range(8)))
            [winner] = [n for n, answer in enumerate(answers) if "errors" not in answer]
            losers = [answer["errors"][0]["extensions"]["code"] for answer in answers if "errors" in answer]
            assert losers == ["NOT_FOUND"] * 7
            done = command(shop, id)["deadLetterAction"]
            assert (done["deed"], done["actor"]) == (("RETRIED", "DROPPED")[winner % 2], str(winner))
            if winner % 2 == 0:
                assert ended(shop, done["retriedAs"])["status"] == "FAILED"


def as_a_reader_of_the_readme(shop: System, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`commander dead-letters` beside the running system, started as the README says."""
    command = Path(sys.executable).with_name("commander")
    return subprocess.run(
        [
            "bash",
            "-c",
            '. "$0" && exec "$@"',
            shop.data_dir / "environment",
            command,
            "dead-letters",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(shop.data_dir)},
    )


def commander(shop: System, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same, started by fork."""
    return fork_server().run(["dead-letters", *arguments], {**shop.settings, "HOME": str(shop.data_dir)})


def test_the_command_line_lists_and_shows_all_of_it_as_it_was_said(shop: System) -> None:
    id = failed(shop)
    listed = as_a_reader_of_the_readme(shop, "list")
    assert listed.returncode == 0, listed.stderr
    [line] = [line for line in listed.stdout.splitlines() if id in line]
    assert "DECIDER_RAISED" in line
    assert "a bug [/bold] in list[int]" in line
    shown = as_a_reader_of_the_readme(shop, "show", id)
    assert shown.returncode == 0, shown.stderr
    assert "RuntimeError: a bug [/bold] in list[int]\n[red]second line" in shown.stdout
    assert '"how": "raise"' in shown.stdout
    assert re.search(r"decided_at \d{4}-", shown.stdout)


def test_the_command_line_retries_with_its_user_on_record(shop: System) -> None:
    """Several, so that each partition is hit: their number is the system's, not the default."""
    ids = [failed(shop) for _ in range(4)]
    with mended(shop):
        for id in ids:
            retried = commander(shop, "retry", id)
            assert retried.returncode == 0, retried.stderr
            [again] = re.findall(r"submitted again as ([0-9a-f-]{36})", retried.stdout)
            assert ended(shop, again)["status"] == "APPLIED"
            done = command(shop, id)["deadLetterAction"]
            assert (done["deed"], done["retriedAs"], done["actor"]) == ("RETRIED", again, getpass.getuser())
    shown = commander(shop, "show", ids[0])
    assert re.search(rf"retried as [0-9a-f-]{{36}} by {getpass.getuser()} at 20", shown.stdout)
    gone = commander(shop, "retry", ids[0])
    assert gone.returncode == 1
    assert re.fullmatch(r"commander: the dead letter .* was retried as .*\n", gone.stderr)


def test_the_command_line_drops_with_its_user_on_record(shop: System) -> None:
    id = failed(shop)
    assert commander(shop, "drop", id).stdout == f"dropped {id}\n"
    done = command(shop, id)["deadLetterAction"]
    assert (done["deed"], done["actor"]) == ("DROPPED", getpass.getuser())
    assert id not in commander(shop, "list", "--first", "1000").stdout


@pytest.mark.parametrize("verb", ["show", "retry", "drop"])
def test_the_command_line_says_in_one_line_what_is_not_there(shop: System, verb: str) -> None:
    unknown = str(uuid4())
    told = commander(shop, verb, unknown)
    assert (told.returncode, told.stdout) == (1, "")
    assert re.fullmatch(rf"commander: there is no .* {unknown}\n", told.stderr)
    wrong = commander(shop, verb, "x")
    assert wrong.returncode == 2
    assert "Invalid value" in wrong.stderr
