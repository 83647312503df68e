"""The request context of the schema's resolvers: with loaders that read in batches."""

from __future__ import annotations

from functools import cached_property

import msgspec
from graphql import GraphQLSchema

from commander.resolvers.answer_size import AnswerSize
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import Services
from commander.schema.batching import Batching


class Context(RequestContext[Services], frozen=True, eq=False, dict=True):
    """The context of one operation. A connection has one too, and each of its operations gets its own.

    parts_of_outcomes: which fields of CommandApplied with fields of their own a mutation selects.
    at_least: what the rows that links lead to must show, and how long to wait for it in milliseconds, by the
    key of the root field above them in the answer; None: below every root field.
    known: the schema that the viewer knows; None: the whole one.
    """

    parts_of_outcomes: frozenset[str] = frozenset()
    at_least: dict[str | int | None, tuple[int, int]] = msgspec.field(default_factory=dict)
    known: GraphQLSchema | None = None

    @cached_property
    def size(self) -> AnswerSize:
        """The size of the answer so far."""
        return AnswerSize(self.services.limits.max_answer_items)

    @cached_property
    def batching(self) -> Batching:
        """Loads data for many fields of one answer together."""
        return Batching(self.services, self.size, self.rights)

    def forget(self) -> None:
        """Drops cached data and the size. Call it between two answers of one operation."""
        self.__dict__.pop("batching", None)
        self.__dict__.pop("size", None)
