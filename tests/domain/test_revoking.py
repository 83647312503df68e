"""`@domain.revokes`: which event ends whose access, and what it cannot be."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from typing import Any

import pytest

from commander import DefinitionError, Domain
from commander.domain.revoking import RevokingFailed
from tests.domain.shop import Elsewhere, Opened


def leaves(event: Opened) -> str | None:
    return None


def nothing() -> str:
    return ""


def untyped(event: Any) -> str:
    return ""


def of_another(event: Elsewhere) -> str:
    return ""


async def waiting(event: Opened) -> str:
    return ""


def domain() -> Domain:
    made = Domain("shop")
    made.event(Opened)
    return made


def test_an_event_names_the_subject_whose_access_it_ends() -> None:
    shop = Domain("staff")

    @shop.event
    class Left:
        user: str

    @shop.revokes
    def left(event: Left) -> str | None:
        return event.user or None

    revoking = shop.revoking["Left"]
    assert revoking.subject(Left("alice")) == "alice"  # type: ignore[call-arg]
    assert revoking.subject(Left("")) is None  # type: ignore[call-arg]
    assert left(Left("bob")) == "bob"  # type: ignore[call-arg]  # the function stays what it was


@pytest.mark.parametrize("returned", [7, "", "a\0b"], ids=["a number", "nothing", "NUL"])
def test_what_is_no_subject_is_not_revoked(returned: Any) -> None:
    shop = Domain("staff")

    @shop.event
    class Left:
        user: str

    @shop.revokes
    def left(event: Left) -> str:
        if returned == 7:
            raise KeyError("user")
        return str(returned)

    with pytest.raises(RevokingFailed, match=r"left (raised KeyError|returned .* which is no subject)"):
        shop.revoking["Left"].subject(Left("x"))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (7, "7: @revokes decorates a function"),
        (waiting, "waiting must be a plain function"),
        (nothing, "nothing must take one parameter, annotated with an event"),
        (untyped, "untyped must take one parameter, annotated with an event"),
        (of_another, "of_another must take one parameter, annotated with an event"),
    ],
    ids=["no function", "async", "no parameter", "any event", "another domain's event"],
)
def test_what_cannot_revoke_is_told_at_import(function: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        domain().revokes(function)


def test_an_event_revokes_by_one_function() -> None:
    shop = domain()
    shop.revokes(leaves)
    with pytest.raises(DefinitionError, match="another method already handles Opened"):
        shop.revokes(leaves)
