"""The request context of the schema's resolvers: with loaders that read in batches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from commander.resolvers.answer_size import AnswerSize
from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import Services
from commander.schema.batching import Batching


@dataclass(frozen=True)
class Context(RequestContext[Services]):
    """The context of one operation. A connection has one too, and each of its operations gets its own.

    parts_of_outcomes: which fields of CommandApplied with fields of their own a mutation selects.
    """

    parts_of_outcomes: frozenset[str] = frozenset()

    @cached_property
    def size(self) -> AnswerSize:
        """The size of the answer so far."""
        return AnswerSize(self.services.limits.max_answer_items)

    @cached_property
    def batching(self) -> Batching:
        """Loads data for many fields of one answer together."""
        return Batching(self.services, self.size)

    def forget(self) -> None:
        """Drops cached data and the size. Call it between two answers of one operation."""
        self.__dict__.pop("batching", None)
        self.__dict__.pop("size", None)
