"""Which stream holds each unique key, and which keys each stream holds, as far as a processor knows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from commander.domain.unique import UniqueRule
from commander.eventstore.log.conditions import Key

_MOST_KNOWN = 200_000


class KeyHolders(dict[Key, str | None]):
    """Which stream holds each unique key (None: none does).

    It is what Postgres said, and what the processor has decided since.

    asks: whether Postgres is asked for a key before the commit, which takes a trip. It is not while no key
    was held: the commit finds that too, and then the batch is decided again.
    """

    asks = True

    def __init__(self, known: Mapping[Key, str | None] = MappingProxyType({})) -> None:
        super().__init__(known)
        self._keys: dict[tuple[int, str], tuple[Any, frozenset[str]]] = {}

    def keys_of(self, index: int, rule: UniqueRule, stream: str, state: Any) -> frozenset[str]:
        """The keys of this state of a stream, from the last time if it is the same object.

        index: the id of the rule's index. Raises InvalidDecision as UniqueRule.keys_of.
        """
        known = self._keys.get((index, stream))
        if known is not None and known[0] is state:
            return known[1]
        keys = rule.keys_of(state)
        self._keys[index, stream] = state, keys
        return keys

    def shrink(self) -> None:
        """Forgets them if they are many. Whoever decides on less knowledge finds that at the commit."""
        if max(len(self), len(self._keys)) > _MOST_KNOWN:
            self.clear()
            self._keys.clear()
