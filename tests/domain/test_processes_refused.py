"""Errors in keyed reactors, processes and recurring commands: raised at import, with file and line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from commander import Deadline, DefinitionError, Domain, Later, ReactionRejected
from commander.domain import InvalidDecision
from tests.domain.refusing import refused
from tests.domain.shop import Elsewhere, Open, Opened

ID = UUID(int=7)


@pytest.fixture
def wide(domain: Domain) -> Domain:
    """As `domain`, with an event and a command that lack the key account_id, or have one of no use."""

    @domain.event
    class Priced:
        price: Decimal

    @domain.command
    class Price:
        price: Decimal

    return domain


def test_a_key_that_an_event_lacks(wide: Domain) -> None:
    kind = wide.events["Priced"].cls
    with refused("Clerk.priced: Priced has no field account_id, the reactor's key"):

        @wide.reactor(key="account_id")
        class Clerk:
            def priced(self, event: kind) -> None: ...  # type: ignore[valid-type]  # <- here


def test_a_key_that_a_refused_command_lacks(wide: Domain) -> None:
    price = wide.commands["Price"].cls
    with refused("Clerk.refused: Price has no field account_id, the reactor's key"):

        @wide.reactor(key="account_id")
        class Clerk:
            def opened(self, event: Opened) -> None: ...

            def refused(self, event: ReactionRejected[price]) -> None: ...  # type: ignore[valid-type]  # <- here


def test_a_key_that_has_no_one_text(wide: Domain) -> None:
    kind = wide.events["Priced"].cls
    with refused("the key Priced.price must be a UUID, str, int, BigInt or date"):

        @wide.reactor(key="price")
        class Clerk:
            def priced(self, event: kind) -> None: ...  # type: ignore[valid-type]  # <- here


def test_a_state_without_defaults(domain: Domain) -> None:
    with refused("Clerk() must work without arguments"):

        @domain.reactor(key="account_id")  # <- here
        @dataclass(frozen=True)
        class Clerk:
            count: int

            def opened(self, event: Opened) -> None: ...


def test_a_state_that_changes(domain: Domain) -> None:
    with refused("Clerk must be a frozen dataclass"):

        @domain.reactor(key="account_id")  # <- here
        @dataclass
        class Clerk:
            count: int = 0

            def opened(self, event: Opened) -> None: ...


@pytest.mark.parametrize("default", [object(), complex(1, 2), {1j: 1}], ids=["object", "complex", "key"])
def test_a_state_without_json(domain: Domain, default: Any) -> None:
    with refused("Clerk: its fields cannot be stored as JSON"):

        @domain.reactor(key="account_id")  # <- here
        @dataclass(frozen=True)
        class Clerk:
            thing: Any = None

            def __init__(self) -> None:
                object.__setattr__(self, "thing", default)

            def opened(self, event: Opened) -> None: ...


def test_a_process_that_starts_with_no_event(domain: Domain) -> None:
    with refused("Clerk: starts names no event"):

        @domain.process(key="account_id", starts=())  # <- here
        class Clerk:
            def opened(self, event: Opened) -> None: ...


@pytest.mark.parametrize("given", [Open, Elsewhere, "Opened"], ids=repr)
@pytest.mark.parametrize("word", ["starts", "ends"])
def test_a_process_that_begins_or_ends_with_nonsense(domain: Domain, word: str, given: Any) -> None:
    named: dict[str, Any] = {"starts": (Opened,), word: (given,)}
    with refused(f"Clerk: {word}: "):

        @domain.process(key="account_id", **named)  # <- here
        class Clerk:
            def opened(self, event: Opened) -> None: ...


def test_a_process_that_starts_with_what_nobody_takes(wide: Domain) -> None:
    @wide.event
    class Closed:
        account_id: UUID

    with refused("Clerk: no method takes Closed, which starts the process"):

        @wide.process(key="account_id", starts=(Closed,))  # <- here
        class Clerk:
            def opened(self, event: Opened) -> None: ...


def test_a_deadline_of_a_reactor_that_remembers_nothing(domain: Domain) -> None:
    @domain.reactor
    class Clerk:
        def opened(self, event: Opened) -> Deadline:
            return Deadline(Open(ID), after=timedelta(seconds=1))

    with pytest.raises(
        InvalidDecision, match="the reactor clerk has no key; a Deadline needs one, use Later"
    ):
        domain.reactors["clerk"].react(None, Opened(ID))


def test_an_answer_with_two_states(domain: Domain) -> None:
    @domain.reactor(key="account_id")
    class Clerk:
        def opened(self, event: Opened) -> Any:
            return self, self

    with pytest.raises(InvalidDecision, match="the reactor clerk returned 2 states"):
        domain.reactors["clerk"].react(None, Opened(ID))


@pytest.mark.parametrize("after", [timedelta(0), timedelta(seconds=-1)])
@pytest.mark.parametrize("kind", [Later, Deadline])
def test_later_is_not_now(kind: Callable[..., Any], after: timedelta) -> None:
    with pytest.raises(InvalidDecision, match="after must be greater than zero"):
        kind(Open(ID), after=after)


@pytest.mark.parametrize("expression", ["0 3 * *", "61 * * * *", "0 0 30 feb *", "tomorrow"])
def test_what_recurs_by_no_cron_expression(domain: Domain, expression: str) -> None:
    with refused("nightly: "):

        @domain.every(expression)  # <- here
        def nightly(tick: datetime) -> Open:
            return Open(ID)


def test_what_recurs_takes_the_moment_of_its_tick(domain: Domain) -> None:
    with refused("nightly must be a plain function of one parameter"):

        @domain.every("0 3 * * *")  # type: ignore[type-var]  # <- here
        def nightly() -> Open:
            return Open(ID)


def test_two_that_recur_under_one_name(domain: Domain) -> None:
    def nightly(tick: datetime) -> Open:
        return Open(ID)

    domain.every("0 3 * * *")(nightly)
    with pytest.raises(DefinitionError, match="the recurring name nightly is taken"):
        domain.every("0 4 * * *")(nightly)
