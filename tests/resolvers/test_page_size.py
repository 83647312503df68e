"""How many items a page has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from commander.domain.errors import InvalidRequest
from commander.resolvers.events import page_size
from commander.resolvers.services import Limits


@pytest.mark.parametrize(
    ("asked", "max_page", "size"), [(None, 500, 50), (None, 20, 20), (0, 500, 0), (20, 20, 20)]
)
def test_a_page_without_a_size_is_within_the_limit(asked: int | None, max_page: int, size: int) -> None:
    services: Any = SimpleNamespace(limits=Limits(max_page=max_page))
    assert page_size(services, asked) == size
    with pytest.raises(InvalidRequest):
        page_size(services, max_page + 1)
