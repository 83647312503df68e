"""How long a system takes until it decides, mirrors, projects, reacts, calls effects and delivers again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from uuid import uuid4

from tests.faults.customers import Client
from tests.faults.networked import Networked
from tests.faults.subscriber import Subscriber
from tests.faults.waiting import until

BOUND_SECONDS = 12.0
_MOST_SECONDS = 60.0
_SLOWED_DOWN = 4
_ACCOUNTS = 24
"""Enough to have some in each of the eight partitions, almost surely."""


class Recovery:
    """Measures from now on. client, subscriber: of an API that nothing happens to."""

    def __init__(self, system: Networked, client: Client, subscriber: Subscriber) -> None:
        self._system = system
        self._client = client
        self._subscriber = subscriber
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.seconds: dict[str, float] = {}

    async def measure(
        self, wanted: Iterable[str] = ("mirrored", "projected", "reacted", "called", "delivered")
    ) -> None:
        """Submits new commands to all partitions and waits for all that follows from them."""
        opened = await asyncio.gather(*(self._open() for _ in range(_ACCOUNTS)))
        self._note("decided")
        accounts, positions = [account for account, _ in opened], [position for _, position in opened]
        last = max(positions)

        async def mirrored() -> bool:
            return await self._system.mirrored() >= last

        async def projected() -> bool:
            fields = " ".join(f'a{n}: account(accountId: "{a}") {{ owner }}' for n, a in enumerate(accounts))
            answer = await self._client.ask(f"{{ {fields} }}")
            return "errors" not in answer and None not in answer["data"].values()

        async def called() -> bool:
            return {str(position) for position in positions} <= calls_of(self._system).keys()

        async def delivered() -> bool:
            return (self._subscriber.cursor or 0) >= last

        follow: dict[str, Callable[[], Awaitable[bool]]] = {
            "mirrored": mirrored,
            "projected": projected,
            "called": called,
            "delivered": delivered,
        }
        waits = [self._until(what, follow[what]) for what in wanted if what in follow]
        if "reacted" in wanted:
            waits.append(self._transfer(accounts[0], accounts[1]))
        await asyncio.gather(*waits)

    def assert_within_bound(self, quiet: Recovery | None = None) -> None:
        """quiet: the same, measured while nothing was wrong; a busy machine is given more time."""
        slow = 0.0 if quiet is None else max(quiet.seconds.values())
        assert max(self.seconds.values()) < BOUND_SECONDS + _SLOWED_DOWN * slow, (self.seconds, slow)

    async def _open(self) -> tuple[str, int]:
        known = await self._client.submit("openAccount", {"owner": "Ada"})
        return str(known.result["stream"]).partition("-")[2], int(known.result["position"])

    async def _transfer(self, source: str, target: str) -> None:
        await self._client.submit("deposit", {"accountId": source, "amount": "5.00"})
        transfer = str(uuid4())
        way = {"transferId": transfer, "sourceId": source, "targetId": target, "amount": "5.00"}
        known = await self._client.submit("requestTransfer", way)

        async def reacted() -> bool:
            return bool(
                await self._system.database.fetchval(
                    """select exists (
                           select from events as begun join events as ended using (correlation_id)
                           where begun.command_id = $1::uuid and ended.type = 'TransferCompleted')""",
                    known.command_id,
                )
            )

        await self._until("reacted", reacted)

    async def _until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        await until(condition, f"it has {what}", timeout_seconds=_MOST_SECONDS)
        self._note(what)

    def _note(self, what: str) -> None:
        self.seconds[what] = round(self._loop.time() - self._began, 1)


def calls_of(system: Networked) -> Counter[str]:
    """How often the effect was called, by the position of its event."""
    return Counter(system.sent.read_text().split()) if system.sent.exists() else Counter()
