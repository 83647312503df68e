"""Commands that may have crashed their processor: decided alone, each attempt stored before it begins.

A processor marks its partitions as running. If a new owner finds the mark, the last owner has crashed. The
cause may be one of the next commands of these partitions: as many as can be decided and not committed. The
new owner decides them one by one, and stores each attempt before it begins. A command with too many attempts
fails, and the rest continue.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

logger = logging.getLogger("commander.processor")

MAX_ATTEMPTS = 3
"""The attempts of a command, the crash of the first owner included.

That one is not stored, as it was in a batch.
"""


class CrashQuarantine:
    """The next commands that may have caused a crash. The object is false if there are none.

    under_way: how many commands may have been decided and not committed at the crash. up_to: the last
    sequence in the stream at takeover; a later command cannot be the cause.
    """

    def __init__(self, partitions: Iterable[int], under_way: int, up_to: int) -> None:
        self._remaining = dict.fromkeys(partitions, under_way)
        self._up_to = up_to
        if self._remaining:
            names = ", ".join(map(str, self._remaining))
            logger.warning(
                "the last owner of partitions %s crashed; deciding their next commands alone", names
            )

    def __bool__(self) -> bool:
        return bool(self._remaining)

    def include(self, partitions: Iterable[int], sequence: int) -> bool:
        """Whether the next message, with commands of these partitions, may be the cause.

        It counts the message.
        """
        if sequence > self._up_to:
            self.clear()
        suspected = [partition for partition in partitions if partition in self._remaining]
        for partition in suspected:
            self._remaining[partition] -= 1
            if self._remaining[partition] == 0:
                del self._remaining[partition]
        return bool(suspected)

    def clear(self) -> None:
        """Ends the quarantine: every command that was in the stream at takeover is decided."""
        self._remaining.clear()
