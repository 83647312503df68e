"""How many examples hypothesis draws for a test, others in each run. EXAMPLES=10 draws ten times as many."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_FACTOR = float(os.environ.get("EXAMPLES", "1"))


def examples(count: int) -> settings:
    """For a test that draws so many. An example may take as long as a busy machine and a server take."""
    return settings(
        max_examples=max(1, round(count * _FACTOR)), deadline=None, suppress_health_check=list(HealthCheck)
    )
