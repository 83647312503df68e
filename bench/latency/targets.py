"""What a mutation must reach when both servers are far away."""

from __future__ import annotations

from bench.latency.far import measured
from bench.report import Target

TARGETS = (
    Target(f"{measured('APPLIED', 50)}: p50", below=600),
    Target(f"{measured('APPLIED', 50)}: rate", at_least=90),
)
