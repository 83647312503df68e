"""The API over HTTP, on the bank, as a frontend meets it."""

from __future__ import annotations

from uuid import uuid4

from tests.system import System

OPEN = """mutation ($id: UUID!, $owner: String!) {
  openAccount(input: {accountId: $id, owner: $owner}) { __typename ... on CommandApplied { position } }
}"""


def test_a_mutation_answers_with_the_events_it_made(system: System) -> None:
    account = str(uuid4())
    answer = system.data(OPEN, id=account, owner="Ada")["openAccount"]
    assert answer["__typename"] == "CommandApplied"
    event = system.data(
        "query ($p: Position!) { event(position: $p) { type ... on AccountOpened { accountId owner } } }",
        p=answer["position"],
    )["event"]
    assert event == {"type": "AccountOpened", "accountId": account, "owner": "Ada"}
