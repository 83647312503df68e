"""Errors in the definition of an effect: raised at import, with file and line."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from typing import Any

import pytest

from commander import Domain, EffectCall
from tests.domain.refusing import refused
from tests.domain.shop import Elsewhere, Open, Opened


async def tell(event: Opened) -> None: ...


async def tell_more(event: Opened, call: EffectCall) -> None: ...


def test_an_effect_takes_an_event_and_at_most_a_call(domain: Domain) -> None:
    assert domain.effect(Opened)(tell) is tell
    domain.effect(Opened, concurrency=2, attempts=1, timeout_seconds=0.5)(tell_more)
    assert [(e.name, e.takes_call, e.concurrency) for e in domain.effects.values()] == [
        ("tell", False, 8),
        ("tell_more", True, 2),
    ]
    assert domain.effects["tell"].key(1) != domain.effects["tell_more"].key(1)
    assert domain.effects["tell"].key(1) != domain.effects["tell"].key(2)
    assert domain.effects["tell"].key(1) == domain.effects["tell"].key(1, epoch=1)
    assert domain.effects["tell"].key(1) != domain.effects["tell"].key(1, epoch=2)


def test_an_effect_that_is_not_async(domain: Domain) -> None:
    with refused("shout: an effect must be an async function"):

        @domain.effect(Opened)  # type: ignore[type-var]  # <- here
        def shout(event: Opened) -> None: ...


@pytest.mark.parametrize("event", [Open, Elsewhere, int], ids=repr)
def test_an_effect_of_what_is_no_event(domain: Domain, event: Any) -> None:
    with refused("is not an event of this domain"):

        @domain.effect(event)  # <- here
        async def shout(event: Opened) -> None: ...


def test_an_effect_of_nothing(domain: Domain) -> None:
    with refused("shout: an effect needs at least one event"):

        @domain.effect()  # <- here
        async def shout(event: Opened) -> None: ...


def test_an_effect_that_takes_too_much(domain: Domain) -> None:
    with refused("shout must take an event and at most an EffectCall"):

        @domain.effect(Opened)  # <- here
        async def shout(event: Opened, call: EffectCall, more: int) -> None: ...


@pytest.mark.parametrize("limit", ["concurrency", "attempts", "timeout_seconds"])
def test_an_effect_with_a_limit_that_lets_nothing_through(domain: Domain, limit: Any) -> None:
    none: dict[str, Any] = {limit: 0}
    with refused(f"shout: {limit} must be greater than 0"):

        @domain.effect(Opened, **none)  # <- here
        async def shout(event: Opened) -> None: ...


def test_two_effects_of_one_name(domain: Domain) -> None:
    domain.effect(Opened)(tell)
    with refused("the effect name tell is taken"):
        domain.effect(Opened)(tell)  # <- here
