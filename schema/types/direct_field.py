"""A field whose resolver graphql-core calls directly, without Strawberry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Given = Mapping[str, Any]
"""An input, as coerced by graphql-core."""


@dataclass(frozen=True)
class DirectField:
    """A field of a type (`of`) as Strawberry declares it, and its resolver.

    The resolver takes its arguments as coerced by graphql-core. Strawberry would convert each input into
    instances, field by field. That takes as long as all other work of a mutation.
    """

    declared: Any
    resolve: Callable[..., Any]
    of: str = "Mutation"

    @property
    def graphql_name(self) -> str:
        return str(self.declared.graphql_name)
