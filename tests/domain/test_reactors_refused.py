"""Errors in the definition of a reactor: raised at import, with file and line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from typing import Any

import pytest

from commander import CommandContext, Domain, ReactionRejected
from tests.domain.refusing import refused
from tests.domain.shop import Elsewhere, Open, Opened


def test_a_reactor_that_is_made_with_arguments(domain: Domain) -> None:
    with refused("Clerk() must work without arguments"):

        @domain.reactor  # <- here
        class Clerk:
            def __init__(self, name: str) -> None:
                self.name = name


@pytest.mark.parametrize(
    "hint",
    [
        int,
        Open,
        Elsewhere,
        ReactionRejected,
        ReactionRejected[Elsewhere],
        ReactionRejected[Opened],
        Opened | Open,
        list[Opened],
    ],
    ids=repr,
)
def test_a_reactor_that_takes_nonsense(domain: Domain, hint: Any) -> None:
    with refused("Clerk.react must take an event of the domain or a ReactionRejected[a command]"):

        @domain.reactor
        class Clerk:
            def react(self, trigger: hint) -> Open | None: ...  # <- here


def test_a_reactor_that_takes_more_than_an_event(domain: Domain) -> None:
    with refused("Clerk.react must take one parameter"):

        @domain.reactor
        class Clerk:
            def react(self, event: Opened, context: CommandContext) -> None: ...  # <- here


def test_a_reactor_that_takes_an_event_twice(domain: Domain) -> None:
    with refused("Clerk.again: another method already handles Open"):

        @domain.reactor
        class Clerk:
            def react(self, event: Opened) -> None: ...

            def again(self, event: Opened) -> None: ...  # <- here


def test_a_reactor_that_takes_a_refusal_twice(domain: Domain) -> None:
    with refused("Clerk.again: another method already handles Open"):

        @domain.reactor
        class Clerk:
            def react(self, event: ReactionRejected[Open]) -> None: ...

            def again(self, event: ReactionRejected[Open]) -> None: ...  # <- here


def test_a_reactor_that_is_async(domain: Domain) -> None:
    with refused("Clerk.react is async"):

        @domain.reactor
        class Clerk:
            async def react(self, event: Opened) -> None: ...  # <- here


def test_a_reactor_that_reacts_to_no_event(domain: Domain) -> None:
    with refused("Clerk handles no event of this domain"):

        @domain.reactor  # <- here
        class Clerk:
            def react(self, event: ReactionRejected[Open]) -> None: ...


def test_a_reactor_of_a_name_that_is_taken(domain: Domain) -> None:
    @domain.reactor
    class Clerk:
        def react(self, event: Opened) -> None: ...

    with refused("the reactor name clerk is taken"):

        @domain.reactor  # <- here
        class clerk:
            def react(self, event: Opened) -> None: ...
