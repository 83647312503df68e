"""Errors in events, commands, upcasts and a domain: raised at import or by check, with file and line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from commander import Domain
from commander.schema.build import build_schema
from tests.domain.refusing import refused
from tests.domain.shop import Elsewhere, Open, Opened, add_account


@pytest.mark.parametrize("name", ["", "my bank", "1st", "größe"])
def test_a_domain_with_a_name_that_is_no_identifier(name: str) -> None:
    with refused(f"the domain {name!r}"):
        Domain(name)  # <- here


def test_a_domain_without_commands() -> None:
    with refused("the domain shop has no commands"):
        domain = Domain("shop")  # <- here
        domain.check()


def test_a_domain_with_a_command_nobody_decides() -> None:
    domain = Domain("shop")
    with refused("no aggregate decides the command Close"):

        @domain.command  # <- here
        class Close:
            account_id: UUID

        domain.check()


def test_a_domain_with_an_event_nobody_evolves_by(domain: Domain) -> None:
    add_account(domain)
    domain.check()
    with refused("no aggregate evolves by the event Closed"):

        @domain.event  # <- here
        class Closed:
            account_id: UUID

        domain.check()


def test_a_dataclass_that_can_change(domain: Domain) -> None:
    for register in (domain.event, domain.command):
        with refused("Closed must be a frozen dataclass"):

            @register  # <- here
            @dataclass
            class Closed:
                account_id: UUID


def test_a_name_that_is_taken(domain: Domain) -> None:
    for register in (domain.event, domain.command):
        with refused("the name Opened is taken"):

            @register  # <- here
            @dataclass(frozen=True)
            class Opened:
                account_id: UUID

    with refused("the name ReactionRejected is taken"):

        @domain.event  # <- here
        class ReactionRejected:
            account_id: UUID


def test_of_two_classes_of_one_name_the_second_is_told(domain: Domain) -> None:
    @domain.event
    class Closed:
        account_id: UUID

    with refused("the name Closed is taken"):

        @domain.event  # <- here
        class Closed:  # type: ignore[no-redef]
            account_id: UUID


def test_a_class_that_is_another_domain_s(domain: Domain) -> None:
    other = Domain("warehouse")
    for register, cls in ((other.command, Open), (other.event, Opened)):
        with refused(f"{cls.__name__} already belongs to the domain shop"):
            register(cls)  # <- here
    assert not other.commands
    assert not other.events
    assert domain.type_of(Open(UUID(int=1))) is domain.commands["Open"]


def test_a_name_that_graphql_does_not_take(domain: Domain) -> None:
    with refused("Überweisung: a name in GraphQL may have letters from A to Z"):

        @domain.command  # <- here
        class Überweisung:
            account_id: UUID


def test_a_command_without_fields(domain: Domain) -> None:
    with refused("Close has no fields; a command needs a field with the key"):

        @domain.command(internal=True)  # <- here
        class Close:
            pass


@pytest.mark.parametrize("version", [0, -1])
def test_an_event_whose_version_does_not_count_from_1(domain: Domain, version: int) -> None:
    with refused("version must be at least 1, got"):

        @domain.event(version=version)  # <- here
        class Closed:
            account_id: UUID


def test_a_name_that_the_api_uses_itself(domain: Domain) -> None:
    with refused("Type CommandApplied is defined multiple times"):

        @domain.event  # <- here
        class CommandApplied:
            account_id: UUID

        @domain.aggregate(key="account_id")
        class Account:
            def open(self, command: Open) -> None: ...
            def was_opened(self, event: Opened) -> Any: ...
            def applied(self, event: CommandApplied) -> Any: ...

        build_schema(domain)


def test_an_upcast_of_something_that_is_no_event(domain: Domain) -> None:
    with refused("Elsewhere is not an event of the domain shop"):

        @domain.upcast(Elsewhere, from_version=1)  # <- here
        def upcast(data: dict[str, Any]) -> dict[str, Any]:
            return data


@pytest.mark.parametrize("version", [0, 1, 2])
def test_an_upcast_from_a_version_that_has_no_next(domain: Domain, version: int) -> None:
    with refused(f"Opened: from_version must be at least 1 and less than 1, its version; got {version}"):

        @domain.upcast(Opened, from_version=version)  # <- here
        def upcast(data: dict[str, Any]) -> dict[str, Any]:
            return data


def test_an_upcast_twice_from_the_same_version(domain: Domain) -> None:
    @domain.event(version=2)
    class Closed:
        account_id: UUID

    def unchanged(data: dict[str, Any]) -> dict[str, Any]:
        return data

    domain.upcast(Closed, from_version=1)(unchanged)
    with refused("Closed has two upcasts from version 1"):

        @domain.upcast(Closed, from_version=1)  # <- here
        def upcast(data: dict[str, Any]) -> dict[str, Any]:
            return data
