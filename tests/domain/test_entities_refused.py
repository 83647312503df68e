"""Errors in a field that holds the key of an object of another subgraph: raised at import."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

import re
from typing import Annotated, Any
from uuid import UUID

import pytest

from commander import DefinitionError, Domain, Entity
from commander.domain.links import links_of
from tests.domain.refusing import refused
from tests.domain.shop import Opened

ACCOUNT = Entity("Account", key="accountId")
WRONG: list[tuple[str, Any, str]] = [
    (
        "buyer",
        Annotated[UUID, ACCOUNT],
        "the name of the field does not end with _id; name the link: Entity(…, n",
    ),
    ("buyer_id", Annotated[UUID, Entity("Accou nt", key="id")], "the name 'Accou nt': a name in GraphQL may"),
    ("buyer_id", Annotated[UUID, Entity("Account", key="")], "the name '': a name in GraphQL may"),
    (
        "buyer_id",
        Annotated[UUID, Entity("Account", key="id", name="a-b")],
        "the name 'a-b': a name in GraphQL",
    ),
    ("_id", Annotated[UUID, ACCOUNT], "a name in GraphQL may"),
    ("buyer_id", Annotated[UUID, ACCOUNT, ACCOUNT], "it has two entities; a field refers to one type"),
    ("buyer_id", Annotated[UUID, Entity(UUID, key="id")], "takes names"),  # type: ignore[arg-type]
    ("buyer_id", Annotated[tuple[UUID, ...], ACCOUNT], "a list or a value object cannot be"),
    (
        "buyer_id",
        tuple[Annotated[UUID, ACCOUNT], ...],
        "Entity is only for a field with one key, not for a list",
    ),
]


@pytest.mark.parametrize(("field", "annotation", "problem"), WRONG, ids=range(len(WRONG)))
def test_an_entity_that_cannot_be_in_the_schema(
    domain: Domain, field: str, annotation: Any, problem: str
) -> None:
    made = type("Row", (), {"__annotations__": {"account_id": UUID, field: annotation}, "opened": opened})
    with pytest.raises(DefinitionError, match=re.escape(problem)) as raised:
        domain.projection("account", key="account_id")(made)
    assert raised.value.problem.startswith(f"Row.{field}: ")


def opened(self: Any, event: Opened) -> Any: ...


@pytest.mark.parametrize(
    ("name", "owner"),
    [("buyerId", "its field buyer_id"), ("history", "the API"), ("buyer", "the link of Row.buyer_id")],
)
def test_a_link_with_a_name_that_is_taken(domain: Domain, name: str, owner: str) -> None:
    @domain.projection("account", key="account_id")
    class Row:
        account_id: UUID
        buyer_id: Annotated[UUID, ACCOUNT]
        payer_id: Annotated[UUID, Entity("Account", key="accountId", name=name)]

        def opened(self, event: Opened) -> Any: ...

    with pytest.raises(
        DefinitionError, match=rf"Row\.payer_id: the name {name} is taken in Row by {owner}; give E"
    ):
        links_of(domain.projections)


def test_an_entity_in_an_event(domain: Domain) -> None:
    with refused("Sent.buyer_id: Entity is only for the fields of a row"):

        @domain.event  # <- here
        class Sent:
            account_id: UUID
            buyer_id: Annotated[UUID, ACCOUNT]
