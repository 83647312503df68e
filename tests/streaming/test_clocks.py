"""The clock that deadlines go by, and what this process knows of the others."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from commander.streaming.clocks import ClockWatch, measured
from commander.streaming.nats.clock import Clock, utc_now
from tests.streaming.conftest import Bank

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
A_MOMENT = timedelta(milliseconds=400)
ROUNDING = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("recorded_at", "postgres_offset", "expected"),
    [
        (NOON - HOUR, timedelta(), NOON - HOUR),
        (NOON, A_MOMENT, NOON),  # no difference, but the time that a measurement takes
        (NOON + A_MOMENT, timedelta(), NOON + A_MOMENT),
        (NOON + HOUR, timedelta(), NOON),  # the clock of Postgres was ahead, and recorded_at stands still
        (NOON + HOUR, HOUR, NOON),  # it is ahead
        (NOON + HOUR - HOUR / 4, HOUR, NOON - HOUR / 4),
        (NOON, -HOUR, NOON),  # it was set back, and recorded_at stands still
        (NOON - 2 * HOUR, -HOUR, NOON - HOUR),
    ],
)
def test_when_an_event_was_recorded_by_the_clock_of_nats(
    recorded_at: datetime, postgres_offset: timedelta, expected: datetime
) -> None:
    clock = Clock()
    clock.set(NOON, time.monotonic())
    clock.postgres_offset = postgres_offset
    assert abs(clock.recorded(recorded_at) - expected) < ROUNDING


async def test_the_wall_clock_of_the_process_does_not_matter(
    servers: Bank, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch = ClockWatch(servers.nats, servers.database, process_now=lambda: utc_now() + HOUR)
    await watch.measure()
    assert abs(watch.differences.process - HOUR) < ROUNDING
    assert [record.getMessage() for record in caplog.records] == [
        "the clock of this process is 3600 s ahead of that of NATS"
    ]
    right = utc_now()
    monkeypatch.setattr("commander.streaming.nats.clock.utc_now", lambda: NOON)
    assert abs(servers.nats.clock.now() - right) < ROUNDING


async def test_a_jump_of_nats_is_told_and_followed(servers: Bank, caplog: pytest.LogCaptureFixture) -> None:
    servers.nats.clock.set(utc_now() - HOUR, time.monotonic())  # as it was before
    watch = ClockWatch(servers.nats, servers.database)
    await watch.measure()
    assert caplog.messages == ["the clock of NATS has jumped by 3600 s: deadlines and notBefore go by it"]
    assert abs(servers.nats.clock.now() - utc_now()) < ROUNDING


def test_a_measurement_that_took_long_changes_nothing_that_it_does_not_contradict() -> None:
    second = timedelta(seconds=1)
    assert measured(timedelta(), second, unsure=2 * second) == timedelta()
    assert measured(timedelta(), HOUR, unsure=2 * second) == HOUR
    assert measured(HOUR, second, unsure=2 * second) == second


async def test_a_difference_that_shrinks_by_itself_is_not_warned_of_again(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    """As recorded_at does, which stands still until the clock of Postgres has caught up."""
    ahead = iter([HOUR, HOUR - timedelta(minutes=1), HOUR - timedelta(minutes=2), 2 * HOUR])
    watch = ClockWatch(servers.nats, servers.database, process_now=lambda: utc_now() + next(ahead))
    for _ in range(3):
        await watch.measure()
    assert len(caplog.records) == 1
    await watch.measure()
    assert len(caplog.records) == 2
