"""A domain to go wrong in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from commander import Domain
from tests.domain.shop import Open, Opened, disown


@pytest.fixture(autouse=True)
def owned_by_none() -> Iterator[None]:
    yield
    disown()


@pytest.fixture
def domain() -> Domain:
    """A domain with the command Open and the event Opened, and nobody who decides or evolves."""
    domain = Domain("shop")
    domain.command(Open)
    domain.event(Opened)
    return domain
