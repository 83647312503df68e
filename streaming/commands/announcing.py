"""The signals that tell of a batch after its commit: its events, its inline projections, and its outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from commander.eventstore.records import RecordedEvent
from commander.streaming.commands.outcomes import Ended, outcome_signals
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.names import Names
from commander.streaming.nats.signals import log_signals, projection_signal


def announcements(
    names: Names,
    events: Sequence[RecordedEvent],
    projected: Iterable[str],
    ends: Iterable[tuple[str, Ended]],
) -> list[OutMessage]:
    """The signals of a batch, without the ids of its commands.

    projected: the tables that have its events. ends: outcomes, each with the subject on which its client
    waits.
    """
    messages = [*log_signals(names, events)]
    if events:
        messages += [projection_signal(names, table_name, events[-1].position) for table_name in projected]
    by_reply: dict[str, list[Ended]] = {}
    for reply, ended in ends:
        by_reply.setdefault(reply, []).append(ended)
    for reply, outcomes in by_reply.items():
        messages += outcome_signals(reply, outcomes)
    return messages
