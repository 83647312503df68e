"""The bank as a client of the API meets it: a mutation per command, and the result of each."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

from tests.system import Endpoint

T = TypeVar("T")

RESULT = """
fragment Result on CommandOutcome {
  __typename
  ... on CommandAccepted { commandId }
  ... on CommandApplied {
    commandId stream position version
    events { __typename type position version commandId correlationId }
  }
  ... on CommandRejected { commandId code message }
  ... on CommandForbidden { commandId code message }
  ... on CommandInvalid { commandId problems { path message } }
  ... on CommandPending { commandId stage decidedAt: position }
  ... on CommandConflict { commandId message }
  ... on VersionConflict { commandId expectedVersion currentVersion message }
  ... on CommandFailed { commandId code message }
  ... on CommandValid { commandId stream version proposed: events { type data } }
}"""


def document_of(mutation: str) -> str:
    """A document that sends this mutation with the variables $input and $options."""
    input_type = f"{mutation[0].upper()}{mutation[1:]}Input"
    return (
        f"mutation ($input: {input_type}!, $options: CommandOptions) "
        f"{{ {mutation}(input: $input, options: $options) {{ ...Result }} }} {RESULT}"
    )


def submit(system: Endpoint, mutation: str, input: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The result of a command."""
    result: dict[str, Any] = system.data(document_of(mutation), input=input, options=options)[mutation]
    return result


def apply(system: Endpoint, mutation: str, input: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The result of a command that must be applied."""
    result = submit(system, mutation, input, **options)
    assert result["__typename"] == "CommandApplied", result
    return result


def opened(system: Endpoint, *, owner: str = "Ada", balance: str | None = None) -> str:
    """A fresh account, with this balance; its id."""
    account = str(uuid4())
    apply(system, "openAccount", {"owner": owner, "accountId": account})
    if balance is not None:
        apply(system, "deposit", {"accountId": account, "amount": balance})
    return account


def balance_of(system: Endpoint, account: str) -> str:
    """As the projection has it now."""
    row = system.data("query ($id: UUID!) { account(accountId: $id) { balance } }", id=account)["account"]
    balance: str = row["balance"]
    return balance


def until(ask: Callable[[], T], holds: Callable[[T], object], *, timeout_seconds: float = 20) -> T:
    """The first answer that holds; fails with the last one when none does in time."""
    deadline, pause_seconds = time.monotonic() + timeout_seconds, 0.02
    while not holds(answer := ask()):
        assert time.monotonic() < deadline, f"not in {timeout_seconds} s, last: {answer}"
        time.sleep(pause_seconds)
        pause_seconds = min(1.2 * pause_seconds, 0.1)  # asking takes time from what is waited for
    return answer
