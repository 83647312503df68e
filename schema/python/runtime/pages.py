"""Pages of a list of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from commander.schema.python.runtime.codec import Decode

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Edge(Generic[Row]):
    """A row and its place in the list, for `after` and `before`."""

    cursor: str
    node: Row


@dataclass(frozen=True, slots=True)
class PageInfo:
    """Where a page begins and ends."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A page of a list. The next one begins `after` the page's `end_cursor`."""

    edges: tuple[Edge[Row], ...]
    page_info: PageInfo

    @property
    def rows(self) -> list[Row]:
        return [edge.node for edge in self.edges]


def page_of(connection: Mapping[str, Any], decode: Decode) -> Page[Any]:
    info = connection["pageInfo"]
    return Page(
        tuple(Edge(edge["cursor"], decode(edge["node"])) for edge in connection["edges"]),
        PageInfo(info["hasNextPage"], info["hasPreviousPage"], info["startCursor"], info["endCursor"]),
    )
