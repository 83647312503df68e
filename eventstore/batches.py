"""How much is read, decided or stored at once: whoever bounds a batch by a count bounds it by bytes too."""

from __future__ import annotations

from collections.abc import Sequence

from commander.eventstore.records import RecordedEvent

BATCH_BYTES = 4 * 1024 * 1024
"""The maximum of a batch. It ends with the item that reaches it, so one large item makes a batch too."""


def may_be_cut(events: Sequence[RecordedEvent], limit: int) -> bool:
    """Whether more events than a page has may match: it reached `limit`, or as it seems BATCH_BYTES.

    A character has up to four bytes.
    """
    return len(events) >= limit or 4 * sum(len(event.data) for event in events) >= BATCH_BYTES
