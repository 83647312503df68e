"""The epoch of both streams: another one than the log's means that a store was set back."""

from __future__ import annotations

from collections.abc import AsyncIterator

from nats.js.errors import NotFoundError

from commander.eventstore.audit.findings import Audit, Check, Finding, Kind, Mend, Repair, Show
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import epoch_in


def epoch_check(nats: Nats) -> Check:
    """The check on this connection, whose names accept any epoch."""

    async def run(audit: Audit, show: Show) -> AsyncIterator[Finding]:
        wanted = nats.names.identity.epochs.current
        for stream in (nats.names.commands, nats.names.events):
            async with nats.answering():
                try:
                    info = await nats.jetstream.stream_info(stream)
                except NotFoundError:
                    continue
            nats.names.must_own(info)
            if (found := epoch_in(info.config.metadata)) != wanted:
                what = f"it is of epoch {found}, the log of epoch {wanted}: one of the two was set back"
                yield Finding(Kind.EPOCH, stream, what, Repair(Mend.RESTORE))

    return Check("log and streams are of one epoch", run)
