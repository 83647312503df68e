"""What the projections must reach."""

from __future__ import annotations

from bench.projections import cost, lag, peers, rebuild
from bench.projections.plan import FULL
from bench.report import Target

TARGETS = (
    Target(rebuild.RATE, at_least=50_000),
    Target(rebuild.RATE, peers.EVENTSOURCING, at_least=10),
    Target(rebuild.RATE, peers.EVENTSOURCING_TUNED, at_least=10),
    Target(lag.LAG_P99, below=100),
    *(
        Target(
            cost.with_history(name, FULL.long_history), cost.with_history(name, FULL.short_history), below=1.3
        )
        for name in (cost.APPEND, cost.PAGE, cost.ROW, cost.LIVE)
    ),
)
