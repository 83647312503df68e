"""A field whose resolver graphql-core calls itself, not through Strawberry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

Given = Mapping[str, Any]
"""An input as graphql-core coerced it."""


@dataclass(frozen=True)
class DirectField:
    """A field of a type (`of`) as Strawberry declares it, and its resolver.

    The resolver takes its arguments as graphql-core coerced them. Strawberry's conversion of inputs, field by
    field into instances, would take as long as all that a mutation does here.
    """

    declared: Any
    resolve: Callable[..., Awaitable[Any]]
    of: str = "Mutation"

    @property
    def graphql_name(self) -> str:
        return str(self.declared.graphql_name)
