"""The operations that GraphiQL opens on: valid for any domain, narrow enough to be read, right at once."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import graphql
import pytest

from commander import Domain, Ge, Gt, Le, Len, Lt, MinLen, MultipleOf, Predicate, new_id
from commander.domain.checking import problems_of
from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.execution.documents import Documents, Operation
from commander.schema.http.examples import examples_of
from commander.schema.http.graphiql_page import Example, Row
from tests.domain.everything import Colour, Price
from tests.e2e.vault import vault

strict = Domain("strict")


@strict.command
@dataclass(frozen=True)
class Weigh:
    """Weigh a parcel of a certain size that was handed in at the counter this morning.

    This is not shown.
    """

    grams: Annotated[int, Gt(100), Lt(200)]
    steps: Annotated[int, MultipleOf(25)]
    price: Annotated[Decimal, Ge(Decimal("20.5")), Le(Decimal(30))]
    share: Annotated[float, Lt(1)]
    code: Annotated[str, Len(5, 8)]
    short: Annotated[str, Len(0, 2)]
    colour: Colour
    amount: Price
    labels: Annotated[tuple[Annotated[str, MinLen(4)], ...], MinLen(2)]
    odd: Annotated[int, Predicate(lambda value: value % 2 == 1)]
    parcel_id: UUID = new_id()


@strict.event
@dataclass(frozen=True)
class Weighed:
    parcel_id: UUID


@strict.aggregate(key="parcel_id")
@dataclass(frozen=True)
class Parcel:
    def weigh(self, command: Weigh) -> Weighed:
        return Weighed(command.parcel_id)

    def weighed(self, event: Weighed) -> Any:
        return self


def variables_of(example: Example) -> dict[str, Any]:
    return dict(json.loads(example.variables or "{}"))


def test_the_example_of_a_query_shows_a_list_of_the_rows_that_refer() -> None:
    [query] = [example.query for example in examples_of(bank) if example.query.startswith("query")]
    assert "outgoing(first: 3)" in query


@pytest.mark.parametrize("domain", [bank, vault, strict], ids=lambda domain: domain.name)
def test_every_example_is_a_valid_document_of_its_domain(domain: Domain) -> None:
    documents = Documents(graphql.build_schema(build_schema(domain).as_str()))
    examples = examples_of(domain)
    for example in examples:
        assert isinstance(documents.read(example.query).operation(None), Operation)
    others = ["mutation", "query"] if domain.projections else []
    assert [example.query.split()[0] for example in examples] == ["mutation", *others, "subscription"]


@pytest.mark.parametrize("domain", [bank, vault, strict], ids=lambda domain: domain.name)
def test_no_line_of_an_example_is_wider_than_the_editor(domain: Domain) -> None:
    for example in examples_of(domain):
        comment = [f"# {line}" for line in example.name.splitlines()]
        for line in [*comment, *example.query.splitlines()]:
            assert len(line) <= 50 or " " not in line.strip()


def test_the_second_command_waits_for_the_row_that_the_first_one_makes() -> None:
    _, deposit, *_ = examples_of(bank)
    given = variables_of(deposit)["input"]
    assert deposit.row == Row("accountId", given["accountId"], "account-")
    assert deposit.name.replace("\n", " ") == (
        "Put money into an account. Run OpenAccount first: its accountId comes into the variables here."
    )


def test_the_values_of_the_mutation_satisfy_the_constraints() -> None:
    [mutation, _] = examples_of(strict)
    given = variables_of(mutation)["input"]
    fields = strict.commands["Weigh"].fields
    assert given.pop("colour") == "RED"
    assert given.pop("amount") == {"amount": "10.00"}
    assert given.pop("labels") == ["AdaA", "AdaA"]
    given["price"] = Decimal(given["price"])
    named = [field for field in fields if field.name in given]
    assert problems_of(tuple(named), type("Given", (), given)) == []
    assert {field.name for field in named} == set(given)


def test_the_comment_is_the_first_line_of_the_docstring() -> None:
    [mutation, _] = examples_of(strict)
    assert mutation.name.replace("\n", " ") == (
        "Weigh a parcel of a certain size that was handed in at the counter this morning."
    )


def test_the_input_of_the_vault_s_example_is_one_of_everything() -> None:
    [mutation, *_] = examples_of(vault)
    given = variables_of(mutation)["input"]
    assert set(given) == {"everything"}
    assert set(given["everything"]) >= {"text", "line", "lines", "gaps", "kind"}
