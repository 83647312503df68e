"""What the commands must reach."""

from __future__ import annotations

from bench.commands import accepting, applying, inserting, peers, processor
from bench.report import Target

TARGETS = (
    Target(processor.RATE, at_least=30_000),
    Target(processor.RATE, peers.EVENTSOURCING, at_least=25),
    Target(processor.RATE, peers.EVENTSOURCING_TUNED, at_least=25),
    Target(processor.RATE, peers.EMMETT_TEN, at_least=12),
    Target(processor.RATE, inserting.RATE, at_least=0.25),
    Target(accepting.ACCEPTED, accepting.NOTHING, at_least=0.8),
    Target(applying.HALF_P50, below=15),
)
