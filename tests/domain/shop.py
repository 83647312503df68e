"""A command and an event that the tests of definitions build on, and the aggregate that takes both."""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from commander import Domain


@dataclass(frozen=True)
class Open:
    account_id: UUID


@dataclass(frozen=True)
class Opened:
    account_id: UUID


@dataclass(frozen=True)
class Elsewhere:
    """Of no domain."""

    account_id: UUID


def disown(*classes: type) -> None:
    """Makes these (Open and Opened, if none are given) free for another domain; a class belongs to one."""
    for shared in classes or (Open, Opened):
        if "__commander__" in shared.__dict__:
            delattr(shared, "__commander__")


def add_account(domain: Domain) -> None:
    """The aggregate that decides Open and evolves by Opened."""

    @domain.aggregate(key="account_id")
    @dataclass(frozen=True)
    class Account:
        opened: bool = False

        def open(self, command: Open) -> Opened:
            return Opened(command.account_id)

        def was_opened(self, event: Opened) -> Any:
            return replace(self, opened=True)
