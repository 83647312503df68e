"""What the feed must reach."""

from __future__ import annotations

from bench.feed import catchup, latency
from bench.feed.fanout import rate_of
from bench.feed.filters import filtered_rate_of
from bench.feed.subjects import COMMANDER, GRAPHQL_WS_NODE, STRAWBERRY
from bench.report import Target

TARGETS = (
    *(Target(rate_of(COMMANDER, clients), at_least=80_000) for clients in (500, 2000)),
    *(
        Target(rate_of(COMMANDER, clients), rate_of(GRAPHQL_WS_NODE, clients), at_least=1.5)
        for clients in (500, 2000)
    ),
    Target(filtered_rate_of(COMMANDER), filtered_rate_of(STRAWBERRY), at_least=4),
    Target(catchup.RATE, at_least=30_000),
    Target(catchup.GROWTH, below=10),
    Target(latency.EVENT_P50, below=10),
    Target(latency.EVENT_P99, below=40),
)
