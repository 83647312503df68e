"""GET /metrics: how the projections are, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from commander.domain.errors import Unavailable
from eventstore.database import Database
from eventstore.log import head_position
from eventstore.serving import TableRecord, table_records


def metrics_route(database: Callable[[], Database | None]) -> BaseRoute:
    """Answers from Postgres at each call; with 503 while that is away."""

    async def metrics(_: Request) -> Response:
        connected = database()
        try:
            if connected is None:
                raise Unavailable("Commander", "not started yet")
            text = exposition(await table_records(connected), await head_position(connected))
        except Unavailable as error:
            return PlainTextResponse(str(error), status_code=503)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return Route("/metrics", metrics)


def exposition(records: Iterable[TableRecord], head: int) -> bytes:
    """Gauges of each projection's tables; a lag is counted in events."""
    gauges = CollectorRegistry()
    labels = ("projection", "table", "serving")

    def gauge(name: str, help_: str) -> Gauge:
        return Gauge(f"commander_projection_{name}", help_, labels, registry=gauges)

    position = gauge("position", "The last position folded.")
    lag = gauge("lag_events", "How many events the log is ahead.")
    failed = gauge("failed", "1 where it has stopped at an event that it cannot fold.")
    building = gauge("building", "1 while its table is being filled.")
    for record in records:
        of = (record.name, record.table_name, str(record.serving).lower())
        position.labels(*of).set(record.position)
        lag.labels(*of).set(max(0, head - record.position))
        failed.labels(*of).set(record.failed_position is not None)
        building.labels(*of).set(record.state == "BUILDING")
    return generate_latest(gauges)
