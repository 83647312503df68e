"""`where` and `orderBy`: inputs typed by the columns, and what in them is refused, with the place."""

# No `from __future__ import annotations`: the types of the classes' fields are read from them.

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from commander import DefinitionError
from commander.domain.errors import InvalidRequest
from commander.domain.filters import AllOf, AnyOf, Condition, Linked, Not, Operator
from commander.domain.links import links_of
from commander.examples.bank import bank
from commander.schema import build
from commander.schema.types.field_types import TypeMap
from commander.schema.types.filters import ConditionTypes, Where
from tests.eventstore.test_links import TREE
from tests.eventstore.test_links import forest as trees
from tests.eventstore.test_queries import TABLE
from tests.schema.test_build import fields_of, small, types_of

ROWS = TABLE.projection
WHERE = Where("Row", ROWS, TypeMap(), ConditionTypes(TypeMap()))
TEXT, WHOLE = ROWS.field("text"), ROWS.field("whole")
EQUALITY = ("eq", "ne", "in", "notIn", "isNull")
COMPARED = (*EQUALITY, "lt", "lte", "gt", "gte")


def everything_types() -> dict[str, Any]:
    """Of a domain that lists rows with a column of each type."""
    domain = small()
    domain.projections["row"] = ROWS
    domain._aggregate_of_event["Listed"] = next(iter(domain.aggregates.values()))
    return types_of(domain)


def test_each_type_of_a_column_has_the_operators_that_mean_something_for_it() -> None:
    types = everything_types()
    operators = {name: set(fields_of(types, name)) for name in types if name.endswith("Condition")}
    assert operators == {
        "StringCondition": {*COMPARED, "startsWith"},
        **{
            f"{name}Condition": set(COMPARED)
            for name in ("Int", "BigInt", "Float", "Decimal", "DateTime", "Date", "Time")
        },
        **{f"{name}Condition": set(EQUALITY) for name in ("Boolean", "UUID", "Colour", "Size")},
    }
    typed = fields_of(types, "DateTimeCondition")
    assert (typed["gte"], typed["in"], typed["isNull"]) == ("DateTime", "[DateTime!]", "Boolean")
    assert fields_of(types, "ColourCondition")["notIn"] == "[Colour!]"


def test_a_filter_has_the_columns_that_are_indexed_or_declared_and_an_order_those_indexed() -> None:
    types = types_of(bank)
    assert fields_of(types, "AccountWhere") == {
        "accountId": "UUIDCondition",
        "owner": "StringCondition",
        "balance": "DecimalCondition",
        "closed": "BooleanCondition",
        "and": "[AccountWhere!]",
        "or": "[AccountWhere!]",
        "not": "AccountWhere",
    }
    assert list(types["AccountColumn"].values) == ["ACCOUNT_ID", "OWNER", "BALANCE"]  # type: ignore[attr-defined]
    assert fields_of(types, "AccountOrder") == {"column": "AccountColumn!", "direction": "OrderDirection!"}


def test_an_input_becomes_the_filter_that_it_says() -> None:
    given = {
        "text": {"startsWith": "A", "notIn": ["Ada"]},
        "or": [{"whole": {"lt": 5}}, {"not": {"whole": {"isNull": True}}}],
        "and": [],
    }
    assert WHERE.read(given) == AllOf(
        (
            Condition(TEXT, Operator.STARTS_WITH, "A"),
            Condition(TEXT, Operator.NOT_IN, ("Ada",)),
            AnyOf(
                (
                    AllOf((Condition(WHOLE, Operator.LT, 5),)),
                    AllOf((Not(AllOf((Condition(WHOLE, Operator.IS_NULL, True),))),)),
                )
            ),
            AllOf(),
        )
    )
    assert WHERE.read(None) == WHERE.read({}) == AllOf()


def nested(depth: int) -> dict[str, Any]:
    where: dict[str, Any] = {}
    for _ in range(depth):
        where = {"not": where}
    return where


@pytest.mark.parametrize(
    ("given", "place", "message"),
    [
        ({"text": {"eq": "a\0b"}}, "where.text.eq", "must not contain the character NUL"),
        ({"text": {"in": ["a", "a\ud800"]}}, "where.text.in[1]", "is not valid Unicode"),
        ({"or": [{}, {"text": {"startsWith": "\0"}}]}, "where.or[1].text.startsWith", "NUL"),
        ({"whole": {"eq": 2**63}}, "where.whole.eq", "must fit into 64 bits"),
        ({"exact": {"lt": Decimal("NaN")}}, "where.exact.lt", "must be a finite number"),
        ({"text": {"eq": None}}, "where.text.eq", "must not be null: omit it, or use isNull"),
        ({"text": None}, "where.text", "must not be null"),
        ({"not": None}, "where.not", "must not be null"),
        (nested(9), "where" + ".not" * 9, "and, or and not may be nested at most 8 deep"),
        (nested(500), "where" + ".not" * 9, "and, or and not may be nested at most 8 deep"),
        ({"and": [{}] * 100}, "where.and[99]", "a filter may have at most 100 conditions"),
        (
            {"or": [{"whole": {"eq": 1}}] * 50},
            "where.or[49].whole.eq",
            "a filter may have at most 100 conditions",
        ),
        ({"whole": {"in": [1] * 1001}}, "where.whole.in", "1000 values together"),
        ({"whole": {"in": [1] * 600, "notIn": [1] * 401}}, "where.whole.notIn", "1000 values together"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_filter_can_be_is_refused_with_its_place(
    given: dict[str, Any], place: str, message: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        WHERE.read(given)
    assert refused.value.argument == place
    assert message in str(refused.value)


def test_the_largest_filter_there_may_be_is_taken() -> None:
    WHERE.read(nested(8))
    WHERE.read({"and": [{}] * 99})
    WHERE.read({"whole": {"in": [1] * 1000}})


def forest() -> dict[str, Where]:
    """The filters of trees, which refer to trees and to owners, and of owners."""
    types, conditions = TypeMap(), ConditionTypes(TypeMap())
    of = {name: Where(name, one, types, conditions) for name, one in trees.projections.items()}
    for link in links_of(trees.projections):
        of[link.source.name].follow(link, of[link.target.name])
    return of


def test_a_filter_follows_one_link_and_counts_what_is_beyond_it() -> None:
    tree = forest()["tree"]
    assert set(tree.links) == {"above"}, "only what is filterable"
    parent, key = TREE.projection.field("parent"), TREE.projection.key_field
    height = TREE.projection.field("height")
    given = {"not": {"above": {"or": [{"height": {"eq": 1}}, {"height": {"isNull": True}}]}}, "above": {}}
    either = AnyOf(
        (
            AllOf((Condition(height, Operator.EQ, 1),)),
            AllOf((Condition(height, Operator.IS_NULL, True),)),
        )
    )
    assert tree.read(given) == AllOf(
        (
            Not(AllOf((Linked(parent, "tree", key, AllOf((either,))),))),
            Linked(parent, "tree", key, AllOf()),
        )
    )
    for wrong, place, message in (
        ({"above": {"above": {}}}, "where.above.above", "a filter follows one link; it has followed above"),
        ({"above": None}, "where.above", "must not be null"),
        ({"above": {"and": [{}] * 100}}, "where.above.and[98]", "at most 100 conditions"),
        ({"or": [{"above": {}}] * 11}, "where.or[10].above", "may follow a link at most 10 times"),
        ({"above": nested(9)}, "where.above" + ".not" * 9, "nested at most 8 deep"),
    ):
        with pytest.raises(InvalidRequest, match=re.escape(message)) as refused:
            tree.read(wrong)
        assert refused.value.argument == place
    tree.read({"above": {"height": {"eq": 1}}, "or": [{"above": {"height": {"eq": 2}}}]})


@pytest.mark.parametrize("kind", ["Where", "Order", "Column"])
def test_a_type_with_the_name_of_an_input_of_a_projection_is_an_error_of_the_definition(kind: str) -> None:
    with pytest.raises(DefinitionError, match=f"the name Thing{kind} is taken"):
        build.build_schema(small(projection=("thing", "things"), event=f"Thing{kind}"))


def test_columns_that_differ_in_capitals_alone_have_no_names_to_order_by() -> None:
    domain = small()

    @domain.event
    @dataclass(frozen=True)
    class Seen:
        ab: UUID

    @domain.projection("row", key="ab", indexes=("aB",))
    @dataclass(frozen=True)
    class Row:
        ab: UUID
        aB: int = 0

        @classmethod
        def seen(cls, event: Seen) -> "Row":
            return cls(event.ab)

    domain._aggregate_of_event["Seen"] = next(iter(domain.aggregates.values()))
    with pytest.raises(
        DefinitionError, match="the columns ab, aB must differ in more than upper and lower case"
    ):
        build.build_schema(domain)


@pytest.mark.parametrize("key", ["at_least", "timeoutMs"])
def test_a_key_with_the_name_of_an_argument_of_the_api_is_an_error_of_the_definition(key: str) -> None:
    with pytest.raises(DefinitionError, match="is taken by an argument of the API"):
        build.build_schema(small(projection=("shelf", "shelves"), key=key))
