"""Errors in a column that holds the key of an object of another subgraph: raised at import."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from typing import Annotated, Any
from uuid import UUID

import pytest

from commander import Domain, Entity
from tests.domain.refusing import refused
from tests.domain.shop import Opened

ACCOUNT = Entity("Account", key="accountId")


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (
            Annotated[UUID, Entity("Accou nt", key="accountId")],
            "Row.buyer_id: 'Accou nt': a name in GraphQL may",
        ),
        (Annotated[UUID, Entity("Account", key="")], "Row.buyer_id: '': a name in GraphQL may"),
        (
            Annotated[UUID, Entity("Account", key="id", link="a-b")],
            "Row.buyer_id: 'a-b': a name in GraphQL may",
        ),
        (Annotated[UUID, Entity("Account", key="id", link="id")], "Row.buyer_id: the name id is taken; give"),
        (
            Annotated[UUID, Entity("Account", key="id", link="accountId")],
            "the name accountId is taken; give Entity",
        ),
        (Annotated[tuple[UUID, ...], ACCOUNT], "Row.buyer_id: the key of an Entity must be a scalar"),
    ],
    ids=range(6),
)
def test_an_entity_that_cannot_be_in_the_schema(domain: Domain, annotation: Any, problem: str) -> None:
    with refused(problem):

        @domain.projection("account", key="account_id")  # <- here
        class Row:
            account_id: UUID
            buyer_id: annotation

            def opened(self, event: Opened) -> Any: ...


def test_a_link_without_a_name(domain: Domain) -> None:
    with refused("Row.buyer: the column does not end with _id, so name the link: Entity(…, link="):

        @domain.projection("account", key="account_id")  # <- here
        class Row:
            account_id: UUID
            buyer: Annotated[UUID, ACCOUNT]

            def opened(self, event: Opened) -> Any: ...


def test_two_links_of_one_name(domain: Domain) -> None:
    with refused("Row.payer_id: the name buyer is taken; give Entity(…, link="):

        @domain.projection("account", key="account_id")  # <- here
        class Row:
            account_id: UUID
            buyer_id: Annotated[UUID, ACCOUNT]
            payer_id: Annotated[UUID, Entity("Account", key="accountId", link="buyer")]

            def opened(self, event: Opened) -> Any: ...


def test_an_entity_in_an_event(domain: Domain) -> None:
    with refused("Sent.buyer_id: Entity is only for the columns of a row"):

        @domain.event  # <- here
        class Sent:
            account_id: UUID
            buyer_id: Annotated[UUID, ACCOUNT]
