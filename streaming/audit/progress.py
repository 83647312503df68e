"""The progress of the partitions: beyond the end of COMMANDS, it would pass over commands that come next."""

from __future__ import annotations

from collections.abc import AsyncIterator

from commander.domain.errors import Unavailable
from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.eventstore.log.checkpoints import all_progress
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import queue_depth


def progress_check(nats: Nats) -> Check:
    """The check on this connection."""

    async def run(audit: Audit, show: Show) -> AsyncIterator[Finding]:
        known = await all_progress(audit.database)  # before the queue: it grows first
        try:
            queue = await queue_depth(nats)
        except Unavailable:
            if nats.connected:
                return  # there is no queue, so no progress belongs to it
            raise
        for one in known:
            if (at := one.in_stream(queue.created)) > queue.last_sequence:
                where = f"partition {one.partitions[0]} of {nats.names.commands}"
                end = f"the queue ends at {queue.last_sequence}"
                what = f"it is at {at}, {end}: commands until then are passed over"
                yield Finding(Kind.PROGRESS_BEYOND, where, what, Repair(Mend.RESTORE))

    return Check("no progress is beyond the queue", run)
