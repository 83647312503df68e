"""What one client may use of this process: operations, commands and points of cost per second, open streams.

Each client has a bucket of each kind that fills at a constant rate. What it uses is taken from its buckets,
and what is not there is refused with the time after which it will be.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from commander.domain.errors import CommanderError

LIMITS = ("operations", "commands", "cost", "streams", "max_cost")
"""The names of the limits that an operation can exceed."""
_FEW = 10_000
"""So many buckets are kept before those that are full again are looked for."""
_STREAM_RETRY_SECONDS = 5


class RateLimited(CommanderError):
    """This client has used what it may use at the moment. Nothing was done.

    limit: which limit it is, as in Rates. retry_after_seconds: when there is enough again.
    """

    def __init__(self, limit: str, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds


class CostTooHigh(CommanderError):
    """The operation may cost more than is allowed. cost: in points. limit: COMMANDER_MAX_COST."""

    def __init__(self, cost: int, limit: int, most: str) -> None:
        where = f", most of them for {most}" if most else ""
        super().__init__(
            f"the operation can cost {cost} points{where}; {limit} is the limit: ask for shorter pages "
            "(`first`), fewer levels or fewer fields"
        )
        self.cost = cost
        self.limit = limit


class TimedOut(CommanderError):
    """The operation took longer than it may. seconds: COMMANDER_OPERATION_SECONDS."""

    def __init__(self, seconds: float, remedy: str) -> None:
        super().__init__(f"the operation was ended after {seconds:g} seconds, which is the limit: {remedy}")
        self.seconds = seconds


@dataclass(frozen=True)
class Rates:
    """What each client may use. 0 means no limit.

    burst_seconds: after a pause, what would come in so many seconds may come at once. streams: subscriptions
    that are open at once. max_cost: the most points of one operation.
    """

    operations_per_second: float = 0
    commands_per_second: float = 0
    cost_per_second: float = 0
    burst_seconds: float = 10
    streams: int = 0
    max_cost: int = 0


class Bucket:
    """The buckets of all clients for one kind of thing.

    A bucket is one number: the time at which it is full again if nothing more is taken. (This is the generic
    cell rate algorithm of ATM's traffic management.) So a full bucket needs no entry.
    """

    def __init__(self, per_second: float, burst_seconds: float) -> None:
        self._each = 1 / per_second
        self._holds = max(burst_seconds, self._each)
        self._full_at: dict[Hashable, float] = {}
        self._look_above = _FEW

    def wait(self, client: Hashable, count: int, now: float) -> float:
        """In how many seconds the client can take so many. 0: now. A full bucket gives any number, once."""
        to_fill = self._full_at.get(client, 0.0) - now
        if to_fill <= 0:
            return 0.0
        return max(0.0, to_fill - max(0.0, self._holds - count * self._each))

    def take(self, client: Hashable, count: int, now: float) -> None:
        """Takes so many, of which `wait` has said that they are there."""
        self._full_at[client] = max(self._full_at.get(client, 0.0), now) + count * self._each
        if len(self._full_at) > self._look_above:
            self._full_at = {one: full_at for one, full_at in self._full_at.items() if full_at > now}
            self._look_above = max(_FEW, 2 * len(self._full_at))

    def __len__(self) -> int:
        return len(self._full_at)


class Allowances:
    """What the clients of one process have used. clock: in seconds, never set back."""

    def __init__(self, rates: Rates, clock: Callable[[], float] = time.monotonic) -> None:
        self.rates = rates
        self.refused: Counter[str] = Counter()
        self._clock = clock
        self._operations = _bucket(rates.operations_per_second, rates)
        self._commands = _bucket(rates.commands_per_second, rates)
        self._cost = _bucket(rates.cost_per_second, rates)
        self._open: Counter[Hashable] = Counter()

    @property
    def counts_cost(self) -> bool:
        """Whether the cost of an operation must be known."""
        return self.rates.max_cost > 0 or self._cost is not None

    def must_have_operation(self, client: Hashable) -> None:
        """Raises RateLimited if the client may not begin an operation now. Takes nothing."""
        if self._operations is not None and (wait := self._operations.wait(client, 1, self._clock())):
            raise self._limited("operations", f"{self.rates.operations_per_second:g} operations", wait)

    def take_operation(self, client: Hashable) -> None:
        """Takes one operation. Raises RateLimited."""
        if self._operations is not None:
            now = self._clock()
            if wait := self._operations.wait(client, 1, now):
                raise self._limited("operations", f"{self.rates.operations_per_second:g} operations", wait)
            self._operations.take(client, 1, now)

    def take(self, client: Hashable, commands: int, cost: int) -> None:
        """Takes all or nothing. Raises RateLimited."""
        now = self._clock()
        if commands and self._commands is not None and (wait := self._commands.wait(client, commands, now)):
            raise self._limited("commands", f"{self.rates.commands_per_second:g} commands", wait)
        if self._cost is not None:
            if wait := self._cost.wait(client, cost, now):
                raise self._limited("cost", f"{self.rates.cost_per_second:g} points of cost", wait)
            self._cost.take(client, cost, now)
        if commands and self._commands is not None:
            self._commands.take(client, commands, now)

    def must_afford(self, cost: int, most: Callable[[], str]) -> None:
        """Raises CostTooHigh if no operation may cost so much. most: names the part that costs most."""
        if 0 < self.rates.max_cost < cost:
            self.refused["max_cost"] += 1
            raise CostTooHigh(cost, self.rates.max_cost, most())

    def must_have_stream(self, client: Hashable) -> None:
        """Raises RateLimited if the client has as many open streams as it may have."""
        if 0 < self.rates.streams <= self._open[client]:
            self.refused["streams"] += 1
            message = f"you have {self.rates.streams} open subscriptions, which is the limit; end one first"
            raise RateLimited("streams", message, _STREAM_RETRY_SECONDS)

    @contextmanager
    def stream(self, client: Hashable) -> Iterator[None]:
        """Counts a stream while it is open. Raises RateLimited."""
        self.must_have_stream(client)
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]

    def _limited(self, limit: str, most: str, wait: float) -> RateLimited:
        self.refused[limit] += 1
        seconds = math.ceil(wait)
        message = f"you may use {most} per second, and have used them; try again in {seconds} s"
        return RateLimited(limit, message, seconds)


def _bucket(per_second: float, rates: Rates) -> Bucket | None:
    return Bucket(per_second, rates.burst_seconds) if per_second else None


def allowances_of(rates: Rates) -> Allowances | None:
    """The allowances of a process. None if nothing is limited."""
    limits = rates.operations_per_second, rates.commands_per_second, rates.cost_per_second
    return Allowances(rates) if any((*limits, rates.streams, rates.max_cost)) else None
