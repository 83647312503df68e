"""What an audit must reach."""

from __future__ import annotations

from bench.report import Target
from bench.verifying.auditing import RATE

TARGETS = (Target(RATE, at_least=100_000),)
