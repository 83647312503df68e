"""References between rows: the links that they make, and what is refused, with file and line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from dataclasses import make_dataclass
from typing import Annotated, Any
from uuid import UUID

import pytest

from commander import DefinitionError, Domain, Ref, touches
from commander.domain.links import links_of
from commander.domain.projections import ProjectionType
from tests.domain.refusing import refused
from tests.domain.shop import Opened, add_account

PARENT = Annotated[UUID | None, Ref("account", reverse="below_it")]


def projection(domain: Domain, name: str = "account", **columns: Any) -> ProjectionType:
    """A projection with these columns beside its key."""
    row = make_dataclass("Row", [("account_id", UUID), *columns.items()], frozen=True)

    def opened(cls: Any, event: Opened) -> Any: ...

    row.opened = classmethod(opened)  # type: ignore[attr-defined]
    domain.projection(name, key="account_id")(row)
    return domain.projections[name]


def people(domain: Domain) -> ProjectionType:
    """A projection with a text for a key."""

    @domain.projection("person", key="name")
    class Person:
        name: str

        @classmethod
        @touches(lambda event: ["Ada"])
        def opened(cls, event: Opened) -> Any: ...

    return domain.projections["person"]


def test_a_reference_is_a_link_and_with_a_name_for_it_a_list_on_the_other_side(domain: Domain) -> None:
    transfer = projection(
        domain,
        "transfer",
        source_id=Annotated[UUID, Ref("account", reverse="outgoing")],
        target_id=Annotated[UUID | None, Ref("account")],
        owner=Annotated[str, Ref("person", name="owned_by", reverse="has")],
    )
    account = projection(domain, above_id=PARENT)
    person = people(domain)
    found = [
        (one.source, one.field.name, one.target, one.name, one.reverse)
        for one in links_of(domain.projections)
    ]
    assert found == [
        (transfer, "source_id", account, "source", "outgoing"),
        (transfer, "target_id", account, "target", None),
        (transfer, "owner", person, "ownedBy", "has"),
        (account, "above_id", account, "above", "belowIt"),
    ]


def test_a_list_on_the_other_side_has_the_index_that_it_needs(domain: Domain) -> None:
    refers = {
        "source_id": Annotated[UUID, Ref("account", reverse="outgoing")],
        "owner_id": Annotated[UUID, Ref("account")],
    }
    transfer = projection(domain, "transfer", **refers)
    assert transfer.indexes == (("source_id",),)
    assert [field.name for field in transfer.filterable] == ["account_id", "source_id"]
    orders = transfer.orders_of_link(transfer.field("source_id"))
    assert [[field.name for field in order] for order in orders] == [["account_id"]]


def test_the_orders_of_a_list_are_those_of_the_indexes_that_begin_with_the_reference(domain: Domain) -> None:
    @domain.projection(
        "transfer", key="account_id", indexes=(("source", "amount"), "amount", ("amount", "source"))
    )
    class Row:
        account_id: UUID
        source: Annotated[UUID, Ref("account", name="from", reverse="outgoing")]
        amount: int

        def opened(self, event: Opened) -> Any: ...

    row = domain.projections["transfer"]
    assert row.indexes == (("source", "amount"), ("amount",), ("amount", "source"), ("source",))
    orders = row.orders_of_link(row.field("source"))
    assert [[field.name for field in order] for order in orders] == [["account_id"], ["amount", "account_id"]]


def test_a_key_that_refers_needs_no_other_index(domain: Domain) -> None:
    projection(domain)

    @domain.projection("detail", key="account_id")
    class Row:
        account_id: Annotated[UUID, Ref("account", reverse="details")]

        def opened(self, event: Opened) -> Any: ...

    row = domain.projections["detail"]
    assert (row.indexes, row.orders_of_link(row.key_field)) == ((), ((row.key_field,),))
    [link] = links_of(domain.projections)
    assert (link.name, link.reverse) == ("account", "details")


@pytest.mark.parametrize(
    ("field", "type_", "problem"),
    [
        (
            "owner",
            Annotated[UUID, Ref("account")],
            "the name of the field does not end with _id; name the link",
        ),
        ("a_id", Annotated[UUID, Ref("a"), Ref("b")], "it has two references"),
        ("a_id", Annotated[UUID, Ref(UUID)], "takes names"),  # type: ignore[arg-type]
        ("a_id", Annotated[tuple[UUID, ...], Ref("account")], "a list or a value object cannot be"),
        ("a_id", tuple[Annotated[UUID, Ref("account")], ...], "Ref is only for a field with one key"),
    ],
)
def test_what_is_wrong_with_one_reference(domain: Domain, field: str, type_: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem) as raised:
        projection(domain, "transfer", **{field: type_})
    assert raised.value.problem.startswith(f"Row.{field}: ")


def test_a_reference_of_an_event(domain: Domain) -> None:
    with refused("Moved.account_id: Ref is only for the fields of a row"):

        @domain.event  # <- here
        class Moved:
            account_id: Annotated[UUID, Ref("account")]


@pytest.mark.parametrize(
    ("ref", "problem"),
    [
        (
            Ref("acount"),
            "it refers to the projection 'acount', which the domain does not have; it has account, move",
        ),
        (Ref("account", name="moved"), "the name moved is taken in Row by its field moved"),
        (Ref("account", name="history"), "the name history is taken in Row by the API"),
        (Ref("account", name="not"), "the name not is taken in Row by the API"),
        (Ref("account", name="byWhom"), "the name byWhom is taken in Row by the link of Row.by_id"),
        (Ref("account", reverse="events"), "the name events is taken in Account by the API"),
        (Ref("account", reverse="balance"), "the name balance is taken in Account by its field balance"),
        (Ref("account", reverse="moves"), "the name moves is taken in Account by the list of Row.other_id"),
        (Ref("account", reverse="a b"), "the name 'a b': a name in GraphQL may have letters"),
        (Ref("person"), "it must be of the type of Person.name, to which it refers: str, not UUID"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_only_the_whole_domain_shows_names_the_row_that_refers(
    domain: Domain, ref: Ref, problem: str
) -> None:
    add_account(domain)
    with refused(problem):

        @domain.projection("account", key="account_id")
        class Account:
            account_id: UUID
            balance: int

            def opened(self, event: Opened) -> Any: ...

        @domain.projection("move", key="account_id")  # <- here
        class Row:
            account_id: UUID
            moved: int
            by_id: Annotated[UUID, Ref("account", name="by_whom")]
            other_id: Annotated[UUID, Ref("account", reverse="moves")]
            made_id: Annotated[UUID, ref]

            def opened(self, event: Opened) -> Any: ...

        if ref.projection == "person":
            people(domain)
        domain.check()
