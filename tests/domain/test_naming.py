"""Names: what is stored keeps the first name; two definitions never share one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from commander import Domain
from commander.testing import Reactors
from tests.domain.refusing import refused
from tests.domain.shop import Open, Opened, add_account, disown


def named(**given: Any) -> Domain:
    disown()
    domain = Domain("shop")
    domain.command(Open)
    domain.event(**given)(Opened)
    return domain


@pytest.mark.parametrize(
    ("given", "name", "stored"),
    [
        ({}, "Opened", "Opened"),
        ({"name": "Began"}, "Began", "Began"),
        ({"was": ("Began",)}, "Opened", "Began"),
        ({"was": ("First", "Second")}, "Opened", "First"),
        ({"name": "Third", "was": ("First", "Second")}, "Third", "First"),
    ],
    ids=repr,
)
def test_what_is_stored_keeps_the_first_name_and_each_name_is_read(
    given: dict[str, Any], name: str, stored: str
) -> None:
    domain = named(**given)
    type_ = domain.events[name]
    assert (type_.name, type_.stored_name) == (name, stored)
    data = type_.encode(Opened(UUID(int=1)))
    for earlier in (name, stored, *given.get("was", ())):
        assert domain.decode(earlier, 1, data, 5) == Opened(UUID(int=1))
        assert domain.event_names([earlier]) == {name, *given.get("was", ())}
    assert domain.event_names(["Unknown"]) == {"Unknown"}


@pytest.mark.parametrize("was", ["Konto", "konto"])
def test_an_aggregate_keeps_its_streams_however_its_earlier_name_is_written(was: str) -> None:
    domain = named()

    @domain.aggregate(key="account_id", was=(was,))
    class Account:
        def open(self, command: Open) -> Opened:
            return Opened(command.account_id)

        def was_opened(self, event: Opened) -> Account:
            return self

    type_ = domain.aggregates["account"]
    assert type_.stream_of(Open(UUID(int=1))) == f"konto-{UUID(int=1)}"
    assert domain.aggregate_type("konto") is domain.aggregate_type("account") is type_


def test_an_earlier_name_that_is_live(domain: Domain) -> None:
    with refused("the event name Opened is taken: it is defined at"):

        @domain.event(was=("Opened",))  # <- here
        class Closed:
            account_id: UUID


def test_a_name_that_another_had_before(domain: Domain) -> None:
    @domain.command(was=("Close",))
    class Shut:
        account_id: UUID

    with refused("the command name Close is taken: it is defined at") as caught:

        @domain.command  # <- here
        class Close:
            account_id: UUID

    assert f"{__file__}:" in str(caught.value).rpartition("at ")[2], "both places are named"


@pytest.mark.parametrize("was", ["Open", ("No-Name",), ("",)], ids=repr)
def test_an_earlier_name_that_is_no_name(domain: Domain, was: Any) -> None:
    with refused("Closed: "):

        @domain.event(was=was)  # <- here
        class Closed:
            account_id: UUID


def test_reactors_effects_and_recurring_commands_keep_their_first_name(domain: Domain) -> None:
    add_account(domain)

    @domain.reactor(was=("Usher",))
    class Greeter:
        def opened(self, event: Opened) -> None: ...

    @domain.effect(Opened, name="tell")
    async def report(event: Opened) -> None: ...

    @domain.every("0 0 * * *", was=("nightly",))
    def at_night(tick: Any) -> None: ...

    assert (set(domain.reactors), set(domain.effects), set(domain.recurring)) == (
        {"usher"},
        {"tell"},
        {"nightly"},
    )
    assert domain.names.stored("reactor", "greeter") == domain.names.stored("reactor", "usher") == "usher"
    with refused("the reactor name greeter is taken"):

        @domain.reactor(name="Greeter")  # <- here
        class Other:
            def opened(self, event: Opened) -> None: ...


def test_a_retired_name_is_not_taken_again(domain: Domain) -> None:
    domain.retired(events=("Closed",), reactors=("clerk",))
    with refused("the event name Closed is taken: it is retired at"):

        @domain.event  # <- here
        class Closed:
            account_id: UUID


def test_a_name_that_is_in_use_cannot_be_retired(domain: Domain) -> None:
    with refused("the event name Opened is taken: it is defined at"):
        domain.retired(events=("Opened",))  # <- here


def test_where_a_reactor_begins_is_one_of_two_words(domain: Domain) -> None:
    with refused("Clerk: begins must be 'now' or 'beginning', got 'start'"):

        @domain.reactor(begins="start")  # type: ignore[call-overload]  # <- here
        class Clerk:
            def opened(self, event: Opened) -> None: ...


def test_reactors_are_tested_under_their_present_and_earlier_names(domain: Domain) -> None:
    add_account(domain)

    @domain.reactor(was=("Usher",))
    class Greeter:
        def opened(self, event: Opened) -> Open:
            return Open(event.account_id)

    for name in ("greeter", "usher"):
        assert Reactors(domain, name).react(Opened(UUID(int=1))) == [Open(UUID(int=1))]
