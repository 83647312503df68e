"""Who may send what: each mutation about what is ada's, by each transport, as each viewer."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.rights.asking import TRANSPORTS, client
from tests.rights.commands import MUTATIONS
from tests.rights.story import OPERATOR, ROLES, Branch
from tests.schema.transports import Client

BY = [transport for transport, kinds in TRANSPORTS.items() if "mutation" in kinds]
OUTCOME = "__typename ... on CommandApplied { commandId }"
SUBMIT = f"""mutation ($of: [AnyCommand!]!) {{
    submit(commands: $of, options: {{validateOnly: true}}) {{ {OUTCOME} }} }}"""
OPERATIONS = {
    "retryDeadLetter": "(commandId: $id) { commandId }",
    "dropDeadLetter": "(commandId: $id) { commandId }",
    "retryEffect": '(effect: "none", position: "1") { effect }',
    "dropEffect": '(effect: "none", position: "1") { effect }',
    "retryReaction": '(reactor: "none", key: "none") { reactor }',
    "skipReaction": '(reactor: "none", key: "none") { reactor }',
    "rebuildProjection": '(projection: "none") { table }',
    "switchProjection": '(projection: "none") { table }',
    "rollBackProjection": '(projection: "none") { table }',
    "dropProjectionTable": '(projection: "none", table: "none") { table }',
}


def inputs(branch: Branch) -> dict[str, dict[str, Any]]:
    """The input of each command, about what is ada's."""
    account, complaint = {"accountId": branch.accounts["ada"]}, {"complaintId": branch.complaints["ada"]}
    return {
        "openAccount": {"owner": "ada", "accountId": str(uuid4())},
        "deposit": {**account, "amount": "1"},
        "withdraw": {**account, "amount": "1"},
        "closeAccount": account,
        "requestTransfer": {
            "sourceId": branch.accounts["ada"],
            "targetId": branch.accounts["bob"],
            "amount": "1",
            "payer": "ada",
        },
        "complain": {"complaintId": str(uuid4()), "customer": "ada", "text": "late"},
        "handOver": {**complaint, "customer": "ada"},
        "publish": complaint,
        "jam": complaint,
        "archive": complaint,
    }


async def answer(own: Client, document: str, **variables: Any) -> dict[str, Any]:
    [only] = [one async for one in own.answers(document, **variables)]
    return only


async def may(own: Client, mutation: str, input: dict[str, Any], **options: Any) -> bool:
    """Whether the rule of a command allows it."""
    type_ = f"{mutation[0].upper()}{mutation[1:]}Input"
    document = f"""mutation ($input: {type_}!, $options: CommandOptions) {{
        {mutation}(input: $input, options: $options) {{ {OUTCOME} }} }}"""
    answered = await answer(own, document, input=input, options={"timeoutMs": 60_000, **options})
    assert "errors" not in answered, answered
    return bool(answered["data"][mutation]["__typename"] != "CommandForbidden")


def may_send(viewer: str, mutation: str) -> bool:
    return viewer in MUTATIONS[mutation].split()


@pytest.mark.parametrize("transport", BY)
async def test_each_viewer_may_send_what_the_table_says(branch: Branch, transport: str) -> None:
    """A dry run: it asks the same rules."""

    async def send_as(viewer: str) -> None:
        given = inputs(branch)
        async with client(branch, transport, viewer) as own:
            for mutation, input in given.items():
                allowed = await may(own, mutation, input, validateOnly=True)
                assert allowed == may_send(viewer, mutation), f"{viewer}: {mutation}"
            sent = await answer(own, SUBMIT, of=[{name: one} for name, one in given.items()])
            outcomes = zip(given, sent["data"]["submit"], strict=True)
            allowed_ones = {name for name, one in outcomes if one["__typename"] != "CommandForbidden"}
            assert allowed_ones == {name for name in given if may_send(viewer, name)}, f"{viewer}: submit"
            for mutation, rest in OPERATIONS.items():
                head = "mutation ($id: UUID!)" if "$id" in rest else "mutation"
                variables = {"id": str(uuid4())} if "$id" in rest else {}
                refused = await answer(own, f"{head} {{ {mutation}{rest} }}", **variables)
                [error] = refused["errors"]
                code = "NOT_FOUND" if may_send(viewer, mutation) else "FORBIDDEN"
                assert error["extensions"]["code"] == code, f"{viewer}: {mutation}: {error}"
            if not may_send(viewer, "cancelCommand"):
                assert await cancelled(own, branch.commands["ada deposit"]) == "NOT_FOUND", viewer

    assert {*inputs(branch), *OPERATIONS, "submit", "cancelCommand"} == set(MUTATIONS)
    await asyncio.gather(*(send_as(viewer) for viewer in ROLES))


async def cancelled(own: Client, command_id: str) -> str:
    """The outcome of a cancelled command, or the code of the error."""
    document = "mutation ($id: UUID!) { cancelCommand(commandId: $id) { ... on CommandRejected { code } } }"
    found = await answer(own, document, id=command_id)
    if "errors" in found:
        return str(found["errors"][0]["extensions"]["code"])
    return str(found["data"]["cancelCommand"]["code"])


async def test_what_is_not_allowed_is_not_done(branch: Branch) -> None:
    head = "{ events(last: 1) { edges { node { position } } } }"
    before = branch.asked(OPERATOR, head)
    for viewer in ROLES:
        async with client(branch, "http", viewer) as own:
            for mutation, input in inputs(branch).items():
                if not may_send(viewer, mutation):
                    assert not await may(own, mutation, input), f"{viewer}: {mutation}"
    assert branch.asked(OPERATOR, head)["data"] == before["data"]


@pytest.mark.parametrize("viewer", MUTATIONS["cancelCommand"].split())
async def test_a_scheduled_command_is_cancelled_by_who_may(branch: Branch, viewer: str) -> None:
    later = {"accountId": branch.accounts["ada"], "amount": "2"}
    scheduled = branch.send("ada", "deposit", later, notBefore=branch.far_away())
    async with client(branch, "http", viewer) as own:
        assert await cancelled(own, scheduled["commandId"]) == "CANCELLED"
