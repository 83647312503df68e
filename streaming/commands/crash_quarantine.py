"""Commands that may have crashed their processor: tried alone, each attempt counted before it is made.

A processor marks its partitions as running. Who takes over partitions still so marked knows that their
owner died, and that the cause may be among the next commands of theirs, as many as may have been decided and
not committed: the cause stands in the last of those batches. Those it takes one by one, each attempt stored
before it is made; one that has been tried too often is set aside as failed, and the rest go on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

logger = logging.getLogger("commander.processor")

MAX_ATTEMPTS = 3
"""The first is the one in whose batch the owner died; it was not counted, for nobody knew."""


class CrashQuarantine:
    """Which of the next commands are suspect; false when none are.

    under_way: how many commands may have been decided and not committed when the owner died. up_to: the last
    sequence in the stream at takeover: what came later cannot have crashed anyone.
    """

    def __init__(self, partitions: Iterable[int], under_way: int, up_to: int) -> None:
        self._remaining = dict.fromkeys(partitions, under_way)
        self._up_to = up_to
        if self._remaining:
            names = ", ".join(map(str, self._remaining))
            logger.warning("the last owner of partitions %s died; looking for the cause", names)

    def __bool__(self) -> bool:
        return bool(self._remaining)

    def include(self, partitions: Iterable[int], sequence: int) -> bool:
        """Whether a message with commands of these partitions, their next, is suspect; it is counted off."""
        if sequence > self._up_to:
            self.clear()
        suspected = [partition for partition in partitions if partition in self._remaining]
        for partition in suspected:
            self._remaining[partition] -= 1
            if self._remaining[partition] == 0:
                del self._remaining[partition]
        return bool(suspected)

    def clear(self) -> None:
        """All that was in the stream at takeover has been decided."""
        self._remaining.clear()
