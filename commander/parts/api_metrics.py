"""The metrics of the part that serves GraphQL."""

from __future__ import annotations

from collections.abc import Container, Iterable

from commander.eventstore.database import Database
from commander.parts.exposition import Metric, counter, gauge, gauges, labelled
from commander.resolvers.allowances import LIMITS, Allowances
from commander.schema.http.connections import Streams
from commander.streaming.commands.outcomes import OutcomeWaiter
from commander.streaming.commands.queue_watch import QueueWatch
from commander.streaming.commands.submitting import Submitter
from commander.streaming.feed.feed import Feed
from commander.streaming.projections.progress import ProjectionProgress


async def of_submitting(submitter: Submitter, outcomes: OutcomeWaiter) -> list[Metric]:
    return [
        counter("commands_submitted_total", "Commands stored by this process.", submitter.submitted),
        gauge("submit_waiting", "Commands that are being stored in JetStream.", submitter.waiting),
        gauge("outcomes_waiting", "Mutations that wait for an outcome.", outcomes.waiting),
    ]


async def of_the_pool(operations: Database) -> list[Metric]:
    return [gauge("operations_waiting", "Operations that wait for a connection.", operations.waiting)]


async def of_the_queue(queue: QueueWatch | None) -> list[Metric]:
    if queue is None or queue.last is None:
        return []
    return [
        gauge("queue_commands", "Queued commands: due, and not removed yet.", queue.last.commands),
        gauge("queue_age_seconds", "For how long the oldest of them has been queued.", queue.age_seconds),
        gauge("queue_full", "1 while commands of clients are refused.", float(queue.problem is not None)),
    ]


async def of_read_tables(
    tables: Iterable[str], errors: Container[str], progress: ProjectionProgress
) -> list[Metric]:
    abandoned = {name: name in errors for name in tables}
    stopped = {name: progress.stopped(name) is not None for name in tables}
    help = "1 if queries read a table that no process keeps up with the log."
    stops = "1 if queries read a table that has stopped at an event that it cannot fold."
    return [
        gauges("projection_abandoned", help, "projection", abandoned),
        gauges("projection_stopped", stops, "projection", stopped),
    ]


async def of_allowances(allowances: Allowances | None) -> list[Metric]:
    refused = {} if allowances is None else allowances.refused
    values = (({"limit": limit}, refused.get(limit, 0)) for limit in LIMITS)
    help = "Operations that were refused, by the limit that their client has reached."
    return [labelled("counter", "client_refusals_total", help, values)]


async def of_the_feed(feed: Feed, streams: Streams, rendered: int) -> list[Metric]:
    return [
        gauge("subscribers", "Subscribers of events.", feed.subscribers),
        gauge("feed_channels", "Fan-out groups: subscribers that share the reading of the log.", feed.groups),
        counter(
            "feed_renderings_total", "Events that were rendered, each once for all who share it.", rendered
        ),
        gauge("feed_position", "The last position that was sent to subscribers.", feed.position),
        gauge("connections", "WebSockets and streamed responses.", streams.connections),
    ]
