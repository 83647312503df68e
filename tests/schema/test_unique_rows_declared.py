"""Which queries by unique keys a schema has, what they are called, and who knows of them."""

from dataclasses import make_dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLObjectType

from commander import DefinitionError, Domain, Unique, Viewer
from commander.domain.unique_rows import unique_rows_of
from commander.domain.viewers import NOBODY
from commander.resolvers.services import Limits
from commander.schema import build
from commander.schema.context import Context
from commander.schema.execution.gate import FieldRefused, OperationRejected
from commander.schema.execution.operations import CommanderSchema
from commander.schema.execution.selections import SelectedField
from tests.schema.built import schema_of
from tests.schema.club import club


def queries(schema: CommanderSchema) -> dict[str, Any]:
    query = schema._schema.query_type
    assert isinstance(query, GraphQLObjectType)
    found: dict[str, Any] = query.fields
    return found


@pytest.mark.parametrize("subgraph", [False, True])
def test_each_unique_key_made_of_columns_finds_the_rows_of_its_aggregate(subgraph: bool) -> None:
    found = {
        f"{name}({', '.join(f'{n}: {a.type}' for n, a in field.args.items())}): {field.type}"
        for name, field in queries(schema_of(club, subgraph=subgraph)).items()
        if "By" in name
    }
    waiting = "atLeast: Position, timeoutMs: Int!"
    assert found == {
        f"memberByEmail(email: String!, {waiting}): Member",
        f"memberByCountryNumber(country: Country!, number: BigInt!, {waiting}): Member",
        f"memberByBadge(badge: String!, {waiting}): Member",
        f"memberByDetails(born: Date!, fee: Decimal!, entered: DateTime!, {waiting}): Member",
        f"mailAddressByEmail(email: String!, {waiting}): MailAddress",
        f"guestByEmail(email: String!, {waiting}): Guest",
    }


def shelves(*, unique: tuple[Any, ...], columns: dict[str, Any], more: str | None = None) -> Domain:
    """A domain with shelves that have these columns as fields. more: the name of another projection."""
    domain = Domain("shelves")
    fields: list[Any] = [("shelf_id", UUID), *columns.items()]
    Command: Any = domain.command(make_dataclass("Put", fields, frozen=True))
    Event: Any = domain.event(make_dataclass("PutUp", fields, frozen=True))

    def put(self: Any, command: Command) -> Any:
        return Event(**vars(command))

    def put_up(self: Any, event: Event) -> Any:
        return self

    def row(cls: Any, event: Event) -> Any:
        return cls(*vars(event).values())

    state: list[Any] = [(name, type_ | None, None) for name, type_ in columns.items()]
    made = make_dataclass("Shelf", state, namespace={"put": put, "put_up": put_up}, frozen=True)
    domain.aggregate(key="shelf_id", unique=unique)(made)
    for name in ("shelf", *([more] if more else [])):
        rows = make_dataclass("Row", fields, namespace={"row": classmethod(row)}, frozen=True)
        domain.projection(name, key="shelf_id", plural=f"all_{name}")(rows)
    return domain


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            {"unique": ("label",), "columns": {"label": str}, "more": "shelf_by_label"},
            "the name shelfByLabel is taken in Query",
        ),
        (
            {"unique": ("left_side", Unique("leftSide")), "columns": {"left_side": str, "leftSide": str}},
            "the name leftSide is taken by left_side",
        ),
        (
            {
                "unique": (Unique("a", name="a_b"), Unique("b", name="aB")),
                "columns": {"a": str, "b": str},
            },
            "the name shelfByAB is taken in Query",
        ),
        (
            {"unique": ("at_least",), "columns": {"at_least": str}},
            "shelfByAtLeast: the name atLeast is taken by an argument of the API; rename the field",
        ),
    ],
    ids=["a query", "a column", "another unique key", "an argument"],
)
def test_a_name_that_is_taken_is_an_error_with_its_place(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError) as raised:
        build.build_schema(shelves(**given))
    assert problem in raised.value.problem
    assert raised.value.where


def test_a_unique_key_with_a_name_of_its_own_has_it_in_the_query() -> None:
    domain = shelves(unique=(Unique("label", name="mark"),), columns={"label": str}, more="shelf_by_label")
    found = queries(build.build_schema(domain))
    assert {"shelfByMark", "shelfByLabel", "shelfByLabelByMark"} <= found.keys()


def test_who_never_sees_a_column_does_not_know_the_query_by_it() -> None:
    schema = build.build_schema(club, hides=True)

    def known(viewer: Viewer) -> set[str]:
        rights = club.rights(viewer, frozenset({"operator"}))
        services: Any = None
        found = schema.gate.schema_for(Context(services, rights=rights)).query_type
        assert found is not None
        return {name for name in found.fields if "By" in name}

    whole = {rows.query for one in club.projections.values() for rows in unique_rows_of(club, one)}
    assert known(Viewer("clara", frozenset({"clerk"}))) == whole
    assert known(NOBODY) == whole - {"memberByBadge"}


async def test_a_query_by_a_unique_key_passes_the_gate() -> None:
    def rule(_context: Context, field: SelectedField) -> None:
        if f"{field.parent}.{field.name}" == "Query.memberByEmail":
            raise FieldRefused("FORBIDDEN", "it is not for you")

    services: Any = SimpleNamespace(allowances=None, limits=Limits())
    with pytest.raises(OperationRejected) as refused:
        build.build_schema(club, [rule]).gate.admit(
            '{ memberByEmail(email: "x") { memberId } }', None, None, Context(services)
        )
    [error] = refused.value.errors
    assert error.extensions == {"code": "FORBIDDEN", "field": "Query.memberByEmail"}
