"""A mutation run by its plan answers as graphql-core does, and nothing is resolved twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from commander.domain.errors import InvalidRequest
from commander.examples.bank import bank
from commander.resolvers.results import RejectedResult, Stage
from commander.resolvers.services import Limits
from commander.schema.build import build_schema
from commander.schema.context import Context
from commander.schema.execution.mutation_plans import Mutating, Unplanned
from commander.schema.types.events import EventTypes
from commander.schema.types.field_types import TypeMap
from commander.schema.types.rejection_codes import RejectionCodes
from commander.schema.types.results import (
    CommandAccepted,
    CommandApplied,
    CommandInvalid,
    CommandPending,
    CommandValid,
    InputProblem,
    OutcomeTypes,
    Subject,
    VersionConflict,
)
from commander.schema.types.scalars import Position

ID = UUID("00000000-0000-0000-0000-00000000000a")
SCHEMA = build_schema(bank)  # its own: the tests replace what resolves its mutations
TYPES = TypeMap()
OUTCOMES = OutcomeTypes(EventTypes(bank, TYPES), RejectionCodes(bank, TYPES))
OF: dict[str, Any] = {"command_id": ID, "type": "Deposit", "stream": "account-1"}
RESULTS = [
    CommandAccepted(**OF),
    CommandApplied(**OF, position=Position(2**60), version=3, recorded=list),
    CommandApplied(**OF, position=Position(1), version=2**40, recorded=list),  # no Int
    OUTCOMES.of(RejectedResult(ID, "NO", "ünlike \u2028"), Subject(**OF)),
    OUTCOMES.of(RejectedResult(ID, "ACCOUNT_CLOSED", "m"), Subject(**OF)),
    CommandPending(**OF, stage=Stage.PROJECTION, position=None, behind=[]),
    VersionConflict(**OF, expected_version=None, current_version=4, message="m"),
    CommandInvalid(**OF, problems=[InputProblem(path=["amount"], message="m")]),
    CommandValid(**OF, version=1, events=[]),
    InvalidRequest("timeoutMs", "too long"),
    RuntimeError("a bug"),
]
FIELDS = """__typename type ... on CommandAccepted { commandId }
    ... on CommandApplied { id: commandId position version stream } ...RejectedResult
    ... on CommandPending { stage at: position } ... on VersionConflict { expectedVersion currentVersion }"""
REFUSED = (
    "fragment RejectedResult on CommandRejected { code text: message again: code depositCode withdrawCode }"
)
DOCUMENTS = [
    f"mutation ($input: DepositInput!, $options: CommandOptions) "
    f"{{ deposit(input: $input, options: $options) {{ {FIELDS} }} }} {REFUSED}",
    f"mutation ($input: DepositInput!, $options: CommandOptions = {{wait: ACCEPTED}}) "
    f"{{ done: deposit(options: $options, input: $input) {{ {FIELDS} }} }} {REFUSED}",
    "mutation ($id: UUID!) { deposit(input: {accountId: $id, amount: 1}) { ... on CommandApplied "
    "{ commandId events { position } } ... on CommandInvalid { problems { path message } } } }",
    "mutation ($id: UUID!) { deposit(input: {accountId: $id, amount: 1}) { __typename } "
    "also: deposit(input: {accountId: $id, amount: 2}) { __typename } }",
    "mutation ($on: Boolean!, $id: UUID!) { deposit(input: {accountId: $id, amount: 1}) "
    "{ __typename ... on CommandApplied @include(if: $on) { version } } }",
]
VARIABLES: list[dict[str, Any]] = [
    {"input": {"accountId": str(ID), "amount": "1.50"}, "id": str(ID), "on": True},
    {
        "input": {"accountId": str(ID), "amount": 1},
        "options": {"wait": "APPLIED", "timeoutMs": 7},
        "id": str(ID),
    },
    {"input": {"accountId": str(ID), "amount": 1}, "options": None, "id": str(ID), "on": False},
    {"input": {"accountId": "no id", "amount": 1}, "id": "no id", "on": False},
    {"input": {"accountId": str(ID)}, "id": None, "on": None},
    {"input": {"accountId": str(ID), "amount": 1, "more": 1}, "options": {"wait": "NEVER"}},
    {"input": None},
    {},
]
PLANS = cast(Mutating, SCHEMA._mutating)
CONTEXT = Context(cast(Any, SimpleNamespace(limits=Limits(), allowances=None)))


async def answer(
    document: str,
    variables: dict[str, Any],
    result: object,
    monkeypatch: pytest.MonkeyPatch,
    *,
    planned: bool,
) -> tuple[Any, Any, list[Any]]:
    """Data, errors, and the arguments of each call of the resolver."""
    calls: list[Any] = []

    async def resolve(_context: object, **arguments: Any) -> object:
        calls.append(arguments)
        if isinstance(result, Exception):
            raise result
        return result

    SCHEMA.resolve_mutations({"deposit": resolve})
    if not planned:
        monkeypatch.setattr(SCHEMA, "_mutating", None)
    answered = await SCHEMA.execute(document, variables, CONTEXT)
    errors: list[dict[str, Any]] = []
    for error in answered.errors or []:
        extensions = {**(error.extensions or {}), "incident": None}
        internal = extensions.get("code") == "INTERNAL"
        told = "with a number of its own" if internal else error.message
        errors.append({**error.formatted, "extensions": extensions, "message": told})
    return answered.data, errors, calls


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
@pytest.mark.parametrize("variables", VARIABLES, ids=range(len(VARIABLES)))
@pytest.mark.parametrize("document", DOCUMENTS, ids=range(len(DOCUMENTS)))
async def test_the_answer_is_that_of_graphql_core(
    document: str, variables: dict[str, Any], result: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_plan = await answer(document, variables, result, monkeypatch, planned=True)
    by_graphql_core = await answer(document, variables, result, monkeypatch, planned=False)
    assert by_plan == by_graphql_core
    assert len(by_plan[2]) <= document.count("deposit("), "no command is submitted twice"


async def test_there_is_a_plan_for_what_most_clients_send() -> None:
    async def resolve(_context: object, **_: Any) -> object:
        return RESULTS[1]

    SCHEMA.resolve_mutations({"deposit": resolve})
    plans = cast(Mutating, SCHEMA._mutating)
    for document in DOCUMENTS[:2]:
        data = await plans.executed(SCHEMA.gate.admit(document, VARIABLES[0], None, CONTEXT))
        assert data == {
            next(iter(data)): {
                "__typename": "CommandApplied",
                "type": "Deposit",
                "id": str(ID),
                "position": str(2**60),
                "version": 3,
                "stream": "account-1",
            }
        }
    with pytest.raises(Unplanned):
        await plans.executed(SCHEMA.gate.admit(DOCUMENTS[4], VARIABLES[0], None, CONTEXT))
