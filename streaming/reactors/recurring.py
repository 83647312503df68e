"""Recurring commands: those of the next tick are submitted in advance, with its time and ids derived from it.

So any number of processes may do this: a second one submits the same ids, and each command is decided once.
The next tick is always submitted, so its commands are decided even if no such process runs then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from commander.domain import Domain
from commander.domain.errors import RAISED
from commander.domain.recurring import RecurringType
from commander.streaming.commands.assembling import Envelope, assembled
from commander.streaming.commands.submitting import Submitter, utc_now
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.reactors")

_LONGEST_PAUSE = timedelta(seconds=30)


class Ticker:
    """Schedules the recurring commands of a domain until its task is cancelled. now: the clock."""

    def __init__(
        self, domain: Domain, submitter: Submitter, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._domain = domain
        self._submitter = submitter
        self._now = now
        self._set: dict[str, datetime] = {}
        self.failures: dict[str, str] = {}

    async def run(self) -> None:
        """Runs until cancelled. While NATS is unreachable it retries."""
        await keep_running(self._tick, logger)

    async def _tick(self) -> None:
        while True:
            pause = min(_LONGEST_PAUSE, await self.set_next() - self._now())
            await asyncio.sleep(max(0.05, pause.total_seconds()))

    async def set_next(self) -> datetime:
        """Submits the commands of each next tick, once. Returns when to call it again. Raises Unavailable."""
        first = self._now() + _LONGEST_PAUSE
        for recurring in self._domain.recurring.values():
            tick = recurring.cron.next_after(self._now())
            first = min(first, tick)
            if self._set.get(recurring.name) != tick:
                await self._submit(recurring, tick)
        return first

    async def _submit(self, recurring: RecurringType, tick: datetime) -> None:
        try:
            sent = recurring.commands_at(tick)
            commands = [
                assembled(self._domain, command, Envelope.of_tick(recurring.name, tick, n, self._now()))
                for n, command in enumerate(sent)
            ]
        except RAISED as error:  # an exception of the domain's code stops only this one
            reason = f"{type(error).__name__}: {error}"
            if self.failures.get(recurring.name) != reason:
                logger.error("%s failed at its tick %s: %s", recurring.name, tick.isoformat(), reason)
            self.failures[recurring.name] = reason
            return
        await asyncio.gather(*map(self._submitter.submit, commands))
        self._set[recurring.name] = tick
        self.failures.pop(recurring.name, None)
