"""A client that may not send a command is told so, by each mutation and with a token of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from commander.examples.bank import bank
from commander.resolvers.identity.authentication import Authentication
from commander.resolvers.identity.keys import GivenKey, secret_key
from commander.resolvers.identity.tokens import Demands, Tokens
from commander.resolvers.services import Services
from commander.schema.http.examples import examples_of
from tests.schema.built import bank_schema
from tests.schema.transports import serving
from tests.system import NO_TLS
from tests.tokens import SECRET, bearer, secret_token

RESULT = "{ __typename type position ... on CommandForbidden { code message } }"
OPEN = f"""mutation ($id: UUID!) {{
  it: openAccount(input: {{owner: "Ada", accountId: $id}}) {RESULT}
}}"""
DEPOSIT = f"mutation ($id: UUID!) {{ it: deposit(input: {{accountId: $id, amount: 5}}) {RESULT} }}"
CLOSE = f"""mutation ($id: UUID!, $options: CommandOptions!) {{
  it: closeAccount(input: {{accountId: $id}}, options: $options) {RESULT}
}}"""
MANY = f"""mutation ($all: [AnyCommand!]!, $o: SubmitOptions) {{
  submit(commands: $all, options: $o) {RESULT}
}}"""
TRANSFER = """mutation ($from: UUID!, $to: UUID!, $payer: String) {
  it: requestTransfer(
    input: {sourceId: $from, targetId: $to, amount: 5, payer: $payer}
    options: {wait: SETTLED, timeoutMs: 20000}
  ) { __typename ... on CommandApplied { transfer { status reason } } }
}"""
CANCEL = f"mutation ($id: UUID!) {{ it: cancelCommand(commandId: $id) {RESULT} }}"
FORBIDDEN = "CommandForbidden"
ADA, EVE, TELLER = secret_token("Ada"), secret_token("Eve"), secret_token("Tess", "teller")
OPERATOR = secret_token("Olga", "operator")


class Api:
    """An API that wants tokens."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"

    async def ask(self, token: str | None, document: str, **variables: Any) -> dict[str, Any]:
        answer = await self._answer(token, document, variables)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def error(self, token: str | None, document: str, **variables: Any) -> tuple[str, str]:
        """The code and the message of the only error."""
        [error] = (await self._answer(token, document, variables))["errors"]
        return error["extensions"]["code"], error["message"]

    async def _answer(self, token: str | None, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        headers: Mapping[str, str] = {} if token is None else bearer(token)
        async with httpx.AsyncClient(timeout=20, verify=NO_TLS) as client:
            body = {"query": document, "variables": variables}
            answer: dict[str, Any] = (await client.post(self._url, json=body, headers=headers)).json()
        return answer


@pytest_asyncio.fixture
async def api(all_parts: Services) -> AsyncIterator[Api]:
    tokens = Tokens(GivenKey(secret_key(SECRET)), Demands(frozenset(("HS256",))))
    authentication = Authentication(tokens)
    signing = replace(all_parts, authentication=authentication)
    task = asyncio.create_task(authentication.run())
    async with serving(bank_schema(), lambda: signing) as port:
        yield Api(port)
    task.cancel()


async def test_each_mutation_says_that_it_is_forbidden(api: Api) -> None:
    account = str(uuid4())
    refused = {
        "__typename": "CommandForbidden",
        "type": "OpenAccount",
        "position": None,
        "code": "FORBIDDEN",
        "message": "you may not send this command",
    }
    for token in (EVE, None):
        assert (await api.ask(token, OPEN, id=account))["it"] == refused
    assert (await api.ask(ADA, OPEN, id=account))["it"]["__typename"] == "CommandApplied"
    for token, typename in ((EVE, "CommandForbidden"), (TELLER, "CommandApplied"), (ADA, "CommandApplied")):
        assert (await api.ask(token, DEPOSIT, id=account))["it"]["__typename"] == typename


async def test_many_commands_and_a_dry_run_say_so_too(api: Api) -> None:
    account = str(uuid4())
    one = {"openAccount": {"owner": "Ada", "accountId": account}}
    two = {"withdraw": {"accountId": account, "amount": "5"}}

    async def kinds(token: str, **options: Any) -> list[str]:
        answer = await api.ask(token, MANY, all=[one, two], o=options)
        return [result["__typename"] for result in answer["submit"]]

    assert await kinds(EVE) == ["CommandForbidden", "CommandForbidden"]
    assert await kinds(ADA) == ["CommandApplied", "CommandRejected"]
    assert await kinds(EVE, validateOnly=True) == ["CommandForbidden", "CommandForbidden"]
    assert await kinds(ADA, validateOnly=True) == ["CommandRejected", "CommandRejected"]


@pytest.mark.parametrize("wait", ["ACCEPTED", "APPLIED"])
async def test_a_rule_on_the_state_is_final_for_this_command_of_this_sender(api: Api, wait: str) -> None:
    account, command_id = str(uuid4()), str(uuid4())
    await api.ask(ADA, OPEN, id=account)
    options = {"commandId": command_id, "wait": wait}
    typename = {"ACCEPTED": "CommandAccepted", "APPLIED": "CommandForbidden"}[wait]
    assert (await api.ask(EVE, CLOSE, id=account, options=options))["it"]["__typename"] == typename
    final = (await api.ask(EVE, CLOSE, id=account, options={"commandId": command_id}))["it"]
    assert final["__typename"] == "CommandForbidden"
    applied = await api.ask(ADA, CLOSE, id=account, options={})
    assert applied["it"]["__typename"] == "CommandApplied"


async def test_what_reactors_send_is_of_the_system_and_moves_only_the_money_of_the_payer(api: Api) -> None:
    adas, eves = str(uuid4()), str(uuid4())
    await api.ask(ADA, OPEN, id=adas)
    await api.ask(EVE, OPEN.replace("Ada", "Eve"), id=eves)
    await api.ask(TELLER, DEPOSIT, id=adas)
    stealing = {"from": adas, "to": eves}
    for payer in ("Ada", None):
        assert (await api.ask(EVE, TRANSFER, **stealing, payer=payer))["it"] == {"__typename": FORBIDDEN}
    found = (await api.ask(EVE, TRANSFER, **stealing, payer="Eve"))["it"]
    assert found["transfer"] == {"status": "REFUSED", "reason": "ACCOUNT_NOT_FOUND"}
    found = (await api.ask(ADA, TRANSFER, **stealing, payer="Ada"))["it"]
    assert found["transfer"] == {"status": "COMPLETED", "reason": None}


async def test_only_its_sender_or_an_operator_cancels_a_command(api: Api) -> None:
    for owner in (ADA, OPERATOR):
        account, command_id, nothing = str(uuid4()), str(uuid4()), str(uuid4())
        await api.ask(ADA, OPEN, id=account)
        options = {"commandId": command_id, "notBefore": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
        scheduled = await api.ask(ADA, CLOSE, id=account, options=options)
        assert scheduled["it"]["__typename"] == "CommandAccepted"
        for token in (EVE, TELLER, None):
            code, message = await api.error(token, CANCEL, id=command_id)
            unknown = await api.error(token, CANCEL, id=nothing)
            assert (code, message) == (unknown[0], unknown[1].replace(nothing, command_id))
        assert (await api.ask(owner, CANCEL, id=command_id))["it"]["__typename"] == "CommandRejected"
        for token in (EVE, TELLER, None):
            code, message = await api.error(token, CANCEL, id=command_id)
            assert (code, command_id in message) == ("NOT_FOUND", True), "it has ended, and that is not told"


async def test_the_examples_of_graphiql_run_for_whom_they_name(api: Api) -> None:
    """A reader acts as Ada, the owner in the examples."""
    opening, deposit, accounts, _ = examples_of(bank)
    opened = (await api.ask(ADA, opening.query, **json.loads(opening.variables)))["openAccount"]
    assert opened["__typename"] == "CommandApplied"
    assert deposit.row is not None
    key = opened["stream"].removeprefix(deposit.row.streams)
    variables = json.loads(deposit.variables.replace(deposit.row.value, key))
    assert (await api.ask(ADA, deposit.query, **variables))["deposit"]["__typename"] == "CommandApplied"
    assert (await api.ask(EVE, deposit.query, **variables))["deposit"]["__typename"] == FORBIDDEN
    for token, count in ((ADA, 1), (TELLER, 1), (OPERATOR, 1), (EVE, 0), (None, 0)):
        assert (await api.ask(token, accounts.query))["accounts"]["totalCount"] == count
