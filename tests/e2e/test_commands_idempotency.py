"""A command id is the client's: whoever sends it again, whenever and to whom, is given the first outcome."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.bank import apply, balance_of, document_of, opened, submit, until
from tests.e2e.parts import Parts
from tests.system import System


def test_an_id_sent_at_once_to_two_api_processes_happens_once_and_all_hear_the_same(parts: Parts) -> None:
    one, other, *_ = parts.start("api", "api", "processor", "projections")
    account = opened(one)
    deposit = {"accountId": account, "amount": "1.00"}
    with ThreadPoolExecutor(12) as pool:
        for command in (str(uuid4()) for _ in range(10)):
            answers = list(
                pool.map(
                    lambda n, id=command: submit((one, other)[n % 2], "deposit", deposit, commandId=id),
                    range(12),
                )
            )
            assert answers[0]["__typename"] == "CommandApplied"
            assert answers == [answers[0]] * 12
    apply(other, "deposit", {"accountId": account, "amount": "1.00"}, wait="PROJECTED")
    assert balance_of(one, account) == "11.00"


def test_of_two_contents_sent_at_once_to_two_api_processes_one_is_applied_and_one_a_conflict(
    parts: Parts,
) -> None:
    one, other, _ = parts.start("api", "api", "processor")
    accounts = [opened(one), opened(one)]
    with ThreadPoolExecutor(4) as pool:
        for command in (str(uuid4()) for _ in range(20)):

            def send(n: int, id: str = command) -> dict[str, Any]:
                deposit = {"accountId": accounts[n % 2], "amount": "1.00"}
                return submit((one, other)[n // 2], "deposit", deposit, commandId=id)

            answers = list(pool.map(send, range(4)))
            kinds = [answer["__typename"] for answer in answers]
            assert sorted(kinds) == ["CommandApplied"] * 2 + ["CommandConflict"] * 2, answers
            first, again = [a for a in answers if a["__typename"] == "CommandApplied"]
            assert first == again


def test_an_id_sent_again_after_everything_was_started_anew_gives_the_first_outcome(parts: Parts) -> None:
    api, processor = parts.start("api", "processor")
    account = opened(api)
    applied_id, rejected_id = str(uuid4()), str(uuid4())
    deposit, withdrawal = {"accountId": account, "amount": "5.00"}, {"accountId": account, "amount": "9.00"}
    applied = apply(api, "deposit", deposit, commandId=applied_id)
    rejected = submit(api, "withdraw", withdrawal, commandId=rejected_id)
    api.end()
    processor.end()

    api, _ = parts.start("api", "processor")
    for wait in ("ACCEPTED", "APPLIED"):
        assert submit(api, "deposit", deposit, commandId=applied_id, wait=wait) == applied
        assert submit(api, "withdraw", withdrawal, commandId=rejected_id, wait=wait) == rejected
        other = submit(api, "deposit", {**deposit, "amount": "6.00"}, commandId=applied_id, wait=wait)
        assert other["__typename"] == "CommandConflict"
    assert apply(api, "withdraw", {"accountId": account, "amount": "5.00"})["version"] == 3


def test_an_id_sent_again_while_nobody_decides_is_decided_once(parts: Parts) -> None:
    one, other = parts.start("api", "api")
    command, account = str(uuid4()), str(uuid4())
    opening = {"owner": "Ada", "accountId": account}
    for api in (one, other, one):
        accepted = submit(api, "openAccount", opening, commandId=command, wait="ACCEPTED")
        assert accepted == {"__typename": "CommandAccepted", "commandId": command}
        pending = submit(api, "openAccount", opening, commandId=command, timeoutMs=50)
        assert pending["__typename"] == "CommandPending"
        conflict = submit(api, "openAccount", {**opening, "owner": "Eve"}, commandId=command, wait="ACCEPTED")
        assert conflict["__typename"] == "CommandConflict"
    parts.start("processor")
    applied = apply(other, "openAccount", opening, commandId=command)
    assert (applied["version"], applied["position"]) == (1, "1")
    assert apply(one, "deposit", {"accountId": account, "amount": "1"})["position"] == "2"


def test_of_two_contents_accepted_at_once_only_one_is_told_so(parts: Parts) -> None:
    one, other = parts.start("api", "api")
    account = str(uuid4())
    with ThreadPoolExecutor(4) as pool:
        for command in (str(uuid4()) for _ in range(20)):

            def send(n: int, id: str = command) -> dict[str, Any]:
                opening = {"owner": ("Ada", "Eve")[n % 2], "accountId": account}
                return submit((one, other)[n % 2], "openAccount", opening, commandId=id, wait="ACCEPTED")

            answers = list(pool.map(send, range(4)))
            accepted = {n % 2 for n in range(4) if answers[n]["__typename"] == "CommandAccepted"}
            assert len(accepted) == 1, answers


def test_a_conflict_that_is_queued_behind_the_first_does_not_make_the_first_one_a_conflict(
    parts: Parts,
) -> None:
    (api,) = parts.start("api")
    command, account = str(uuid4()), str(uuid4())
    opening = {"owner": "Ada", "accountId": account}
    assert submit(api, "openAccount", opening, commandId=command, timeoutMs=0)["stage"] == "DECISION"
    other = {**opening, "owner": "Eve"}
    assert submit(api, "openAccount", other, commandId=command, timeoutMs=0)["stage"] == "DECISION"
    again = submit(api, "openAccount", opening, commandId=command, wait="ACCEPTED")
    assert again["__typename"] == "CommandAccepted"
    query = "query ($id: UUID!) { command(commandId: $id) { status input } }"
    found = api.data(query, id=command)["command"]
    assert found == {"status": "ACCEPTED", "input": {"owner": "Ada", "accountId": account}}
    parts.start("processor")
    found = until(
        lambda: api.data(query, id=command)["command"], lambda command: command["status"] == "APPLIED"
    )
    assert found["input"]["owner"] == "Ada"


@pytest.mark.parametrize("id", ["nope", "", 5, "00000000-0000-0000-0000-00000000000g"])
def test_a_command_id_that_is_no_uuid_is_a_typed_error_and_nothing_is_stored(system: System, id: Any) -> None:
    account = str(uuid4())
    input = {"owner": "Ada", "accountId": account}
    answer = system.query(document_of("openAccount"), input=input, options={"commandId": id})
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "at .commandId: UUID cannot represent" in error["message"]
    apply(system, "openAccount", input, expectedVersion=0)
