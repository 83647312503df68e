"""GET /metrics: metrics of the process and of the system, for Prometheus.

Values from Postgres and NATS are read at each call. So they are the same in every process, also in one that
waits to take over. While a server is down, its values are omitted and `commander_server_up` is 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from commander.domain import DomainCode
from commander.domain.errors import Trouble, Unavailable
from commander.eventstore.database import Database
from commander.eventstore.log.command_history import open_dead_letters
from commander.eventstore.log.event_log import log_head
from commander.parts.exposition import MEDIA_TYPE, Metric, counter, exposition, gauge, gauges, labelled
from commander.parts.status_server import Answer, Answers
from commander.streaming.clocks import ClockWatch
from commander.streaming.loop_watch import LoopWatch
from commander.streaming.nats.connection import Nats

Measure = Callable[[], Coroutine[Any, Any, list[Metric]]]
"""Reads some metrics. May raise Unavailable."""
_PATIENCE_SECONDS = 1.5
"""How long metrics may take. A server that is frozen must not hide the metrics of the process itself."""


def metrics_answers(measures: Callable[[], Iterable[Measure]]) -> Answers:
    """GET /metrics: those of these metrics that can be read now."""

    late = set[asyncio.Task[list[Metric]]]()

    def discard(task: asyncio.Task[list[Metric]]) -> None:
        late.discard(task)
        if not task.cancelled():
            task.exception()  # nobody else looks at it

    async def metrics() -> Answer:
        reading = [asyncio.create_task(measure()) for measure in measures()]
        await asyncio.wait(reading, timeout=_PATIENCE_SECONDS)
        found: list[Metric] = []
        for task in reading:
            if task.cancel():  # it is late; it is not awaited, because its end can take as long again
                late.add(task)
                task.add_done_callback(discard)
                continue
            with suppress(Unavailable):
                found += task.result()
        return Answer(200, MEDIA_TYPE, exposition(found))

    return {"/metrics": metrics}


async def servers_up(database: Database | None, nats: Nats | None) -> list[Metric]:
    """What this process knows of the servers. It asks nobody."""
    circuits = {
        "nats": None if nats is None else nats.circuit,
        "postgres": None if database is None else database.circuit,
    }
    outages = {name: None if circuit is None else circuit.outage for name, circuit in circuits.items()}
    up = {name: float(circuit is not None and circuit.answers) for name, circuit in circuits.items()}
    states = [
        ({"server": name, "state": trouble.value}, float(outage is not None and outage.trouble is trouble))
        for name, outage in outages.items()
        for trouble in Trouble
    ]
    return [
        gauges("server_up", "1 while this process can reach the server.", "server", up),
        labelled("gauge", "server_trouble", "1 for what is wrong with the server, as far as known.", states),
    ]


async def of_the_clocks(clocks: ClockWatch) -> list[Metric]:
    found = clocks.differences
    ahead = {
        "process": found.process.total_seconds(),
        "postgres": found.postgres.total_seconds(),
    }
    held = found.recorded_at.total_seconds()
    return [
        gauges("clock_ahead_seconds", "How far a clock is ahead of that of NATS.", "clock", ahead),
        gauge("recorded_at_held_seconds", "How long recorded_at still stands still.", held),
    ]


async def of_the_loop(watch: LoopWatch) -> list[Metric]:
    blocked = "How often code blocked the event loop for too long."
    return [
        counter("event_loop_blocks_total", blocked, watch.blocks),
        gauge("event_loop_longest_block_seconds", "The longest of these blocks.", watch.longest_seconds),
    ]


async def of_the_code(code: DomainCode) -> list[Metric]:
    info = {"domain": code.domain, "fingerprint": code.fingerprint}
    return [
        labelled(
            "gauge", "code_info", "1; the labels tell the domain and its code's fingerprint.", [(info, 1)]
        ),
        gauges(
            "code_commands",
            "1 for each command that the code knows.",
            "command",
            dict.fromkeys(code.commands, 1),
        ),
        gauges("code_events", "The schema version of each event that the code knows.", "event", code.events),
    ]


async def of_the_log(database: Database) -> list[Metric]:
    head, dead = await log_head(database), await open_dead_letters(database)
    return [
        gauge("log_position", "The position of the newest event.", head.position),
        gauge("commands_ended", "How many commands have an outcome.", head.commands),
        gauge("dead_letters", "Failed commands that nobody has retried or dropped.", dead.total),
    ]
