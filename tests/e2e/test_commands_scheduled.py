"""`options.notBefore` as a client meets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.e2e.bank import document_of, submit, until
from tests.system import System

_COMMAND = "query ($id: UUID!) { command(commandId: $id) { status notBefore code } }"
_LINEAGE = "query ($id: UUID!) { lineage(commandId: $id) { settled commands { command { status } } } }"
_CANCEL = """mutation ($id: UUID!) { cancelCommand(commandId: $id) {
  __typename ... on CommandRejected { code } ... on CommandApplied { position }
} }"""


def ahead(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def test_a_command_with_a_time_is_accepted_shown_and_decided_then(system: System) -> None:
    account = str(uuid4())
    result = submit(system, "openAccount", {"owner": "Ada", "accountId": account}, notBefore=ahead(seconds=2))
    assert result["__typename"] == "CommandAccepted"

    def status() -> str:
        return str(system.data(_COMMAND, id=result["commandId"])["command"]["status"])

    assert status() == "SCHEDULED"
    until(status, lambda one: one == "APPLIED")
    assert system.data(_COMMAND, id=result["commandId"])["command"]["notBefore"] is None


def test_it_is_taken_back_before_its_time(system: System) -> None:
    due = ahead(hours=3)
    result = submit(system, "openAccount", {"owner": "Ada"}, notBefore=due)
    shown = system.data(_COMMAND, id=result["commandId"])["command"]
    assert datetime.fromisoformat(shown["notBefore"]) == datetime.fromisoformat(due)
    cancelled = system.data(_CANCEL, id=result["commandId"])["cancelCommand"]
    assert cancelled == {"__typename": "CommandRejected", "code": "CANCELLED"}
    assert system.data(_COMMAND, id=result["commandId"])["command"]["status"] == "REJECTED"


def test_a_time_beyond_the_limit_is_a_typed_error(system: System) -> None:
    answer = system.query(
        document_of("openAccount"), input={"owner": "Ada"}, options={"notBefore": ahead(days=400)}
    )
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "BAD_REQUEST"
    assert "must be within 366 days" in error["message"]


def test_many_may_have_a_time_together(system: System) -> None:
    data = system.data(
        """mutation ($at: DateTime!) { submit(
             commands: [{ openAccount: { owner: "Ada" } }, { openAccount: { owner: "Eve" } }],
             options: { notBefore: $at }) { __typename } }""",
        at=ahead(hours=3),
    )
    assert data["submit"] == [{"__typename": "CommandAccepted"}] * 2


def test_a_lineage_shows_it_until_it_has_settled(system: System) -> None:
    result = submit(system, "openAccount", {"owner": "Ada"}, notBefore=ahead(seconds=2))

    def lineage() -> tuple[list[str], bool]:
        found = system.data(_LINEAGE, id=result["commandId"])["lineage"]
        return [one["command"]["status"] for one in found["commands"]], found["settled"]

    assert lineage() == (["SCHEDULED"], False)
    until(lineage, lambda one: one == (["APPLIED"], True))
