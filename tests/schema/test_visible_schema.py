"""With COMMANDER_INTROSPECTION=visible, a viewer knows of the schema what its roles can ever reach."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLSchema,
    build_client_schema,
    get_introspection_query,
    validate_schema,
)
from graphql import build_schema as schema_of_text
from websockets import Subprotocol, connect

from commander import Domain, Ref, Visible, anyone, same_as
from commander.domain import Viewer
from commander.domain.viewers import NOBODY
from commander.examples.bank import bank
from commander.resolvers.identity.authentication import Authentication
from commander.resolvers.identity.keys import GivenKey, secret_key
from commander.resolvers.identity.tokens import Demands, Tokens
from commander.resolvers.services import Services
from commander.schema.build import build_schema
from commander.schema.context import Context
from commander.schema.execution import visible_schema
from commander.schema.execution.operations import CommanderSchema
from commander.schema.http.examples import examples_of
from tests.schema.transports import serving
from tests.system import NO_TLS
from tests.tokens import SECRET, bearer, secret_token

office = Domain("office")


@office.command(allow={"boss"})
@dataclass(frozen=True)
class Hire:
    person_id: UUID
    salary: int


@office.command(allow=anyone)
@dataclass(frozen=True)
class Write:
    person_id: UUID
    text: str


@office.event(visible={"boss"})
@dataclass(frozen=True)
class Hired:
    person_id: UUID
    salary: int


@office.event(visible=same_as("person"))
@dataclass(frozen=True)
class Promoted:
    person_id: UUID


@office.event(visible=anyone)
@dataclass(frozen=True)
class Written:
    person_id: UUID
    text: str
    mood: Annotated[str, Visible({"boss"})] = ""


@office.event
@dataclass(frozen=True)
class Filed:
    """Without a rule, but whoever writes is told of it."""

    person_id: UUID


@office.aggregate(key="person_id")
@dataclass(frozen=True)
class Person:
    def hire(self, command: Hire) -> Hired | Promoted:
        return Hired(command.person_id, command.salary)

    def write(self, command: Write) -> list[Written | Filed]:
        return [Written(command.person_id, command.text), Filed(command.person_id)]

    def hired(self, event: Hired) -> Person:
        return self

    def promoted(self, event: Promoted) -> Person:
        return self

    def written(self, event: Written) -> Person:
        return self

    def filed(self, event: Filed) -> Person:
        return self


@office.projection("person", key="person_id", visible={"boss"})
@dataclass(frozen=True)
class PersonRow:
    person_id: UUID
    salary: int

    @classmethod
    def hired(cls, event: Hired) -> PersonRow:
        return cls(event.person_id, event.salary)


@office.projection("letter", key="person_id", indexes=("text", "mood"), visible=anyone)
@dataclass(frozen=True)
class LetterRow:
    person_id: UUID
    text: str
    mood: Annotated[str, Visible({"boss"})]
    author_id: Annotated[UUID, Ref("person", reverse="letters")]
    reader_id: Annotated[UUID | None, Ref("person"), Visible({"boss"})] = None

    @classmethod
    def written(cls, event: Written) -> LetterRow:
        return cls(event.person_id, event.text, event.mood, event.person_id)


OPERATOR = Viewer("olga", frozenset({"operator"}))
BOSS = Viewer("bea", frozenset({"boss", "of something else"}))
SCHEMA = build_schema(office, hides=True)
OF_OPERATORS = {"deadLetters", "retryReaction", "skipReaction", "retryEffect", "dropDeadLetter"}


def context_of(services: Services | None, viewer: Viewer | None, domain: Domain = office) -> Context:
    rights = None if viewer is None else domain.rights(viewer, frozenset({"operator"}))
    given: Any = services
    return Context(given, rights=rights)


def known(viewer: Viewer | None, schema: CommanderSchema = SCHEMA, domain: Domain = office) -> GraphQLSchema:
    return schema.gate.schema_for(context_of(None, viewer, domain))


def names_in(schema: GraphQLSchema) -> set[str]:
    """All types, and all their members as Type.member."""
    found = set()
    for name, type_ in schema.type_map.items():
        members = getattr(type_, "fields", None) or getattr(type_, "values", None) or {}
        found |= {name, *(f"{name}.{member}" for member in members)}
    return found


def test_what_the_roles_of_a_viewer_never_reach_is_gone_and_all_that_only_leads_there() -> None:
    whole, nobody = names_in(known(OPERATOR)), names_in(known(NOBODY))
    gone = whole - nobody
    assert {
        *("Mutation.hire", "AnyCommand.hire", "HireInput", "CommandRejected.hireCode", "HireRejectionCode"),
        *("Hired", "Promoted", "ReactionRejected"),
        *("Query.person", "Query.persons", "Subscription.persons", "Person", "PersonWhere", "PersonColumn"),
        *("ProjectionName.PERSON", "CommandApplied.person", "PersonLiveRow", "PersonConnection"),
        *("Letter.author", "LetterWhere.author", "LetterAt.author"),
        *("Letter.mood", "LetterAt.mood", "LetterWhere.mood", "LetterColumn.MOOD", "Written.mood"),
        *("Letter.readerId", "Letter.reader", "LetterWhere.reader"),
        *("Query.deadLetters", "Mutation.retryEffect", "Query.reactorFailures", "EffectFailure"),
        *("Query.system", "Subscription.system", "System", "SystemQueue"),
    } & whole <= gone
    assert {"Mutation.hire", "Person.salary", "Letter.mood", "Query.deadLetters", "Letter.reader"} <= gone
    assert {"Mutation.write", "Letter.text", "Letter.authorId", "Filed", "Written.text"} <= nobody
    boss = names_in(known(BOSS))
    assert {"Mutation.hire", "Person.salary", "Letter.mood", "Letter.reader", "Promoted"} <= boss
    assert not {"Query.deadLetters", "Subscription.system", "System"} & boss
    assert known(None) is known(OPERATOR), "operators, and everyone if authentication is off, know all"
    assert known(NOBODY) is known(Viewer("ada", frozenset({"unknown"}))), "roles of no rule do not count"


@pytest.mark.parametrize("viewer", [NOBODY, BOSS, OPERATOR], ids=["nobody", "boss", "operator"])
async def test_it_is_a_valid_schema_and_the_same_by_introspection_and_as_text(
    services: Services, viewer: Viewer
) -> None:
    schema = known(viewer)
    assert validate_schema(schema) == []
    asked = await SCHEMA.execute(
        get_introspection_query(input_value_deprecation=True), {}, context_of(services, viewer)
    )
    assert asked.errors is None
    given: Any = asked.data
    text = SCHEMA.gate.text_for(context_of(None, viewer), SCHEMA.sdl)
    by_text, by_introspection = schema_of_text(text), build_client_schema(given)
    assert names_in(by_text) == names_in(by_introspection) == names_in(schema)
    interfaces = [type_ for type_ in schema.type_map.values() if isinstance(type_, GraphQLInterfaceType)]
    for type_ in interfaces:
        shown = {one.name for one in schema.get_possible_types(type_)}
        document = f'{{ __type(name: "{type_.name}") {{ possibleTypes {{ name }} }} }}'
        answer = await SCHEMA.execute(document, {}, context_of(services, viewer))
        assert answer.data is not None
        assert {one["name"] for one in answer.data["__type"]["possibleTypes"]} == shown


ID = f'"{UUID(int=1)}"'
DOCUMENTS = {
    "a query": ("{ NAME { __typename } }", "persons", {}),
    "a field": ("{ letters { edges { node { NAME } } } }", "mood", {}),
    "a type": ("{ events { edges { node { ... on NAME { position } } } } }", "Hired", {}),
    "a mutation": (f"mutation {{ NAME(input: {{personId: {ID}, salary: 1}}) {{ __typename }} }}", "hire", {}),
    "an operation": ("{ NAME { commandId } }", "deadLetters", {}),
    "a subscription": ("subscription { NAME { position } }", "persons", {}),
    "a filter": ('{ letters(where: {NAME: {eq: "x"}}) { totalCount } }', "mood", {}),
    "an order": ("{ letters(orderBy: {column: NAME}) { totalCount } }", "MOOD", {}),
    "a filter in a variable": (
        "query ($w: LetterWhere) { letters(where: $w) { totalCount } }",
        "mood",
        {"w": {"NAME": {"eq": "x"}}},
    ),
    "a value in a variable": (
        'mutation ($o: CommandOptions) { write(input: {personId: ID, text: ""}, options: $o) '
        "{ __typename } }".replace("ID", ID),
        "PERSON",
        {"o": {"wait": "PROJECTED", "projections": ["NAME"]}},
    ),
    "a command in a variable": (
        "mutation ($c: [AnyCommand!]!) { submit(commands: $c) { __typename } }",
        "hire",
        {"c": [{"NAME": {"personId": str(UUID(int=1)), "salary": 1}}]},
    ),
    "introspection": ('{ __type(name: "NAME") { name } }', "Person", {}),
}
UNKNOWN = "zzqqxx"


@pytest.mark.parametrize("case", DOCUMENTS)
async def test_what_is_hidden_is_refused_as_what_is_unknown(services: Services, case: str) -> None:
    document, hidden, variables = DOCUMENTS[case]
    told = []
    for name in (hidden, UNKNOWN):
        context = context_of(replace(services, domain=office), Viewer("ada"))
        given = json.loads(json.dumps(variables).replace("NAME", name))
        answers = await SCHEMA.stream(document.replace("NAME", name), given, context)
        [answer] = [one async for one in answers]
        shown = json.dumps([answer.data, [error.formatted for error in answer.errors or ()]])
        told.append(re.sub(" Did you mean [^?]*[?]", "", shown.replace(name, "NAME")))
    assert told[0] == told[1]


async def test_no_suggestion_names_what_is_hidden(services: Services) -> None:
    document = "{ person_ { __typename } letters { edges { node { moodd txt } } } deadLeters { commandId } }"
    for viewer, suggested in ((Viewer("ada"), False), (BOSS, True)):
        answer = await SCHEMA.execute(document, {}, context_of(services, viewer))
        messages = str([error.message for error in answer.errors or ()])
        assert ("'mood'" in messages) is suggested
        assert "'text'" in messages
        assert "deadLetters" not in messages


async def test_typename_and_data_beside_introspection(services: Services) -> None:
    document = "{ __typename __schema { queryType { fields { name } } } commands { edges { cursor } } }"
    context = context_of(replace(services, domain=office), Viewer("ada"))
    answer = await SCHEMA.execute(document, {}, context)
    assert answer.errors is None
    assert answer.data is not None
    assert (answer.data["__typename"], answer.data["commands"]) == ("Query", {"edges": []})
    fields = {one["name"] for one in answer.data["__schema"]["queryType"]["fields"]}
    assert "letters" in fields
    assert not fields & {"persons", *OF_OPERATORS}


def test_schemas_are_kept_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visible_schema, "_KEPT", 1)
    schema = build_schema(office, hides=True)
    first = known(NOBODY, schema)
    assert known(NOBODY, schema) is first
    assert known(BOSS, schema) is known(BOSS, schema)
    assert known(NOBODY, schema) is not first


def test_the_schema_of_a_subgraph_is_for_operators() -> None:
    schema = build_schema(office, subgraph=True, hides=True)
    nobody = names_in(known(NOBODY, schema))
    assert "Query._service" in names_in(known(OPERATOR, schema))
    assert not nobody & {"Query._service", "Mutation.hire", "Query.officeDeadLetters", "Person"}
    entity: Any = known(NOBODY, schema).type_map["_Entity"]
    assert [one.name for one in entity.types] == ["Letter"]
    assert validate_schema(known(NOBODY, schema)) == []


async def test_a_gateway_is_told_of_hidden_rows_what_it_is_told_of_unknown_ones(services: Services) -> None:
    schema = build_schema(office, subgraph=True, hides=True)
    document = "query ($of: [_Any!]!) { _entities(representations: $of) { __typename } }"
    told = []
    for name in ("Person", UNKNOWN):
        variables = {"of": [{"__typename": name, "personId": str(UUID(int=1))}]}
        context = context_of(replace(services, domain=office), Viewer("ada"))
        answer = await schema.execute(document, variables, context)
        told.append(str([error.formatted for error in answer.errors or ()]).replace(name, "NAME"))
    assert "is not an entity" in told[0]
    assert told[0] == told[1]


def test_without_the_setting_everyone_knows_all() -> None:
    schema = build_schema(office)
    assert known(NOBODY, schema) is known(OPERATOR, schema)


TRANSPORTS = ("http", "sse", "graphql-transport-ws")
VIEWERS: Mapping[str, tuple[str, ...] | None] = {
    "nobody": None,
    "customer": (),
    "teller": ("teller",),
    "operator": ("operator",),
}
FIELDS = "{ __schema { queryType { fields { name } } mutationType { fields { name } } } }"


async def asked(transport: str, port: int, headers: Mapping[str, str]) -> Any:
    url, request = f"127.0.0.1:{port}/graphql", {"query": FIELDS}
    if transport == "graphql-transport-ws":
        async with connect(
            f"ws://{url}", subprotocols=[Subprotocol(transport)], proxy=None, additional_headers=headers
        ) as socket:
            await socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": request}))
            return json.loads(await socket.recv())["payload"]["data"]
    accept = {"accept": "text/event-stream"} if transport == "sse" else {}
    async with httpx.AsyncClient(timeout=60, verify=NO_TLS) as client:
        response = await client.post(f"http://{url}", json=request, headers={**headers, **accept})
    if transport == "http":
        return response.json()["data"]
    lines = [line for line in response.text.splitlines() if line.startswith("data:") and "{" in line]
    return json.loads(lines[0].removeprefix("data:"))["data"]


async def test_each_viewer_of_the_bank_is_shown_its_schema_by_each_transport(services: Services) -> None:
    tokens = Tokens(GivenKey(secret_key(SECRET)), Demands(frozenset(("HS256",))))
    made = replace(services, authentication=Authentication(tokens))
    schema = build_schema(bank, hides=True)
    async with (
        serving(schema, lambda: made) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/graphql/", timeout=60, verify=NO_TLS) as client,
    ):
        texts = {}
        for name, roles in VIEWERS.items():
            headers = {} if roles is None else bearer(secret_token(name, *roles))
            for transport in TRANSPORTS:
                data = (await asked(transport, port, headers))["__schema"]
                fields = {one["name"] for root in data.values() for one in root["fields"]}
                assert {"account", "accounts", "openAccount", "requestTransfer"} <= fields
                assert fields & OF_OPERATORS == (OF_OPERATORS if name == "operator" else set())
            answer = await client.get("schema.graphql", headers=headers)
            assert (answer.headers["vary"], answer.status_code) == ("authorization", 200)
            texts[name] = answer.text
            again = {**headers, "if-none-match": answer.headers["etag"]}
            assert (await client.get("schema.graphql", headers=again)).status_code == 304
        assert texts["operator"] == f"{schema.sdl}\n"
        assert "deadLetters" not in texts["teller"]
        assert texts["nobody"] == texts["customer"]


def test_the_page_for_everyone_has_only_examples_of_what_everyone_knows() -> None:
    queries = [one.query for one in examples_of(office)]
    shown = [one for one in queries if SCHEMA.gate.shows_everyone(one)]
    assert any("hire" in one for one in queries)
    assert shown
    assert not any("hire" in one or "persons" in one for one in shown)
