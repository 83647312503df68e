"""A domain as a subgraph: the names of what is Commander's own, entities, and the text for a gateway."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import graphql
import msgspec
import pytest
from graphql import GraphQLEnumType, GraphQLScalarType, is_introspection_type

from commander import DefinitionError
from commander.eventstore.log.epochs import Epoch, Epochs
from commander.eventstore.records import RecordedEvent
from commander.examples.bank import bank
from commander.resolvers.services import Limits, Services
from commander.schema.build import build_schema
from commander.schema.context import Context
from commander.schema.execution.cost import PageSizes
from commander.schema.execution.documents import Documents, Operation
from commander.schema.execution.following import Followed
from commander.schema.execution.gate import FieldRefused
from commander.schema.execution.operations import CommanderSchema
from commander.schema.execution.selections import SelectedField
from commander.schema.http.examples import examples_of
from commander.schema.naming import ROOTS, Naming
from commander.schema.types.results import CommandAccepted, CommandPending
from commander.streaming.feed.feed import CaughtUp, Heartbeat, StandsStill
from tests.schema.built import schema_of
from tests.schema.shop import shop
from tests.schema.test_build import small
from tests.schema.test_descriptions import described
from tests.schema.test_projections import filled, statements

NAMING = Naming.of_subgraph("bank")
bank_subgraph = partial(schema_of, bank, subgraph=True)
shop_subgraph = partial(schema_of, shop, subgraph=True)
OF_EACH_SUBGRAPH = {"_Any", "_Entity", "_Service"}
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)


def type_names(schema: CommanderSchema) -> set[str]:
    return {name for name, type_ in schema._schema.type_map.items() if not is_introspection_type(type_)}


def fields(schema: CommanderSchema, type_: str) -> list[str]:
    return list(getattr(schema._schema.type_map[type_], "fields", {}))


def test_a_domain_that_stands_alone_has_nothing_of_federation() -> None:
    text = build_schema(shop).sdl
    assert not re.search(r"\b_|@key|@shareable|@link|Account|paidBy|shopEvents|ShopCommand", text)
    assert graphql.print_schema(graphql.build_schema(text)) == graphql.print_schema(
        graphql.build_schema(build_schema(shop, subgraph=False).as_str())
    )


def test_a_subgraph_has_the_same_types_and_fields_under_its_names() -> None:
    assert type_names(bank_subgraph()) - OF_EACH_SUBGRAPH == {
        NAMING.type(name) for name in type_names(schema_of(bank))
    }
    for name in type_names(schema_of(bank)):
        found = [field for field in fields(bank_subgraph(), NAMING.type(name)) if not field.startswith("_")]
        known = fields(schema_of(bank), name)
        assert found == ([NAMING.field(field) for field in known] if name in ROOTS else known)


def test_two_domains_share_only_what_a_standard_defines() -> None:
    common = type_names(bank_subgraph()) & type_names(shop_subgraph())
    scalars = {
        name for name in common if isinstance(bank_subgraph()._schema.type_map[name], GraphQLScalarType)
    }
    assert common - scalars == {*ROOTS, "Node", "PageInfo", "Account", "_Entity", "_Service"}
    for root in ROOTS:
        both = set(fields(bank_subgraph(), root)) & set(fields(shop_subgraph(), root))
        assert both == ({"_entities", "_service"} if root == "Query" else set())


def test_everything_is_described_and_by_the_names_of_the_subgraph() -> None:
    texts = dict(described(bank_subgraph()._schema))
    assert [at for at, text in texts.items() if not text] == []
    own = {
        name
        for name in type_names(schema_of(bank))
        if NAMING.type(name) != name and re.search("[a-z][A-Z]", name)
    }
    wrong = rf"\b({'|'.join(own)})\b|`(lineage|events|node|command)\b"
    assert {at: text for at, text in texts.items() if re.search(wrong, text or "")} == {}
    cancelling = "Cancel a queued or scheduled command. Returns BankCommandRejected"
    assert (texts["Mutation.bankCancelCommand"] or "").startswith(cancelling)
    assert texts["Node.id"] == dict(described(shop_subgraph()._schema))["Node.id"]


def test_the_text_for_a_gateway_has_keys_and_marks_what_may_be_shared() -> None:
    document = graphql.parse(shop_subgraph().sdl)
    marks = {
        one.name.value: [graphql.print_ast(mark) for mark in one.directives]
        for one in document.definitions
        if isinstance(one, graphql.ObjectTypeDefinitionNode) and one.directives
    }
    assert marks == {
        "Order": ['@key(fields: "orderId")'],
        "Account": ['@key(fields: "accountId", resolvable: false)'],
        "Price": ["@shareable"],
        "PageInfo": ["@shareable"],
    }
    assert not re.search(r"\b_(Any|Entity|Service|entities|service)\b", shop_subgraph().sdl)


def test_the_examples_of_graphiql_are_valid_in_a_subgraph() -> None:
    documents = Documents(bank_subgraph()._schema, NAMING)
    for example in examples_of(bank, NAMING):
        assert isinstance(documents.read(example.query).operation(None), Operation)


def test_a_name_that_two_would_have_in_a_subgraph_is_an_error_with_its_place() -> None:
    taken = small(projection=("small_event", "shelves"))
    taken.name = "small"
    build_schema(taken)
    with pytest.raises(DefinitionError, match="the name smallEvent is taken in Query"):
        build_schema(taken, subgraph=True)


@pytest.mark.parametrize("outcome", ["CommandAccepted", "CommandPending"])
async def test_a_mutation_of_a_subgraph_has_a_plan(outcome: str) -> None:
    schema = build_schema(bank, subgraph=True)
    given: dict[str, Any] = {"command_id": UUID(int=1), "type": "Deposit", "stream": "account-1"}
    made = {
        "CommandAccepted": CommandAccepted(**given),
        "CommandPending": CommandPending(**given, stage="DECISION", position=None, behind=[]),  # type: ignore[arg-type]
    }[outcome]

    async def resolve(_context: object, **_arguments: Any) -> object:
        return made

    schema.resolve_mutations({"deposit": resolve})
    document = f"""mutation {{ deposit(input: {{accountId: "{uuid4()}", amount: 1}}) {{
      __typename type ... on Bank{outcome} {{ stream }} }} }}"""
    admitted = schema.gate.admit(document, None, None, context())
    assert schema._mutating is not None
    expected = {"deposit": {"__typename": f"Bank{outcome}", "type": "Deposit", "stream": "account-1"}}
    assert await schema._mutating.executed(admitted) == expected
    slowly = document.replace("mutation", "mutation ($yes: Boolean = true)").replace(
        "type ...", "type @include(if: $yes) ..."
    )
    executed = await schema.execute(slowly, None, context())
    assert executed.data == expected, executed.errors


def context(services: Any = None) -> Context:
    epochs = Epochs((Epoch(1, 1), Epoch(2, 7)))
    given: Any = services or SimpleNamespace(limits=Limits(), epochs=epochs, allowances=None)
    return Context(given)


def test_the_changed_rows_that_a_mutation_selects_are_known() -> None:
    document = """mutation { deposit(input: {accountId: ID, amount: 1}) {
      ... on BankCommandApplied { account { balance } } } }""".replace("ID", f'"{uuid4()}"')
    assert bank_subgraph().gate.admit(document, None, None, context()).context.parts_of_outcomes == {
        "account"
    }


ITEMS: Sequence[Any] = (
    CaughtUp(5),
    Heartbeat(2**60),
    StandsStill(5, NOW, "away"),
    RecordedEvent(3, "x-1", 1, "Forgotten", 1, "{}", UUID(int=1), UUID(int=1), None, NOW),
    RecordedEvent(
        3, "account-1", 1, "AccountOpened", 1, f'{{"account_id":"{UUID(int=1)}","owner":"Ada"}}',
        UUID(int=1), UUID(int=1), None, NOW,
    ),
    RecordedEvent(
        3, "reaction-1", 1, "ReactionRejected", 1,
        '{"reactor":"r","command_type":"Keep","code":"NO","message":"no"}',
        UUID(int=1), UUID(int=1), 2, NOW,
    ),
)  # fmt: skip
FEED = """subscription { bankEvents { __typename position ... on BankEvent { type version }
  ... on AccountOpened { owner } ... on BankReactionRejected { code } ... on BankUnreadableEvent { reason }
  ... on BankStandsStill { since } } }"""


@pytest.mark.parametrize("item", ITEMS, ids=range(len(ITEMS)))
def test_the_feed_is_shown_as_graphql_core_shows_it(item: Any) -> None:
    followed = bank_subgraph().followed(bank_subgraph().gate.admit(FEED, None, None, context()))
    assert isinstance(followed, Followed)
    rendered = followed.renderer.render(item)
    assert rendered.payload == followed.renderer._executed(item).payload
    assert not rendered.errors
    shown = msgspec.json.decode(rendered.data)["bankEvents"]
    assert shown["__typename"] in {
        *("BankCaughtUp", "BankHeartbeat", "BankStandsStill", "BankUnreadableEvent"),
        *("AccountOpened", "BankReactionRejected"),
    }


ENTITIES = """query ($of: [_Any!]!) { _entities(representations: $of) {
  __typename ... on Account { accountId owner } ... on Transfer { status } } }"""
LISTED = "{ accounts(first: 500) { edges { node { accountId } } } }"


async def asked(services: Services, *representations: Any) -> Any:
    return await bank_subgraph().execute(ENTITIES, {"of": list(representations)}, Context(services))


async def account_ids(services: Services) -> list[str]:
    listed: Any = (await bank_subgraph().execute(LISTED, None, Context(services))).data
    return [edge["node"]["accountId"] for edge in listed["accounts"]["edges"]]


@pytest.fixture
async def hundred(services: Services, database_url: str) -> Services:
    """A hundred accounts, read through one connection."""
    return await filled(services, database_url, 100)


async def test_entities_are_read_in_one_statement_in_the_order_of_their_keys(hundred: Services) -> None:
    ids = (await account_ids(hundred))[::-1]
    of = [{"__typename": "Account", "accountId": one} for one in [*ids, str(uuid4()), ids[0]]]
    await asked(hundred, *of)  # the driver asks about types, once for each connection
    async with statements(hundred) as sent:
        result = await asked(hundred, *of)
    assert result.errors is None
    assert len(sent) == 1, sent
    account = {"__typename": "Account", "owner": "Ada"}
    expected = [{**account, "accountId": one} for one in ids]
    assert result.data["_entities"] == [*expected, None, expected[0]]
    assert set(result.extensions["projections"]) == {"account"}
    await hundred.database.close()


WRONG = [
    (7, "each must be an object with a __typename"),
    ({"accountId": "x"}, "each must be an object with a __typename"),
    ({"__typename": 7}, "each must be an object with a __typename"),
    (
        {"__typename": "Shelf", "id": 1},
        "'Shelf' is not an entity of this subgraph",
    ),
    (
        {"__typename": "BankCommand", "commandId": str(uuid4())},
        "'BankCommand' is not an entity of this subgraph",
    ),
    ({"__typename": "Account"}, "Account.accountId must be a UUID!, got None"),
    ({"__typename": "Account", "accountId": None}, "Account.accountId must be a UUID!, got None"),
    ({"__typename": "Account", "accountId": "no id"}, "Account.accountId must be a UUID!, got 'no id'"),
    ({"__typename": "Account", "accountId": ["x"]}, "Account.accountId must be a UUID!, got ['x']"),
]


async def test_a_wrong_representation_is_an_error_in_its_place_and_the_others_are_answered(
    hundred: Services,
) -> None:
    [known, *_] = await account_ids(hundred)
    right = {"__typename": "Account", "accountId": known, "more": [{}]}
    result = await asked(hundred, *(one for one, _ in WRONG), right)
    assert [one is None for one in result.data["_entities"]] == [True] * len(WRONG) + [False]
    told = {tuple(error.path): error for error in result.errors}
    assert set(told) == {("_entities", index) for index in range(len(WRONG))}
    for index, (_, message) in enumerate(WRONG):
        error = told["_entities", index]
        assert error.message == f"representations: {message}"
        assert error.extensions == {"code": "BAD_REQUEST", "argument": "representations"}
    await hundred.database.close()


async def test_a_representation_may_stand_in_the_document(hundred: Services) -> None:
    [known, *_] = await account_ids(hundred)
    of = f'[{{__typename: "Account", accountId: "{known}"}}]'
    document = f"{{ _entities(representations: {of}) {{ __typename }} }}"
    result = await bank_subgraph().execute(document, None, Context(hundred))
    assert result.data == {"_entities": [{"__typename": "Account"}]}
    await hundred.database.close()


async def test_more_entities_than_an_answer_may_have_are_not_read(hundred: Services) -> None:
    limited = replace(hundred, limits=Limits(max_answer_items=10))
    of = [{"__typename": "Account", "accountId": str(uuid4())} for _ in range(11)]
    async with statements(hundred) as sent:
        result = await asked(limited, *of)
    assert sent == []
    assert result.data is None
    [error] = result.errors
    assert error.extensions == {"code": "ANSWER_TOO_LARGE", "limit": 10}
    await hundred.database.close()


def test_each_representation_has_its_price() -> None:
    schema = build_schema(bank, subgraph=True)
    operation = schema.gate.admit(ENTITIES, {"of": []}, None, context()).operation
    pages = PageSizes(50, 500)
    costs = [operation.price.of({"of": [{}] * count}, pages) for count in (0, 1, 30)]
    assert costs == [0, 1, 30]
    text = schema.gate.admit("{ _service { sdl } }", None, None, context()).operation
    assert text.price.of(None, pages) > 100


async def test_rows_of_any_kind_are_found_through_the_interface(hundred: Services) -> None:
    listed = """{ accounts(first: 1) { edges { node { id __typename } } }
      bankEvents(first: 1) { edges { node { __typename id } } }
      bankCommands(first: 1) { edges { node { id } } } }"""
    shown: Any = (await bank_subgraph().execute(listed, None, Context(hundred))).data
    ids = [shown[name]["edges"][0]["node"]["id"] for name in ("accounts", "bankEvents", "bankCommands")]
    again = "query ($ids: [ID!]!) { bankNodes(ids: $ids) { __typename id } }"
    result: Any = await bank_subgraph().execute(again, {"ids": ids}, Context(hundred))
    assert result.errors is None
    names = ["Account", "AccountOpened", "BankCommand"]
    assert result.data["bankNodes"] == [
        {"__typename": name, "id": id} for name, id in zip(names, ids, strict=True)
    ]
    await hundred.database.close()


def refusing(*refused: str) -> CommanderSchema:
    def rule(_context: Context, field: SelectedField) -> None:
        if f"{field.parent}.{field.name}" in refused:
            raise FieldRefused("FORBIDDEN", f"{field.name} is not for you")

    return build_schema(bank, [rule], subgraph=True)


@pytest.mark.parametrize("refused", ["Query._entities", "Account.owner"])
async def test_entities_pass_the_gate(refused: str) -> None:
    result: Any = await refusing(refused).execute(ENTITIES, {"of": []}, context())
    assert result.data is None
    assert [error.extensions["field"] for error in result.errors] == [refused]


@pytest.mark.parametrize("refused", ["Query.__schema", "__Type.name", "Query._service"])
async def test_the_text_is_only_for_who_may_introspect(refused: str) -> None:
    answer: Any = await refusing(refused).execute("{ _service { sdl } }", None, context())
    assert answer.data is None
    assert [error.extensions["code"] for error in answer.errors] == ["FORBIDDEN"]
    given = await bank_subgraph().execute("{ _service { sdl } }", None, context())
    assert given.data == {"_service": {"sdl": bank_subgraph().sdl}}


def test_a_domain_without_projections_has_no_entities() -> None:
    schema = build_schema(small(), subgraph=True)
    assert "_entities" not in fields(schema, "Query")
    assert "_service" in fields(schema, "Query")


async def test_a_row_leads_to_the_object_of_another_subgraph() -> None:
    buyer, order = uuid4(), uuid4()
    row_class = shop.projections["order"].cls
    row = row_class(order, buyer, None, None, None)
    plain: Any = shop_subgraph()._schema.type_map["Order"]
    linked = {name: plain.fields[name].resolve(row, None) for name in ("buyer", "paidBy")}
    assert linked["buyer"].accountId == buyer
    assert linked["paidBy"] is None


def test_enums_of_two_versions_of_commander_are_never_one() -> None:
    """A gateway merges enums of one name only if they have the same values."""
    common = type_names(bank_subgraph()) & type_names(shop_subgraph())
    assert [
        name for name in common if isinstance(bank_subgraph()._schema.type_map[name], GraphQLEnumType)
    ] == []
