"""Numbers and moments arrive as they were sent: no digit is lost on the way in, in the log, or out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.e2e.bank import apply, balance_of, opened
from tests.system import System

LITERALS = """mutation {{
  a: deposit(input: {{accountId: "{account}", amount: {first}}}) {{ __typename }}
  b: deposit(input: {{accountId: "{account}", amount: {second}}}, options: {{wait: PROJECTED}}) {{
    __typename
  }}
}}"""


def applied(answer: dict[str, Any]) -> bool:
    return {result["__typename"] for result in answer.values()} == {"CommandApplied"}


@pytest.mark.parametrize(
    ("first", "second", "balance"),
    [("0.1", "0.2", "0.30"), ("999999999.99", "0.01", "1000000000.00"), ("1e2", "1E-2", "100.01")],
)
@pytest.mark.parametrize("quote", ['"', ""], ids=["string", "number"])
def test_decimal_literals_add_up_exactly(
    system: System, first: str, second: str, balance: str, quote: str
) -> None:
    account = opened(system)
    document = LITERALS.format(
        account=account, first=f"{quote}{first}{quote}", second=f"{quote}{second}{quote}"
    )
    assert applied(system.data(document))
    assert balance_of(system, account) == balance


@pytest.mark.parametrize(("first", "second"), [("0.1", "0.2"), (0.1, 0.2)], ids=["strings", "JSON numbers"])
def test_decimal_variables_add_up_exactly(system: System, first: Any, second: Any) -> None:
    account = opened(system)
    apply(system, "deposit", {"accountId": account, "amount": first})
    apply(system, "deposit", {"accountId": account, "amount": second}, wait="PROJECTED")
    assert balance_of(system, account) == "0.30"


def test_a_json_number_that_may_have_lost_digits_already_is_refused_with_advice(system: System) -> None:
    body = (
        b'{"query": "mutation ($a: Decimal!) { deposit(input: {accountId: \\"%s\\", amount: $a}) '
        b'{ __typename } }", "variables": {"a": 0.12345678901234567}}' % str(uuid4()).encode()
    )
    answer = httpx.post(system.url, content=body, headers={"content-type": "application/json"}).json()
    [error] = answer["errors"]
    assert "it must be a string of digits" in error["message"]


def test_an_amount_keeps_the_digits_it_was_written_with(system: System) -> None:
    account = opened(system)
    position = apply(system, "deposit", {"accountId": account, "amount": "1.10"})["position"]
    query = "query ($p: Position!) { event(position: $p) { ... on MoneyDeposited { amount } } }"
    assert system.data(query, p=position) == {"event": {"amount": "1.10"}}


def test_a_position_is_taken_as_a_string_and_as_a_number_and_given_as_a_string(system: System) -> None:
    position = apply(system, "openAccount", {"owner": "Ada"})["position"]
    assert isinstance(position, str)
    query = "query ($p: Position!) { event(position: $p) { position } }"
    expected = {"event": {"position": position}}
    assert system.data(query, p=position) == expected
    assert system.data(query, p=int(position)) == expected
    assert system.data(f"{{ event(position: {position}) {{ position }} }}") == expected
    assert system.data(f'{{ event(position: "{position}") {{ position }} }}') == expected


def test_a_moment_is_given_with_its_time_zone(system: System) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    command = str(uuid4())
    applied = apply(system, "openAccount", {"owner": "Ada"}, commandId=command)
    found = system.data(
        """query ($p: Position!, $c: UUID!) {
          event(position: $p) { recordedAt } command(commandId: $c) { submittedAt decidedAt }
        }""",
        p=applied["position"],
        c=command,
    )
    submitted = datetime.fromisoformat(found["command"]["submittedAt"])
    recorded = datetime.fromisoformat(found["event"]["recordedAt"])
    assert submitted.utcoffset() == recorded.utcoffset() == timedelta(0)
    assert began <= submitted <= recorded <= datetime.now(UTC) + timedelta(seconds=1)
    assert found["command"]["decidedAt"] == found["event"]["recordedAt"]


@pytest.mark.parametrize("owner", ["Ærøskøbing 北京 🏦", 'a "quoted" \\ line\nand a tab\t', "\u2028\ufeff"])
def test_text_of_any_script_comes_back_as_it_was(system: System, owner: str) -> None:
    position = apply(system, "openAccount", {"owner": owner})["position"]
    query = "query ($p: Position!) { event(position: $p) { ... on AccountOpened { owner } } }"
    assert system.data(query, p=position) == {"event": {"owner": owner}}
