"""What the projections must reach."""

from __future__ import annotations

from bench.projections import peers, rebuild
from bench.report import Target

TARGETS = (
    Target(rebuild.RATE, at_least=50_000),
    Target(rebuild.RATE, peers.EVENTSOURCING, at_least=10),
    Target(rebuild.RATE, peers.EVENTSOURCING_TUNED, at_least=10),
)
