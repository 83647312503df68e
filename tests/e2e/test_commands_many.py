"""Many commands in one mutation: in order, a result for each, and nothing half done where it is refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.bank import RESULT, apply, opened, submit
from tests.e2e.parts import Parts
from tests.system import Endpoint, System

SUBMIT = f"""mutation ($commands: [AnyCommand!]!, $options: SubmitOptions) {{
  submit(commands: $commands, options: $options) {{ ...Result }} }} {RESULT}"""


def submit_all(api: Endpoint, commands: list[Any], **options: Any) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = api.data(SUBMIT, commands=commands, options=options)["submit"]
    return results


def refused(api: Endpoint, commands: Any, **options: Any) -> dict[str, Any]:
    """The one error that they are answered with."""
    answer = api.query(SUBMIT, commands=commands, options=options)
    assert answer.get("data") is None
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    found: dict[str, Any] = error
    return found


def deposit(account: str, amount: str = "1.00") -> dict[str, Any]:
    return {"deposit": {"accountId": account, "amount": amount}}


def untouched(api: Endpoint, account: str, version: int = 1) -> bool:
    """Whether the account is at this version still; what was submitted before this is decided before it."""
    conflict = submit(api, "closeAccount", {"accountId": account}, expectedVersion=99)
    return bool(conflict["currentVersion"] == version)


def test_each_has_a_result_of_its_own_in_order_and_an_invalid_one_keeps_none_of_the_others_back(
    system: System,
) -> None:
    account = str(uuid4())
    results = submit_all(
        system,
        [
            {"openAccount": {"owner": "Ada", "accountId": account}},
            deposit(account, "5.00"),
            deposit(account, "-5.00"),
            {"withdraw": {"accountId": account, "amount": "9.00"}},
            {"withdraw": {"accountId": account, "amount": "5.00"}},
            {"closeAccount": {"accountId": account}},
        ],
    )
    assert [result["__typename"] for result in results] == [
        *("CommandApplied", "CommandApplied", "CommandInvalid", "CommandRejected"),
        *("CommandApplied", "CommandApplied"),
    ]
    assert [result["version"] for result in results if "version" in result] == [1, 2, 3, 4]
    assert results[2]["problems"][0]["path"] == ["amount"]
    assert results[3]["code"] == "INSUFFICIENT_FUNDS"


@pytest.mark.parametrize("wait", ["APPLIED", "ACCEPTED"])
def test_a_hundred_with_ids_of_the_client_s_are_decided_in_the_order_they_stand_in(
    parts: Parts, wait: str
) -> None:
    api, _ = parts.start("api", "processor")
    for _ in range(5):
        account, ids = opened(api), [str(uuid4()) for _ in range(100)]
        commands = [deposit(account, str(n)) for n in range(1, 101)]
        results = submit_all(api, commands, commandIds=ids, wait=wait)
        assert [result["commandId"] for result in results] == ids
        again = submit_all(api, commands, commandIds=ids)
        assert [result["version"] for result in again] == list(range(2, 102))
        other = submit_all(api, commands[1:] + commands[:1], commandIds=ids)
        assert {result["__typename"] for result in other} == {"CommandConflict"}
        if wait == "APPLIED":
            assert again == results


def test_as_many_as_the_limit_are_taken_and_of_one_more_none(system: System) -> None:
    account = opened(system)
    assert len(submit_all(system, [deposit(account)] * 100)) == 100
    assert untouched(system, account, version=101)
    error = refused(system, [deposit(account)] * 101)
    assert error["message"] == "commands: must be at most 100, got 101"
    assert error["extensions"]["argument"] == "commands"
    assert untouched(system, account, version=101)
    assert submit_all(system, []) == []


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"deposit": None}, "Value for member field 'deposit' must be non-null"),
        ({}, "OneOf Input Object 'AnyCommand' must specify exactly one key."),
        ({"nothing": {}}, "unknown field 'nothing'"),
        ({"recordDeposit": {"transferId": str(uuid4())}}, "unknown field 'recordDeposit'"),
        (
            {
                "deposit": {"accountId": str(uuid4()), "amount": "1"},
                "withdraw": {"accountId": str(uuid4()), "amount": "1"},
            },
            "OneOf Input Object 'AnyCommand' must specify exactly one key.",
        ),
        ({"deposit": {"accountId": "x", "amount": "1"}}, "UUID cannot represent 'x'"),
        (None, "Expected value of non-null type"),
    ],
    ids=["null", "none", "unknown", "internal", "two", "no uuid", "no command"],
)
def test_one_that_is_no_command_refuses_them_all(system: System, bad: Any, message: str) -> None:
    account = opened(system)
    error = refused(system, [deposit(account), bad])
    assert message in error["message"]
    assert untouched(system, account)


def test_two_fields_in_one_are_refused_in_a_literal_too(system: System) -> None:
    account = opened(system)
    one = f'{{accountId: "{account}", amount: "1"}}'
    answer = system.query(
        f"mutation {{ submit(commands: [{{deposit: {one}, withdraw: {one}}}]) {{ __typename }} }}"
    )
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "must specify exactly one key" in error["message"]
    assert untouched(system, account)


@pytest.mark.parametrize("ids", [["a"], ["a", "b", "c"], ["a", "a"], []])
def test_ids_that_are_not_one_for_each_or_not_different_refuse_them_all(
    system: System, ids: list[str]
) -> None:
    account = opened(system)
    made = {"a": str(uuid4()), "b": str(uuid4()), "c": str(uuid4())}
    error = refused(system, [deposit(account)] * 2, commandIds=[made[id] for id in ids])
    assert error["message"] == "options.commandIds: must be 2 different ids, one for each command"
    assert untouched(system, account)


def test_many_can_be_tried_without_storing_any(system: System) -> None:
    account = opened(system)
    results = submit_all(
        system, [deposit(account), {"withdraw": {"accountId": account, "amount": "1"}}], validateOnly=True
    )
    assert [result["__typename"] for result in results] == ["CommandValid", "CommandRejected"]
    assert untouched(system, account)


def test_the_same_command_twice_without_ids_is_two_commands(system: System) -> None:
    account = opened(system)
    first, second = submit_all(system, [deposit(account)] * 2)
    assert first["commandId"] != second["commandId"]
    assert apply(system, "deposit", {"accountId": account, "amount": "1.00"})["version"] == 4
