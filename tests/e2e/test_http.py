"""The commands over HTTP, on the bank, as a frontend meets them: what each of them answers; and the ports."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.e2e.bank import apply, balance_of, opened, submit, until
from tests.system import NO_TLS, PARTS, System

COMMAND = """query ($id: UUID!) {
  command(commandId: $id) {
    type status stream input code message position version correlationId reactor
    events { __typename position }
  }
}"""


def ended(system: System, command: str) -> dict[str, Any]:
    """What is known of a command, once it has ended."""
    answer = until(
        lambda: system.query(COMMAND, id=command)["data"],
        lambda data: data is not None and data["command"]["status"] != "ACCEPTED",
    )
    found: dict[str, Any] = answer["command"]
    return found


def test_commander_dev_prints_where_each_part_answers_for_its_metrics(system: System) -> None:
    *_, printed = re.findall(r"metrics +http://localhost:PORT/metrics, PORT of (.*)", system.log.read_text())
    ports = dict(entry.split() for entry in printed.split(", "))
    assert ports == {part: str(system.operators_port(part)) for part in PARTS}
    for port in ports.values():
        until(partial(metrics, port), re.compile(r"^commander_log_position ", re.MULTILINE).search)


def metrics(port: str) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10, verify=NO_TLS).text
    except httpx.ConnectError as error:  # the API is ready first
        return str(error)


def test_each_part_has_a_service_name_of_its_own_for_traces(system: System) -> None:
    names = {part: system.variables_of(part)["OTEL_SERVICE_NAME"] for part in PARTS}
    assert names == {part: f"commander-{part}" for part in PARTS}


def test_a_mutation_answers_with_the_events_it_made(system: System) -> None:
    account = str(uuid4())
    applied = apply(system, "openAccount", {"owner": "Ada", "accountId": account})
    event = system.data(
        "query ($p: Position!) { event(position: $p) { type ... on AccountOpened { accountId owner } } }",
        p=applied["position"],
    )["event"]
    assert event == {"type": "AccountOpened", "accountId": account, "owner": "Ada"}


def test_each_mutation_of_the_bank_applies_and_tells_stream_version_and_events(system: System) -> None:
    source, target = opened(system, balance="10.00"), opened(system)
    transfer = str(uuid4())
    results = [
        apply(system, "deposit", {"accountId": source, "amount": "5.00"}),
        apply(system, "withdraw", {"accountId": source, "amount": "15.00"}),
        apply(system, "closeAccount", {"accountId": source}),
        apply(
            system,
            "requestTransfer",
            {"sourceId": source, "targetId": target, "amount": "1", "transferId": transfer},
        ),
    ]
    assert [result["stream"] for result in results] == [f"account-{source}"] * 3 + [f"transfer-{transfer}"]
    assert [result["version"] for result in results] == [3, 4, 5, 1]
    assert [[event["type"] for event in result["events"]] for result in results] == [
        ["MoneyDeposited"],
        ["MoneyWithdrawn"],
        ["AccountClosed"],
        ["TransferRequested"],
    ]
    for result in results:
        [event] = result["events"]
        assert event["__typename"] == event["type"]
        assert event["position"] == result["position"]
        assert event["version"] == result["version"]
        assert event["commandId"] == event["correlationId"] == result["commandId"]


def test_the_schema_has_no_trace_of_internal_commands(system: System) -> None:
    found = system.data("{ __schema { mutationType { fields { name } } types { name } } }")["__schema"]
    assert [field["name"] for field in found["mutationType"]["fields"]] == [
        "openAccount",
        "deposit",
        "withdraw",
        "closeAccount",
        "requestTransfer",
        *("submit", "cancelCommand", "retryDeadLetter", "dropDeadLetter"),
        *("retryEffect", "dropEffect", "retryReaction", "skipReaction"),
        *("rebuildProjection", "switchProjection", "rollBackProjection", "dropProjectionTable"),
    ]
    types = [type_["name"] for type_ in found["types"]]
    assert "OpenAccountInput" in types
    assert not [name for name in types if name.startswith(("WithdrawForTransfer", "Record", "ReturnFrom"))]


@pytest.mark.parametrize(
    ("mutation", "input"),
    [("deposit", {"amount": "1.00"}), ("withdraw", {"amount": "1.00"}), ("closeAccount", {})],
)
def test_a_command_to_an_unknown_account_is_rejected_with_a_code_and_a_reason(
    system: System, mutation: str, input: dict[str, Any]
) -> None:
    rejected = submit(system, mutation, {"accountId": str(uuid4()), **input})
    assert rejected["__typename"] == "CommandRejected"
    assert (rejected["code"], rejected["message"]) == ("ACCOUNT_NOT_FOUND", "there is no such account")


def test_an_overdraft_is_rejected_and_changes_nothing(system: System) -> None:
    account = opened(system, balance="10.00")
    rejected = submit(system, "withdraw", {"accountId": account, "amount": "10.01"})
    assert (rejected["__typename"], rejected["code"]) == ("CommandRejected", "INSUFFICIENT_FUNDS")
    assert rejected["message"] == "the balance is 10.00, 10.01 was asked for"
    apply(system, "withdraw", {"accountId": account, "amount": "10.00"}, expectedVersion=2)


@pytest.mark.parametrize(
    ("amount", "problem"),
    [
        ("-1", "must be greater than 0, got -1"),
        ("0.001", "does not satisfy whole cents"),
        ("1000000000.01", "must be at most 1000000000, got 1000000000.01"),
    ],
)
def test_an_input_that_breaks_a_constraint_is_invalid_and_is_not_stored(
    system: System, amount: str, problem: str
) -> None:
    command = str(uuid4())
    invalid = submit(system, "deposit", {"accountId": str(uuid4()), "amount": amount}, commandId=command)
    assert invalid == {
        "__typename": "CommandInvalid",
        "commandId": command,
        "problems": [{"path": ["amount"], "message": problem}],
    }
    [error] = system.query(COMMAND, id=command)["errors"]
    assert error["extensions"]["code"] == "NOT_FOUND"


def test_an_invalid_input_names_every_problem_by_its_field_in_the_api(system: System) -> None:
    source = str(uuid4())
    invalid = submit(system, "requestTransfer", {"sourceId": source, "targetId": source, "amount": "0"})
    assert [problem["path"] for problem in invalid["problems"]] == [["amount"]]
    invalid = submit(system, "openAccount", {"owner": ""})
    assert [problem["path"] for problem in invalid["problems"]] == [["owner"]]


def test_an_accepted_command_is_decided_and_its_outcome_can_be_asked_for(system: System) -> None:
    command, account = str(uuid4()), str(uuid4())
    accepted = submit(
        system,
        "openAccount",
        {"owner": "Grace", "accountId": account},
        wait="ACCEPTED",
        commandId=command,
    )
    assert accepted == {"__typename": "CommandAccepted", "commandId": command}
    found = ended(system, command)
    assert found["events"] == [{"__typename": "AccountOpened", "position": found["position"]}]
    assert {**found, "events": [], "position": ""} == {
        "type": "OpenAccount",
        "status": "APPLIED",
        "stream": f"account-{account}",
        "input": {"owner": "Grace", "accountId": account},
        "code": None,
        "message": None,
        "position": "",
        "version": 1,
        "correlationId": command,
        "reactor": None,
        "events": [],
    }


def test_the_outcome_of_a_rejected_command_is_kept_too(system: System) -> None:
    command = str(uuid4())
    submit(system, "closeAccount", {"accountId": str(uuid4())}, commandId=command)
    found = system.data(COMMAND, id=command)["command"]
    assert (found["status"], found["code"], found["events"]) == ("REJECTED", "ACCOUNT_NOT_FOUND", [])


def test_a_command_that_is_not_decided_in_time_is_pending_and_goes_on(system: System) -> None:
    for _ in range(50):  # a decision that is faster than the answer is no failure
        command = str(uuid4())
        result = submit(system, "openAccount", {"owner": "Ada"}, timeoutMs=0, commandId=command)
        if result["__typename"] == "CommandPending":
            break
    assert result == {
        "__typename": "CommandPending",
        "commandId": command,
        "stage": "DECISION",
        "decidedAt": None,
    }
    assert ended(system, command)["status"] == "APPLIED"


def test_what_was_projected_is_what_a_query_shows_at_once(system: System) -> None:
    account = opened(system)
    for deposit in range(1, 11):
        apply(system, "deposit", {"accountId": account, "amount": "1.00"}, wait="PROJECTED")
        assert balance_of(system, account) == f"{deposit}.00"


def test_an_expected_version_that_is_not_the_stream_s_is_a_conflict_that_tells_the_current_one(
    system: System,
) -> None:
    account = opened(system, balance="1.00")
    deposit = {"accountId": account, "amount": "1.00"}
    conflict = submit(system, "deposit", deposit, expectedVersion=1)
    assert conflict["__typename"] == "VersionConflict"
    assert (conflict["expectedVersion"], conflict["currentVersion"]) == (1, 2)
    apply(system, "deposit", deposit, expectedVersion=conflict["currentVersion"])


def test_an_expected_version_of_zero_means_a_stream_that_is_not_there_yet(system: System) -> None:
    account = {"owner": "Ada", "accountId": str(uuid4())}
    apply(system, "openAccount", account, expectedVersion=0)
    conflict = submit(system, "openAccount", account, expectedVersion=0)
    assert (conflict["__typename"], conflict["currentVersion"]) == ("VersionConflict", 1)


@pytest.mark.parametrize("amount", ["1.00", "100.00"])
def test_the_same_command_sent_again_gives_the_first_outcome_and_happens_once(
    system: System, amount: str
) -> None:
    account, command = opened(system, balance="50.00"), str(uuid4())
    withdrawal = {"accountId": account, "amount": amount}
    first = submit(system, "withdraw", withdrawal, commandId=command)
    again = [submit(system, "withdraw", withdrawal, commandId=command, wait="PROJECTED") for _ in range(3)]
    assert again == [first] * 3
    assert Decimal(balance_of(system, account)) == (49 if amount == "1.00" else 50)


def test_a_command_id_used_for_other_content_is_a_conflict_and_the_first_outcome_stands(
    system: System,
) -> None:
    account, command = opened(system), str(uuid4())
    first = apply(system, "deposit", {"accountId": account, "amount": "1.00"}, commandId=command)
    conflict = submit(system, "deposit", {"accountId": account, "amount": "2.00"}, commandId=command)
    assert conflict["__typename"] == "CommandConflict"
    assert command in conflict["message"]
    other = submit(system, "closeAccount", {"accountId": account}, commandId=command)
    assert other["__typename"] == "CommandConflict"
    assert system.data(COMMAND, id=command)["command"]["position"] == first["position"]


def test_an_id_left_out_is_made_from_the_command_s_so_a_resend_opens_no_second_account(
    system: System,
) -> None:
    command = str(uuid4())
    first = apply(system, "openAccount", {"owner": "Ada"}, commandId=command)
    assert submit(system, "openAccount", {"owner": "Ada"}, commandId=command) == first
    other = apply(system, "openAccount", {"owner": "Ada"}, commandId=str(uuid4()))
    assert other["stream"] != first["stream"]
    assert UUID(first["stream"].removeprefix("account-"))


def test_a_correlation_id_marks_the_events_of_a_command(system: System) -> None:
    correlation = str(uuid4())
    applied = apply(system, "openAccount", {"owner": "Ada"}, correlationId=correlation)
    assert [event["correlationId"] for event in applied["events"]] == [correlation]


def test_a_transfer_with_enough_money_completes_and_moves_it(system: System) -> None:
    source, target = opened(system, balance="10.00"), opened(system)
    assert transferred(system, source, target, "4.00") == {"status": "COMPLETED", "reason": None}
    assert (balance_of(system, source), balance_of(system, target)) == ("6.00", "4.00")


def test_a_transfer_that_the_source_refuses_is_refused_and_moves_nothing(system: System) -> None:
    source, target = opened(system, balance="1.00"), opened(system)
    found = transferred(system, source, target, "4.00")
    assert found == {"status": "REFUSED", "reason": "INSUFFICIENT_FUNDS"}
    assert (balance_of(system, source), balance_of(system, target)) == ("1.00", "0.00")


def test_a_transfer_that_the_target_refuses_gives_the_money_back(system: System) -> None:
    source = opened(system, balance="10.00")
    found = transferred(system, source, str(uuid4()), "4.00")
    assert found == {"status": "RETURNED", "reason": "ACCOUNT_NOT_FOUND"}
    assert balance_of(system, source) == "10.00"


def test_all_that_follows_from_a_transfer_carries_its_correlation_id(system: System) -> None:
    source, target, correlation = opened(system, balance="10.00"), opened(system), str(uuid4())
    transferred(system, source, target, "4.00", correlationId=correlation)
    found = system.data(
        "query ($id: UUID!) { events(filter: {correlationId: $id}) { edges { node { type } } } }",
        id=correlation,
    )
    assert [edge["node"]["type"] for edge in found["events"]["edges"]] == [
        "TransferRequested",
        "MoneyWithdrawn",
        "TransferWithdrawn",
        "MoneyDeposited",
        "TransferCompleted",
    ]


def transferred(system: System, source: str, target: str, amount: str, **options: Any) -> dict[str, Any]:
    """Requests a transfer and waits until it has ended: its status and reason."""
    transfer = str(uuid4())
    input = {"sourceId": source, "targetId": target, "amount": amount, "transferId": transfer}
    apply(system, "requestTransfer", input, wait="PROJECTED", **options)
    query = "query ($id: UUID!) { transfer(transferId: $id) { status reason } }"
    found: dict[str, Any] = until(
        lambda: system.data(query, id=transfer)["transfer"],
        lambda row: row["status"] in ("COMPLETED", "REFUSED", "RETURNED"),
    )
    # The account's projection may be a moment behind the transfer's.
    last = str(uuid4())
    apply(system, "openAccount", {"owner": "last", "accountId": last}, wait="PROJECTED")
    return found
