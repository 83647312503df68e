"""The size of an answer: its objects and list items are counted while it grows."""

from __future__ import annotations

from dataclasses import dataclass

from commander.domain.errors import CommanderError


class AnswerTooLarge(CommanderError):
    """The answer would have more items in its lists than the limit. limit: COMMANDER_MAX_ANSWER_ITEMS."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the answer has more than {limit} items in its lists; ask for shorter pages, fewer levels or "
            "fewer aliases"
        )
        self.limit = limit


@dataclass
class AnswerSize:
    """How many items the lists of one answer have so far. exceeded: whether a list was refused."""

    limit: int
    items: int = 0
    exceeded: bool = False

    def add(self, items: int) -> None:
        """Counts the items of a list. Raises AnswerTooLarge beyond the limit, then for each further list."""
        self.items += items
        self.allow(0)

    def allow(self, items: int) -> None:
        """Raises AnswerTooLarge if the answer would exceed the limit with so many items more."""
        if self.exceeded or self.items + items > self.limit:
            self.exceeded = True
            raise AnswerTooLarge(self.limit)

    @property
    def room(self) -> int:
        """How many items may follow."""
        return max(self.limit - self.items, 0)
