"""Commands that recur: each tick's are set ahead, as commands with a time, and with ids made from the tick.

So any number of processes may do it: what the second one sets is what the first one has set. And as the next
tick is always set, it comes even if none of them runs any more then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from commander.domain import Domain
from commander.domain.recurring import RecurringType
from commander.streaming.commands.assembling import Envelope, assembled
from commander.streaming.commands.submitting import Submitter, utc_now
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.reactors")

_LONGEST_PAUSE = timedelta(seconds=30)


class Ticker:
    """Sets all that recurs in a domain, until its task is cancelled. now: the clock."""

    def __init__(
        self, domain: Domain, submitter: Submitter, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._domain = domain
        self._submitter = submitter
        self._now = now
        self._set: dict[str, datetime] = {}
        self.failures: dict[str, str] = {}

    async def run(self) -> None:
        await keep_running(self._tick, logger)

    async def _tick(self) -> None:
        while True:
            pause = min(_LONGEST_PAUSE, await self.set_next() - self._now())
            await asyncio.sleep(max(0.05, pause.total_seconds()))

    async def set_next(self) -> datetime:
        """Sets the next tick of each that is not set yet; when to look again. Raises Unavailable."""
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
        except Exception as error:  # whatever the domain's code raises stops this one alone
            reason = f"{type(error).__name__}: {error}"
            if self.failures.get(recurring.name) != reason:
                logger.error("%s failed at its tick %s: %s", recurring.name, tick.isoformat(), reason)
            self.failures[recurring.name] = reason
            return
        await asyncio.gather(*map(self._submitter.submit, commands))
        self._set[recurring.name] = tick
        self.failures.pop(recurring.name, None)
