"""What one client may use: never more than its rate and its burst, and what it is told to wait is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commander.resolvers.allowances import (
    Allowances,
    Bucket,
    CostTooHigh,
    RateLimited,
    Rates,
    allowances_of,
)
from commander.resolvers.payers import client_at


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(call: Callable[..., None], *arguments: Any) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        call(*arguments)
    return caught.value


def test_a_client_may_use_its_burst_at_once_and_then_its_rate() -> None:
    clock = Clock()
    allowances = Allowances(Rates(operations_per_second=2, burst_seconds=5), clock)
    for _ in range(10):
        allowances.take_operation("ada")
    error = refused(allowances.take_operation, "ada")
    assert (error.limit, error.retry_after_seconds) == ("operations", 1)
    assert str(error).startswith("you may use 2 operations per second")
    allowances.take_operation("eve")  # another client is not concerned
    clock.now += 0.5
    allowances.take_operation("ada")
    refused(allowances.take_operation, "ada")
    assert allowances.refused == {"operations": 2}


def test_a_look_takes_nothing() -> None:
    allowances = Allowances(Rates(operations_per_second=1, burst_seconds=1), Clock())
    for _ in range(3):
        allowances.must_have_operation("ada")
    allowances.take_operation("ada")
    refused(allowances.must_have_operation, "ada")


def test_commands_and_cost_are_taken_both_or_neither() -> None:
    clock = Clock()
    allowances = Allowances(Rates(commands_per_second=1, cost_per_second=10, burst_seconds=10), clock)
    assert allowances.counts_cost
    allowances.take("ada", 4, 100)
    assert refused(allowances.take, "ada", 5, 1).limit == "cost"
    allowances.take("eve", 10, 1)
    assert refused(allowances.take, "eve", 1, 1).limit == "commands"
    clock.now += 1
    allowances.take("ada", 7, 10)  # the refused one has used none of the ten commands
    allowances.take("eve", 0, 99)  # and the other none of the cost


def test_a_full_bucket_gives_more_than_it_holds_once() -> None:
    """Otherwise 100 commands in one request could never be sent by a client with 10 per second."""
    clock = Clock()
    allowances = Allowances(Rates(commands_per_second=10, burst_seconds=2), clock)
    allowances.take("ada", 100, 0)
    assert refused(allowances.take, "ada", 1, 0).retry_after_seconds == 9
    clock.now += 10
    allowances.take("ada", 100, 0)


def test_a_rate_below_one_in_a_burst_still_lets_one_pass() -> None:
    clock = Clock()
    allowances = Allowances(Rates(operations_per_second=0.1, burst_seconds=1), clock)
    allowances.take_operation("ada")
    assert refused(allowances.take_operation, "ada").retry_after_seconds == 10
    clock.now += 10
    allowances.take_operation("ada")


def test_streams_are_counted_while_they_are_open() -> None:
    allowances = Allowances(Rates(streams=2))
    with allowances.stream("ada"), allowances.stream("ada"), allowances.stream("eve"):
        error = refused(allowances.must_have_stream, "ada")
        assert (error.limit, error.retry_after_seconds) == ("streams", 5)
        with pytest.raises(RateLimited), allowances.stream("ada"):
            raise AssertionError("it is not entered")
        allowances.must_have_stream("eve")
    with allowances.stream("ada"), allowances.stream("ada"):
        pass


def test_an_operation_that_costs_too_much_is_told_its_cost_and_where_it_is() -> None:
    allowances = Allowances(Rates(max_cost=100))
    allowances.must_afford(100, lambda: "")
    with pytest.raises(CostTooHigh, match=r"101 points, most of them for accounts\.edges; 100 is") as told:
        allowances.must_afford(101, lambda: "accounts.edges")
    assert (told.value.cost, told.value.limit) == (101, 100)


def test_without_limits_there_is_nothing_to_ask() -> None:
    assert allowances_of(Rates()) is None
    for rates in (Rates(operations_per_second=1), Rates(streams=1), Rates(max_cost=1)):
        assert allowances_of(rates) is not None


@given(
    per_second=st.floats(0.1, 1000),
    burst_seconds=st.floats(0.1, 100),
    asked=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 50)), min_size=1, max_size=40),
)
def test_whatever_is_asked_the_rate_and_the_burst_hold_and_the_wait_is_true(
    per_second: float, burst_seconds: float, asked: list[tuple[float, int]]
) -> None:
    bucket = Bucket(per_second, burst_seconds)
    holds = max(burst_seconds * per_second, 1)
    now, taken, largest = 0.0, 0, 0
    for pause, count in asked:
        now += pause
        wait = bucket.wait("ada", count, now)
        if wait:
            assert bucket.wait("ada", count, now + 0.9 * wait) > 0
            assert bucket.wait("ada", count, now + wait + 1e-6) == 0
            continue
        bucket.take("ada", count, now)
        taken, largest = taken + count, max(largest, count)
        assert taken <= (now * per_second + max(holds, largest)) * (1 + 1e-9) + 1e-6


def test_buckets_that_are_full_again_are_forgotten() -> None:
    """A stranger with many addresses fills no memory: an entry lasts as long as its bucket needs to fill."""
    bucket = Bucket(1000, 1)
    for number in range(200_000):
        bucket.take(number, 1, number / 1_000)
    assert len(bucket) <= 10_001


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not an : address", "not an : address"),
        (None, ""),
    ],
)
def test_a_client_is_an_address_or_a_network_of_ipv6(address: str | None, client: str) -> None:
    assert client_at(address) == client
