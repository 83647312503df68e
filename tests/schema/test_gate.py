"""Every selected field passes the gate once, by every transport, before anything is executed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from strawberry.types.graphql import OperationType

from commander.domain.errors import Unavailable
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount, RequestTransfer
from commander.resolvers import node_ids
from commander.resolvers.services import Limits, Services
from commander.schema.build import build_schema
from commander.schema.context import Context
from commander.schema.execution import following, operations, rendering, resolved
from commander.schema.execution.gate import FieldRefused, OperationRejected
from commander.schema.execution.mutation_plans import Mutating
from commander.schema.execution.operations import CommanderSchema
from commander.schema.execution.rendering import Renderer
from commander.schema.execution.selections import SelectedField
from tests.schema.every_field import operations as operations_of
from tests.schema.every_field import reachable, selected_in
from tests.schema.transports import CARRIES, client_of, first, serving
from tests.streaming.conftest import Bank


class Recording:
    """A rule that notes what it sees, and refuses the fields that it is told to."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.seen: list[tuple[Context, SelectedField]] = []

    def __call__(self, context: Context, field: SelectedField) -> None:
        self.seen.append((context, field))
        if f"{field.parent}.{field.name}" in self.refused:
            raise FieldRefused("FORBIDDEN", f"{field.name} is not for you")

    def taken(self) -> list[tuple[Context, SelectedField]]:
        """What was seen since the last time."""
        seen, self.seen = self.seen, []
        return seen


class Watched:
    """The services, and the names of those that were used."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.used: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self.used.add(name)
        return getattr(self._services, name)


async def transferred(servers: Bank, services: Services) -> dict[str, str]:
    """Something to ask for, as arguments: an account, a transfer, the command that asked for it.

    It has come to rest: an item that arrives while its subscriber leaves is not executed to its end.
    """
    source, target, transfer = uuid4(), uuid4(), uuid4()
    for command in (OpenAccount("Ada", source), OpenAccount("Eve", target), Deposit(source, Decimal(9))):
        await servers.submit(command)
    command_id = await servers.submit(RequestTransfer(source, target, Decimal(5), transfer))
    async with asyncio.timeout(20):
        while not (log := await servers.log()) or log[-1].type != "TransferCompleted":
            await asyncio.sleep(0.02)
        while any(services.progress.position_of(name) < log[-1].position for name in services.tables):
            await asyncio.sleep(0.02)
    given = {name: f'"{value}"' for name, value in (("accountId", source), ("transferId", transfer))}
    given["commandId"] = f'"{command_id}"'
    ids = [node_ids.command_id(command_id), node_ids.event_id(1, services.epochs)]
    ids += [node_ids.row_id(bank.projections["account"], SimpleNamespace(account_id=source))]
    given |= {"id": f'"{ids[2]}"', "ids": json.dumps(ids)}
    return given | {
        "options": "{wait: ACCEPTED}",
        "Position": '"1"',
        "UUID": f'"{uuid4()}"',
        "String": '"x"',
        "Decimal": "1",
        "Int": "1",
    }


def filled(document: str, given: dict[str, str]) -> str:
    return document.replace("ACCOUNT", given["accountId"]).replace("COMMAND", given["commandId"])


async def test_each_field_of_the_bank_passes_once_by_each_transport(
    servers: Bank, all_parts: Services
) -> None:
    rule = Recording()
    schema = build_schema(bank, [rule])
    graphql_schema = schema._schema
    given = await transferred(servers, all_parts)
    roots = {kind: getattr(graphql_schema, f"{kind}_type") for kind in ("query", "mutation", "subscription")}
    documents = {kind: list(operations_of(graphql_schema, root, given)) for kind, root in roots.items()}
    expected = {one: selected_in(graphql_schema, one) for kind in documents.values() for one in kind}
    contexts: list[Context] = []
    async with serving(schema, lambda: all_parts) as port:
        for transport, kinds in CARRIES.items():
            async with client_of(transport, port) as client:
                for kind in kinds:
                    passed: set[tuple[str, str]] = set()
                    for document in documents[kind]:
                        [answer] = await first(client, document)
                        codes = {error["extensions"]["code"] for error in answer.get("errors") or ()}
                        assert codes <= {"NOT_FOUND"}, answer["errors"]  # there are no dead letters
                        seen = rule.taken()
                        fields = Counter((field.parent, field.name) for _, field in seen)
                        assert fields == expected[document], (transport, document)
                        assert len({id(field.node) for _, field in seen}) == len(seen), transport
                        [context] = {id(context): context for context, _ in seen}.values()
                        contexts.append(context)
                        passed |= set(fields)
                    assert reachable(graphql_schema, roots[kind]) <= passed, transport
    assert len({id(context) for context in contexts}) == len(contexts), "each operation has its own"


DEPOSIT = (
    "mutation { deposit(input: {accountId: ACCOUNT, amount: 1}) { ... on CommandApplied { SELECTED } } }"
)
FEED = 'subscription { events(after: "0") { position ... on AccountOpened { owner } } }'
LIVE = "subscription { account(accountId: ACCOUNT) { row { owner } } }"
STATUS = "subscription { commandStatus(commandId: COMMAND) { status } }"
WAYS = {
    "a plan of a mutation": (DEPOSIT.replace("SELECTED", "position"), Mutating, "_shown"),
    "a mutation that has no plan": (DEPOSIT.replace("SELECTED", "events { type }"), operations, "execute"),
    "a query": (
        "{ account(accountId: ACCOUNT) { events { edges { cursor } } } }",
        operations,
        "execute",
    ),
    "the feed": (FEED, Renderer, "_plan"),
    "the feed, executed": (FEED.replace("position", "type: __typename"), rendering, "execute"),
    "live rows": (LIVE, following, "execute"),
    "a resolved subscription": (STATUS, resolved, "create_source_event_stream"),
}
"""Each way of executing an operation: an operation that goes that way, and what runs it."""


async def test_each_way_of_executing_is_behind_the_gate(
    servers: Bank, all_parts: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = Recording()
    schema = build_schema(bank, [rule])
    given = await transferred(servers, all_parts)
    passed_before: list[int] = []

    def spied(runs: Callable[..., Any]) -> Callable[..., Any]:
        def spy(*args: Any, **kwargs: Any) -> Any:
            passed_before.append(len(rule.seen))
            return runs(*args, **kwargs)

        return spy

    async with serving(schema, lambda: all_parts) as port, client_of("graphql-transport-ws", port) as client:
        for way, (template, owner, name) in WAYS.items():
            document = filled(template, given)
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, spied(getattr(owner, name)))
                if way == "the feed, executed":  # as where a value has no form in GraphQL
                    patch.setattr(Renderer, "_plan", lambda *_: None)
                [answer] = await first(client, document)
            assert answer["data"], way
            assert "errors" not in answer, way
            assert passed_before, f"it goes the way of {way}"
            fields = Counter((field.parent, field.name) for _, field in rule.seen)
            assert fields == selected_in(schema._schema, document), way
            assert set(passed_before) == {sum(fields.values())}, f"{way}: all pass before anything runs"
            rule.taken()
            passed_before.clear()


async def test_the_items_of_a_subscription_do_not_pass_again(servers: Bank, all_parts: Services) -> None:
    rule = Recording()
    given = await transferred(servers, all_parts)
    account = UUID(given["accountId"].strip('"'))
    async with (
        serving(build_schema(bank, [rule]), lambda: all_parts) as port,
        client_of("graphql-transport-ws", port) as client,
    ):
        async with aclosing(client.answers(filled(LIVE, given))) as rows:
            await anext(rows)
            assert len(rule.taken()) == 3
            await servers.submit(Deposit(account, Decimal(1)))
            await anext(rows)
            assert rule.taken() == []
        assert len(await first(client, FEED, answers=5)) == 5
        assert len(rule.taken()) == 3


REFUSED = {
    "query": [
        ("{ account(accountId: ACCOUNT) { owner } }", "Account.owner"),
        (
            "query { ...F } fragment F on Query { all: events { edges { node { stream } } } }",
            "Event.stream",
        ),
        ("{ lineage(commandId: COMMAND) { root { __typename } } }", "LineageCommand.__typename"),
    ],
    "mutation": [
        (DEPOSIT.replace("SELECTED", "position"), "Mutation.deposit"),
        (DEPOSIT.replace("SELECTED", "events { type }"), "CommandApplied.events"),
        ('mutation { submit(commands: [{openAccount: {owner: "Ada"}}]) { __typename } }', "Mutation.submit"),
        ("mutation { cancelCommand(commandId: COMMAND) { __typename } }", "Mutation.cancelCommand"),
    ],
    "subscription": [
        (FEED, "AccountOpened.owner"),
        (FEED, "FeedItem.position"),
        (LIVE, "Account.owner"),
        ("subscription { accounts { changes { kind } } }", "AccountLiveList.changes"),
        (STATUS, "Command.status"),
        ("subscription { lineage(commandId: COMMAND) { settled } }", "Subscription.lineage"),
    ],
}
"""Operations, each with a field that is refused."""


async def test_of_an_operation_with_a_refused_field_nothing_runs(servers: Bank, all_parts: Services) -> None:
    rule = Recording()
    watched = Watched(all_parts)
    given = await transferred(servers, all_parts)
    async with serving(build_schema(bank, [rule]), lambda: cast(Services, watched)) as port:
        for transport, kinds in CARRIES.items():
            async with client_of(transport, port) as client:
                for template, field in (one for kind in kinds for one in REFUSED[kind]):
                    document, where = filled(template, given), (transport, template)
                    rule.refused = (field,)
                    watched.used.clear()
                    [answer] = await first(client, document, answers=2)
                    assert answer.get("data") is None, where
                    [error] = answer["errors"]
                    assert error["message"] == f"{field.partition('.')[2]} is not for you"
                    assert error["extensions"] == {"code": "FORBIDDEN", "field": field}
                    assert error["locations"], where
                    assert watched.used <= BEFORE, where
                    rule.refused = ()
                    await first(client, document)
                    assert watched.used - BEFORE, f"{where}: what is admitted uses services"


BEFORE = {"actor_header", "allowances", "authentication", "database"}
"""What is read of the services before the gate: who asks, and whether Postgres can take another."""
NO_SERVICES = cast(Services, SimpleNamespace(limits=Limits(), allowances=None))
CONTEXT = Context(NO_SERVICES, "ada")


def rejected(schema: CommanderSchema, document: str, name: str | None = None) -> list[dict[str, Any]]:
    """The errors with which the gate refuses an operation."""
    with pytest.raises(OperationRejected) as raised:
        schema.gate.admit(document, None, name, CONTEXT)
    return [dict(error.formatted) for error in raised.value.errors]


def test_each_refused_field_has_an_error_and_no_later_rule_sees_it() -> None:
    one, other = Recording("Event.type", "Event.stream"), Recording("Event.stream", "Event.version")
    document = '{ event(position: "1") { kind: type stream\n version position } }'
    errors = rejected(build_schema(bank, [one, other]), document)
    assert [(error["extensions"]["field"], error["locations"][0]["line"]) for error in errors] == [
        ("Event.type", 1),
        ("Event.stream", 1),
        ("Event.version", 2),
    ]
    assert [field.name for _, field in one.seen] == ["event", "type", "stream", "version", "position"]
    assert [field.name for _, field in other.seen] == ["event", "version", "position"]


def test_a_rule_that_fails_lets_nothing_pass() -> None:
    def broken(_context: Context, field: SelectedField) -> None:
        if field.name == "type":
            raise RuntimeError("a bug")
        if field.name == "stream":
            raise Unavailable("Postgres", "it is away")

    bug, away = rejected(build_schema(bank, [broken]), '{ event(position: "1") { type stream } }')
    assert bug["extensions"]["code"] == "INTERNAL"
    assert "a bug" not in bug["message"]
    del away["extensions"]["incident"]
    assert away["extensions"] == {"code": "UNAVAILABLE", "server": "Postgres", "field": "Event.stream"}


def test_no_rule_sees_what_is_rejected_for_its_form() -> None:
    rule = Recording()
    schema = build_schema(bank, [rule])
    for document in ("{", "{ nothing }", "query A { __typename } query B { __typename }"):
        assert [error["extensions"] for error in rejected(schema, document)] == [{"code": "BAD_REQUEST"}]
    with pytest.raises(OperationRejected, match="this transport cannot send a subscription"):
        schema.gate.admit(FEED, None, None, CONTEXT, frozenset((OperationType.QUERY,)))
    assert rule.seen == []


async def test_only_the_operation_that_runs_is_looked_at_and_it_has_a_context_of_its_own() -> None:
    rule = Recording("Query.events")
    schema = build_schema(bank, [rule])
    document = "query A { __typename } query B { events { edges { cursor } } }"
    answer = await schema.execute(document, context_value=CONTEXT, operation_name="A")
    assert answer.data == {"__typename": "Query"}
    [(context, field)] = rule.seen
    assert (field.parent, field.name, context.actor) == ("Query", "__typename", "ada")
    assert context is not CONTEXT
    assert rejected(schema, document, "B")


async def test_a_subscription_is_no_operation_with_one_answer() -> None:
    answer = await build_schema(bank).execute(FEED, context_value=CONTEXT)
    [error] = answer.errors or []
    assert error.message == "this transport cannot send a subscription"


async def test_without_a_request_context_nothing_runs() -> None:
    schema = build_schema(bank)
    with pytest.raises(TypeError, match="context_value must be a Context, got None"):
        await schema.execute("{ __typename }")
    with pytest.raises(TypeError, match="context_value must be a Context"):
        await schema.stream("{ __typename }", context_value={})
