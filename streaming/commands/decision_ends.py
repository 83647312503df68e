"""What becomes of a decision: its trace, and its outcome with its events."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from msgspec.structs import replace

from commander.eventstore.log.append_binds import stored_events
from commander.eventstore.log.event_log import Appended
from commander.eventstore.records import Decision
from commander.streaming.commands.outcomes import Ended, sender_of
from commander.streaming.tracing import SpanKind, mark


class DecisionEnd(NamedTuple):
    """A decision, and the range of its events among those of its batch."""

    decision: Decision
    begin: int
    end: int

    def ended(self, appended: Appended) -> Ended:
        """The outcome. appended: the result of the batch's commit."""
        decision = self.decision
        return Ended(
            decision.command.command_id,
            decision.digest,
            decision.status,
            decision.code,
            decision.message,
            decision.command.stream,
            appended.base + self.end,
            decision.version,
            appended.events[self.begin : self.end],
            sender_of(decision.command),
        )


def ends_of(decisions: Sequence[Decision]) -> list[DecisionEnd]:
    """The decisions of a batch, each with the range of its events."""
    ranges = pairwise(accumulate(map(stored_events, decisions), initial=0))
    return [DecisionEnd(one, begin, end) for one, (begin, end) in zip(decisions, ranges, strict=True)]


def traced(decision: Decision, began_ns: int) -> Decision:
    """The decision with the trace context of its span, which its events get."""
    command = decision.command
    outcome = {"commander.status": decision.status.value}
    traceparent = mark(f"decide {command.type}", command.traceparent, began_ns, SpanKind.CONSUMER, outcome)
    return replace(decision, command=replace(command, traceparent=traceparent))
