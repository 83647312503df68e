"""From a domain to its schema: the type of each field, what may be left out, and names that collide."""

from dataclasses import dataclass, make_dataclass
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_type,
)

from commander import DefinitionError, Domain
from commander.examples.bank import bank
from commander.schema import build
from commander.schema.execution.operations import CommanderSchema
from commander.schema.names import camel
from tests.e2e.vault import vault


def types_of(domain: Domain) -> dict[str, GraphQLNamedType]:
    """As a client would see them: from the schema's text."""
    found: dict[str, GraphQLNamedType] = build_schema(build.build_schema(domain).as_str()).type_map
    return found


def fields_of(types: dict[str, GraphQLNamedType], name: str) -> dict[str, str]:
    type_ = types[name]
    assert isinstance(type_, GraphQLObjectType | GraphQLInputObjectType)
    return {name: str(field.type) for name, field in type_.fields.items()}


EVERYTHING = {
    "text": "String!",
    "truth": "Boolean!",
    "whole": "Int!",
    "big": "BigInt!",
    "real": "Float!",
    "exact": "Decimal!",
    "identity": "UUID!",
    "moment": "DateTime!",
    "day": "Date!",
    "hour": "Time!",
    "colour": "Colour!",
    "size": "Size!",
    "kind": "Kind!",
    "line": "Line!",
    "lines": "[Line!]!",
    "numbers": "[Int!]!",
    "bigs": "[BigInt!]!",
    "gaps": "[Decimal]!",
    "nested": "[[String!]!]!",
    "maybeText": "String",
    "maybeExact": "Decimal",
    "maybeColour": "Colour",
    "maybeLine": "Line",
    "maybeLines": "[Line!]",
}


def test_each_type_of_a_field_has_its_graphql_type_out_and_in() -> None:
    types = types_of(vault)
    assert fields_of(types, "Everything") == EVERYTHING
    inputs = {name: type_.replace("Line", "LineInput") for name, type_ in EVERYTHING.items()}
    assert fields_of(types, "EverythingInput") == inputs
    assert fields_of(types, "Line") == {"price": "Price!", "colours": "[Colour!]!", "note": "String"}
    assert fields_of(types, "PriceInput") == {"amount": "Decimal!", "currency": "String"}


def test_an_input_may_leave_out_what_has_a_default_and_an_event_always_has_it() -> None:
    types = types_of(vault)
    keep = {"everything": "EverythingInput!", "copies": "Int", "thingId": "UUID"}
    assert fields_of(types, "KeepInput") == keep
    assert fields_of(types, "Kept")["copies"] == "Int!"


def test_an_event_has_the_fields_of_every_event_beside_its_own() -> None:
    fields = fields_of(types_of(bank), "MoneyDeposited")
    assert fields == {
        "position": "Position!",
        "logEpoch": "Int!",
        "id": "ID!",
        "stream": "String!",
        "version": "Int!",
        "aggregate": "String!",
        "type": "String!",
        "schemaVersion": "Int!",
        "recordedAt": "DateTime!",
        "commandId": "UUID!",
        "correlationId": "UUID!",
        "causationPosition": "Position",
        "reactions": "[Reaction!]!",
        "accountId": "UUID!",
        "amount": "Decimal!",
        "transferId": "UUID",
    }


def test_docstrings_are_the_descriptions() -> None:
    types = types_of(bank)
    mutation = types["Mutation"]
    assert isinstance(mutation, GraphQLObjectType)
    assert mutation.fields["deposit"].description == "Put money into an account."
    assert types["MoneyDeposited"].description == "Money was put into an account."
    assert types["Account"].description == "An account as it stands."
    assert types["TransferStatus"].description == "The status of a transfer."


def test_every_type_of_the_api_says_what_it_is() -> None:
    silent = [
        name
        for name, type_ in types_of(bank).items()
        if is_type(type_) and not name.startswith("__") and not type_.description
    ]
    own = ("Edge", "Connection", "PageInfo", "Query", "Mutation", "Subscription", "Input", "InputProblem")
    assert [name for name in silent if not name.endswith(own)] == []


def small(
    *,
    command: str = "Begin",
    event: str = "Begun",
    projection: tuple[str, str] | None = None,
    value_object: str | None = None,
    enum: str | None = None,
    key: str = "thing_id",
) -> Domain:
    """A domain of one command and one event, with these names."""
    domain = Domain("small")
    fields: list[Any] = [(key, UUID)]
    if value_object is not None:
        fields.append(("value", make_dataclass(value_object, [("a", int)], frozen=True)))
    if enum is not None:
        fields.append(("choice", Enum(enum, {"A": "a"})))
    Command: Any = domain.command(make_dataclass(command, fields, frozen=True))
    Event: Any = domain.event(make_dataclass(event, fields, frozen=True))

    @domain.aggregate(key=key)
    @dataclass(frozen=True)
    class Thing:
        def begin(self, command: Command) -> Any:
            return Event(**vars(command))

        def begun(self, event: Event) -> Any:
            return self

    if projection is not None:
        name, plural = projection

        def begun_row(cls: Any, event: Event) -> Any:
            return cls(*vars(event).values())

        row = make_dataclass("Row", [(key, UUID)], namespace={"begun": classmethod(begun_row)}, frozen=True)
        domain.projection(name, key=key, plural=plural)(row)

    return domain


@pytest.mark.parametrize("command", ["Return", "Import", "In", "None", "CommandOptions", "begin"])
def test_a_command_may_have_a_name_that_means_something_to_python(command: str) -> None:
    types = types_of(small(command=command))
    mutation = command[0].lower() + command[1:]
    assert mutation in fields_of(types, "Mutation")
    assert fields_of(types, "AnyCommand") == {mutation: f"{command}Input"}


def test_a_projection_in_snake_case_is_queried_in_camel_case() -> None:
    types = types_of(small(projection=("line_item", "line_items")))
    queries = fields_of(types, "Query")
    assert (queries["lineItem"], queries["lineItems"]) == ("LineItem", "LineItemConnection!")
    assert fields_of(types, "LineItemConnection")["edges"] == "[LineItemEdge!]!"


@pytest.mark.parametrize(
    "names",
    [
        {"event": "Event"},
        {"event": "CaughtUp"},
        {"event": "CommandApplied"},
        {"event": "CommandOutcome"},
        {"event": "Query"},
        {"event": "Position"},
        {"event": "String"},
        {"event": "BeginInput"},
        {"command": "Submit"},
        {"command": "CancelCommand"},
        {"value_object": "Begun"},
        {"value_object": "Begin"},
        {"value_object": "PageInfo"},
        {"value_object": "Boolean"},
        {"enum": "Begun"},
        {"enum": "Wait"},
        {"enum": "BeginInput"},
        {"projection": ("begun", "all_begun")},
        {"projection": ("stream", "streams")},
        {"projection": ("settled", "all_settled")},
        {"command": "Begin", "value_object": "BeginRejectionCode"},
        {"projection": ("thing", "events")},
        {"projection": ("dead_letter", "dead_letters")},
        {"projection": ("page_info", "page_infos")},
        {"projection": ("thing", "things"), "event": "ThingEdge"},
        {"projection": ("thing", "things"), "value_object": "ThingConnection"},
        {"projection": ("thing", "things"), "event": "ThingVersion"},
        {"projection": ("thing", "things"), "event": "AsOf"},
        {"projection": ("thing", "things"), "event": "ThingLiveRow"},
        {"projection": ("thing", "things"), "value_object": "ThingLiveChange"},
        {"projection": ("thing", "things"), "enum": "LiveChangeKind"},
        {"projection": ("command_status", "command_statuses")},
        {"projection": ("thing", "things"), "key": "after"},
        {"projection": ("thing", "things"), "key": "kind"},
    ],
    ids=str,
)
def test_names_that_collide_are_an_error_of_the_definition(names: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError) as error:
        build.build_schema(small(**names))
    assert error.value.where
    assert "is taken" in error.value.problem or "is defined multiple times" in error.value.problem


def test_a_domain_without_projections_and_one_with_internal_commands_only_have_a_schema() -> None:
    assert "events" in fields_of(types_of(small()), "Query")
    domain = Domain("inner")

    @domain.command(internal=True)
    @dataclass(frozen=True)
    class Begin:
        thing_id: UUID

    @domain.event
    @dataclass(frozen=True)
    class Begun:
        thing_id: UUID

    @domain.aggregate(key="thing_id")
    @dataclass(frozen=True)
    class Thing:
        def begin(self, command: Begin) -> Begun:
            return Begun(command.thing_id)

        def begun(self, event: Begun) -> Any:
            return self

    mutations = fields_of(types_of(domain), "Mutation")
    assert "begin" not in mutations
    assert "submit" not in mutations


@pytest.mark.parametrize("key", ["info", "root", "self", "key", "thing_id"])
def test_a_row_is_asked_for_by_its_key_whatever_the_key_s_name(key: str) -> None:
    schema = build.build_schema(small(projection=("shelf", "shelves"), key=key))
    assert arguments_of(schema, "shelf") == {
        camel(key): "UUID!",
        "atLeast": "Position",
        "timeoutMs": "Int!",
    }
    assert arguments_of(schema, "shelfAt") == {camel(key): "UUID!", "asOf": "AsOf!"}


def arguments_of(schema: CommanderSchema, query: str) -> dict[str, str]:
    queries = build_schema(schema.as_str()).query_type
    assert queries is not None
    return {name: str(argument.type) for name, argument in queries.fields[query].args.items()}


def test_a_projection_that_cannot_travel_in_time_has_no_past_rows() -> None:
    schema = build.build_schema(small(projection=("shelf", "shelves"), key="as_of"))
    assert arguments_of(schema, "shelf") == {"asOf": "UUID!", "atLeast": "Position", "timeoutMs": "Int!"}
    assert "ShelfVersion" not in schema.as_str()
    assert "ShelfAt" not in schema.as_str()


def test_no_field_that_returns_the_past_leads_to_the_type_of_a_present_row() -> None:
    """A cache stores objects by type and key, so a past row of that type would replace the present one."""
    schema = build_schema(build.build_schema(bank).as_str())
    past = {f"{row}{kind}" for row in ("Account", "Transfer") for kind in ("At", "Version")}
    assert past <= schema.type_map.keys()
    for name in past:
        found = schema.type_map[name]
        assert isinstance(found, GraphQLObjectType)
        led = {str(get_named_type(field.type)) for field in found.fields.values()}
        assert not led & {"Account", "Transfer"}, name
    queries = schema.query_type
    assert queries is not None
    returned = {name: str(field.type) for name, field in queries.fields.items()}
    assert (returned["account"], returned["accountAt"]) == ("Account", "AccountAt")
    asked = [name for name, field in queries.fields.items() if "asOf" in field.args]
    assert {returned[name] for name in asked} == {"AccountAt", "TransferAt"}


def rows_of(domain: Domain, handlers: dict[str, Any], *, key: str = "thing_id", **columns: Any) -> Domain:
    """The domain with a projection that has these handlers, as functions of a class and an event."""
    made: dict[str, Any] = {name: classmethod(handler) for name, handler in handlers.items()}
    row = make_dataclass("Row", [(key, UUID), *columns.items()], namespace=made, frozen=True)
    domain.projection("shelf", plural="shelves", key=key)(row)
    return domain


def handler(event: type) -> Any:
    def handle(cls: Any, event: Any) -> Any: ...

    handle.__annotations__["event"] = event
    return handle


@pytest.mark.parametrize("column", ["version", "position", "time"])
def test_a_column_replaces_the_field_of_its_name_in_a_past_row(column: str) -> None:
    domain = small()
    begun = domain.events["Begun"].cls
    columns: dict[str, Any] = {column: str}
    fields = fields_of(types_of(rows_of(domain, {"begun": handler(begun)}, **columns)), "ShelfAt")
    place = {"version": "Int!", "position": "Position!", "time": "DateTime!"}
    assert fields == {"thingId": "UUID!", **place, column: "String!"}


def test_a_row_has_the_events_of_its_stream_where_it_is_made_of_one() -> None:
    domain = small()
    begun = domain.events["Begun"].cls
    types = types_of(rows_of(domain, {"begun": handler(begun)}))
    assert fields_of(types, "Shelf")["events"] == "EventConnection!"

    taken = small()
    begun = taken.events["Begun"].cls
    types = types_of(rows_of(taken, {"begun": handler(begun)}, events=int))
    assert fields_of(types, "Shelf")["events"] == "Int!"

    domain = small()
    Ended: Any = domain.event(make_dataclass("Ended", [("thing_id", UUID), ("other_id", UUID)], frozen=True))
    End: Any = domain.command(make_dataclass("End", [("other_id", UUID)], frozen=True))

    @domain.aggregate(key="other_id")
    @dataclass(frozen=True)
    class Other:
        def end(self, command: End) -> Any: ...

        def ended(self, event: Ended) -> Any: ...

    both = {"begun": handler(domain.events["Begun"].cls), "ended": handler(Ended)}
    assert "events" not in fields_of(types_of(rows_of(domain, both)), "Shelf")


def test_a_row_of_another_key_than_its_aggregate_s_has_no_events() -> None:
    domain = Domain("keys")
    Begin: Any = domain.command(make_dataclass("Begin", [("thing_id", UUID)], frozen=True))
    Begun: Any = domain.event(make_dataclass("Begun", [("thing_id", UUID), ("shelf_id", UUID)], frozen=True))

    @domain.aggregate(key="thing_id")
    @dataclass(frozen=True)
    class Thing:
        def begin(self, command: Begin) -> Any: ...

        def begun(self, event: Begun) -> Any: ...

    types = types_of(rows_of(domain, {"begun": handler(Begun)}, key="shelf_id"))
    assert "events" not in fields_of(types, "Shelf")


def test_two_domains_can_share_a_value_object_and_an_enum() -> None:
    for _ in range(2):
        assert "Colour" in types_of(vault)


def test_a_projection_whose_types_have_names_of_the_api_is_refused() -> None:
    domain = Domain("keys")
    Begin: Any = domain.command(make_dataclass("Begin", [("thing_id", UUID)], frozen=True))
    Begun: Any = domain.event(make_dataclass("Begun", [("thing_id", UUID)], frozen=True))

    @domain.aggregate(key="thing_id")
    @dataclass(frozen=True)
    class Thing:
        def begin(self, command: Begin) -> Any: ...

        def begun(self, event: Begun) -> Any: ...

    @domain.projection("row", key="thing_id")
    @dataclass(frozen=True)
    class Row:
        thing_id: UUID

        @classmethod
        def begun(cls, event: Begun) -> Any: ...

    with pytest.raises(DefinitionError, match="the name RowVersion is taken by the API"):
        types_of(domain)
