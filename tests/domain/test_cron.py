"""Cron expressions: what they mean, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander.domain.cron import InvalidCron, parse_cron


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "moment", "expected"),
    [
        ("* * * * *", "2030-01-01T00:00:00", "2030-01-01T00:01:00"),
        ("* * * * *", "2030-01-01T00:00:59.999999", "2030-01-01T00:01:00"),
        ("0 3 * * *", "2030-01-01T03:00:00", "2030-01-02T03:00:00"),
        ("0 3 * * *", "2030-12-31T04:00:00", "2031-01-01T03:00:00"),
        ("*/15 * * * *", "2030-01-01T00:46:00", "2030-01-01T01:00:00"),
        ("5/20 * * * *", "2030-01-01T00:06:00", "2030-01-01T00:25:00"),
        ("10-30/10,59 * * * *", "2030-01-01T00:30:00", "2030-01-01T00:59:00"),
        ("0 0 1 * *", "2030-01-01T00:00:00", "2030-02-01T00:00:00"),
        ("0 0 31 * *", "2030-01-31T12:00:00", "2030-03-31T00:00:00"),
        ("0 0 29 feb *", "2030-01-01T00:00:00", "2032-02-29T00:00:00"),
        ("0 9 * * mon-fri", "2030-01-04T09:00:00", "2030-01-07T09:00:00"),
        ("0 0 * * 7", "2030-01-01T00:00:00", "2030-01-06T00:00:00"),
        ("0 0 * * sun", "2030-01-01T00:00:00", "2030-01-06T00:00:00"),
        ("0 0 13 * fri", "2030-01-01T00:00:00", "2030-01-04T00:00:00"),
        ("0 0 13 * fri", "2030-01-12T00:00:00", "2030-01-13T00:00:00"),
        ("0 0 1 JAN *", "2030-01-01T00:00:00", "2031-01-01T00:00:00"),
    ],
)
def test_the_next_tick(expression: str, moment: str, expected: str) -> None:
    assert parse_cron(expression).next_after(at(moment)) == at(expected)


def test_a_tick_is_in_utc_whatever_the_zone_of_the_moment() -> None:
    moment = datetime(2030, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert parse_cron("0 0 * * *").next_after(moment) == at("2030-01-01T00:00:00")


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1)), st.sampled_from(["*/7 * * * *", "3 */5 * * *"])
)
def test_ticks_go_up_and_are_none_but_the_next(moment: datetime, expression: str) -> None:
    cron = parse_cron(expression)
    tick = cron.next_after(moment.replace(tzinfo=UTC))
    assert tick > moment.replace(tzinfo=UTC)
    assert cron.next_after(tick - timedelta(microseconds=1)) == tick


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "'' has 0 parts"),
        ("* * * *", "has 4 parts; it needs minute, hour"),
        ("60 * * * *", "minute: '60' must be a number from 0 to 59"),
        ("* 24 * * *", "hour: '24' must be a number from 0 to 23"),
        ("* * 0 * *", "day of the month: '0' must be a number from 1 to 31"),
        ("* * * 13 *", "month: '13' must be a number from 1 to 12"),
        ("* * * * 8", "day of the week: '8' must be a number from 0 to 7"),
        ("* * * * someday", "day of the week: 'someday' must be"),
        ("*/0 * * * *", "minute: the step '0' must be a number above 0"),
        ("*/x * * * *", "minute: the step 'x' must be a number above 0"),
        ("5-1 * * * *", "minute: the range 5-1 is empty"),
        ("1,,2 * * * *", "minute: '' must be a number from 0 to 59"),
        ("-1 * * * *", "minute: '' must be"),
        ("٣ * * * *", "minute: '٣' must be"),
        ("9" * 50 + " * * * *", "must be a number from 0 to 59"),
        ("0 0 31 feb *", "'0 0 31 feb *' matches no date"),
    ],
)
def test_what_is_no_cron_expression(expression: str, problem: str) -> None:
    with pytest.raises(InvalidCron, match=problem.replace("*", r"\*")):
        parse_cron(expression)
