"""The rules of the bank. They hold where authentication is on.

Customers see and move their own money: the owner of an account is the subject of its owner's token. Tellers
open accounts, take deposits, and see all accounts and transfers.
"""

from __future__ import annotations

from typing import Protocol

from commander import Viewer, where

TELLERS = frozenset({"teller"})


class HasOwner(Protocol):
    @property
    def owner(self) -> str | None: ...


class HasPayer(Protocol):
    @property
    def payer(self) -> str | None: ...


def names_itself(viewer: Viewer, command: HasOwner) -> bool:
    """The command names the viewer as the owner."""
    return viewer.subject is not None and command.owner == viewer.subject


def owns_account(viewer: Viewer, command: object, account: HasOwner) -> bool:
    """The account is the viewer's."""
    return viewer.subject is not None and account.owner == viewer.subject


def pays_itself(viewer: Viewer, command: HasPayer) -> bool:
    """The money moves in the viewer's name. Whether the source is theirs, the source decides."""
    return viewer.subject is not None and command.payer == viewer.subject


def own(viewer: Viewer) -> object:
    """What has the viewer as its owner."""
    return where(owner=viewer.subject)


def paid(viewer: Viewer) -> object:
    """What has the viewer as its payer."""
    return where(payer=viewer.subject)
