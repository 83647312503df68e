"""Which error a client sees: a code for each of ours and of GraphQL's, and only a number for all others."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError

from commander.domain import HookFailed, ProjectionFailed, UndecodableEvent
from commander.domain.errors import (
    CommanderError,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotServing,
    Overloaded,
    RuleFailed,
    Trouble,
    Unavailable,
)
from commander.eventstore.projections.folding import Stopped
from commander.resolvers.read_your_writes import ProjectionStopped
from commander.resolvers.services import Limits
from commander.schema.context import Context
from commander.schema.errors import typed
from commander.schema.execution.operations import CommanderSchema
from commander.schema.incidents import Outages

RAISED: list[Exception] = []


@strawberry.type
class Inner:
    @strawberry.field
    def count(self) -> int:
        return 2**40


@strawberry.type
class Query:
    @strawberry.field
    def fails(self) -> str:
        raise RAISED[-1]

    @strawberry.field
    def takes(self, count: int = 1) -> int:
        return count

    @strawberry.field
    def inner(self) -> Inner:
        return Inner()


SCHEMA = CommanderSchema(Query)
NO_SERVICES: Any = SimpleNamespace(limits=Limits(), allowances=None)  # no resolver here asks for more


async def error_of(document: str, **variables: Any) -> dict[str, Any]:
    """The one error of an execution, as it is sent."""
    [error] = (await SCHEMA.execute(document, variables, Context(NO_SERVICES))).errors or []
    formatted: dict[str, Any] = dict(error.formatted)
    return formatted


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotServing("stopping", "this process is stopping"), "UNAVAILABLE"),
        (Overloaded("too much"), "OVERLOADED"),
        (InvalidRequest("first", "too many"), "BAD_REQUEST"),
        (NotFound("no such thing"), "NOT_FOUND"),
        (Forbidden("you may not do this"), "FORBIDDEN"),
        (UndecodableEvent(5, "Gone", "there is no such event"), "UNREADABLE"),
    ],
)
async def test_an_error_of_ours_has_its_message_its_code_and_its_path(
    error: CommanderError, code: str
) -> None:
    RAISED.append(error)
    found = await error_of("{ fails }")
    assert (found["message"], found["extensions"]["code"]) == (str(error), code)
    assert (found["path"], found["locations"]) == (["fails"], [{"line": 1, "column": 3}])


async def test_an_argument_that_is_out_of_range_is_named() -> None:
    RAISED.append(InvalidRequest("first", "too many"))
    assert (await error_of("{ fails }"))["extensions"] == {"code": "BAD_REQUEST", "argument": "first"}


@pytest.mark.parametrize(
    "error",
    [
        ValueError("select * from secrets"),
        KeyError("/etc/passwd"),
        CommanderError("of no known kind"),
        HookFailed("a hook"),
        RuleFailed("the rule of Withdraw raised KeyError: 'branch'"),
    ],
)
async def test_any_other_error_is_only_a_number_under_which_the_log_has_it(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    RAISED.append(error)
    with caplog.at_level(logging.ERROR, "commander.api"):
        found = await error_of("{ fails }")
    incident = found["extensions"]["incident"]
    assert found["extensions"] == {"code": "INTERNAL", "incident": incident}
    assert found["message"] == f"internal error {incident}"
    [record] = caplog.records
    assert incident in record.getMessage()
    assert record.exc_info is not None and record.exc_info[1] is error


@pytest.mark.parametrize(
    ("trouble", "shown"),
    [
        (Trouble.AWAY, "it cannot be reached"),
        (Trouble.REFUSED, "it refuses this process"),
        (Trouble.SILENT, "it does not answer"),
        (Trouble.FULL, "its disk is full"),
        (Trouble.READ_ONLY, "it takes no writes"),
        (None, "it could not do this"),
    ],
)
async def test_what_a_driver_says_of_an_outage_is_in_the_log_once_and_not_shown(
    caplog: pytest.LogCaptureFixture, trouble: Trouble | None, shown: str
) -> None:
    reason = f"password authentication failed for user 'ada' at 10.1.2.3:5432 {trouble}"
    RAISED.append(Unavailable("Postgres", reason, trouble))
    with caplog.at_level(logging.WARNING, "commander.api"):
        first, second = await error_of("{ fails }"), await error_of("{ fails }")
    assert first == second
    assert first["message"] == f"Postgres is unavailable: {shown}; try again later"
    extensions = dict(first["extensions"])
    assert (extensions.pop("code"), extensions.pop("server")) == ("UNAVAILABLE", "Postgres")
    [record] = caplog.records
    assert record.getMessage() == f"incident {extensions['incident']}: Postgres is unavailable: {reason}"
    assert extensions["incident"] == vars(record)["incident"]


def test_an_outage_that_lasts_is_logged_again_and_many_fill_no_memory() -> None:
    now = [1000.0]
    outages = Outages(lambda: now[0])
    error = Unavailable("NATS", "no responders")
    _, first = outages.shown(error)
    now[0] += 61
    assert outages.shown(error)[1] != first
    for number in range(1000):
        outages.shown(Unavailable("NATS", str(number)))
    assert len(outages._known) <= 100


async def test_an_error_that_was_raised_for_the_client_passes_with_its_own_code() -> None:
    RAISED.append(GraphQLError("mind the gap", extensions={"code": "GAP"}))
    found = await error_of("{ fails }")
    assert (found["message"], found["extensions"]) == ("mind the gap", {"code": "GAP"})


async def test_a_variable_that_does_not_fit_is_a_bad_request(caplog: pytest.LogCaptureFixture) -> None:
    found = await error_of("query ($n: Int!) { takes(count: $n) }", n="x")
    assert found["extensions"] == {"code": "BAD_REQUEST"}
    assert caplog.records == []


@pytest.mark.parametrize(
    "error",
    [
        UndecodableEvent(5, "Gone", "a secret"),
        ProjectionFailed("account", 5, "Gone", "ValueError: a secret"),
        ProjectionStopped("account", 4, 9, Stopped(5, "Gone", "ValueError: a secret")),
    ],
)
def test_what_the_code_of_the_domain_raised_is_for_operators(error: CommanderError) -> None:
    given = GraphQLError(str(error), original_error=error)
    assert "a secret" in str(typed(given, operates=True).formatted)
    shown = typed(given).formatted
    assert "secret" not in str(shown)
    assert shown["extensions"]["code"] in ("UNREADABLE", "PROJECTION_STOPPED")


async def test_a_value_that_graphql_cannot_carry_is_unreadable_and_not_the_clients_fault() -> None:
    found = await error_of("{ inner { count } }")
    assert (found["path"], found["extensions"]) == (["inner", "count"], {"code": "UNREADABLE"})
    assert "non 32-bit signed integer" in found["message"]
