"""What a mutation must reach when both servers are far away."""

from __future__ import annotations

from bench.latency.far import APPLIED, PROJECTED, WITH_IDS, measured
from bench.report import Target

TARGETS = (
    *(Target(f"{measured(kind, 50)}, p50", below=600) for kind in (APPLIED, WITH_IDS)),
    Target(f"{measured(PROJECTED, 50)}, p50", below=800),
    *(Target(f"{measured(kind, 50)}, rate", at_least=85) for kind in (APPLIED, WITH_IDS, PROJECTED)),
)
