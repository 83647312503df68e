"""An event that ends the process that handles it is set aside; all else goes on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.reactions.parked import act_on_parked, list_parked
from tests.faults.part_process import PartProcess
from tests.faults.waiting import until
from tests.streaming.conftest import PARTITIONS, Bank, running
from tests.streaming.lethal import Poke, lethal

PATIENCE_SECONDS = 60


@dataclass
class Part:
    """A part as a process that is started again whenever it ends. ends: how each has ended."""

    ends: list[int]
    process: PartProcess | None = None

    def kill(self) -> None:
        assert self.process is not None
        self.process.process.kill()


@dataclass(frozen=True)
class Zoo:
    servers: Bank
    folder: Path
    environment: dict[str, str]

    async def poke(self, pokes: Sequence[tuple[UUID, str]]) -> None:
        """Events in the log, in this order."""
        async with running(self.servers.processor(lethal).run()):
            for bear, how in pokes:
                outcome = await self.servers.outcome(await self.servers.submit(Poke(bear, how), lethal))
                assert outcome.status == "APPLIED"

    @asynccontextmanager
    async def supervised(self, name: str) -> AsyncIterator[Part]:
        part = Part([])
        supervising = asyncio.create_task(self._supervise(name, part))
        try:
            yield part
        finally:
            supervising.cancel()
            await asyncio.wait([supervising])

    async def _supervise(self, name: str, part: Part) -> None:
        while True:
            with PartProcess(name, self.folder, self.environment) as process:
                part.process = process
                while (code := process.process.poll()) is None:
                    await asyncio.sleep(0.02)
            part.ends.append(code)

    async def table(self, name: str) -> tuple[int, int | None, str | None]:
        """The checkpoint of a projection, and where and why it has stopped."""
        sql = "select position, failed_position, error from projections where name = $1"
        rows = await self.servers.database.fetch(sql, name)
        return tuple(rows[0]) if rows else (0, None, None)

    async def until_table(self, name: str, position: int, failed: int | None = None) -> str | None:
        """Waits until a projection is there; returns its error."""

        async def there() -> bool:
            return (await self.table(name))[:2] == (position, failed)

        await until(there, f"{name} at {position}, failed at {failed}", timeout_seconds=PATIENCE_SECONDS)
        return (await self.table(name))[2]

    async def until_reacted(
        self, reactor: str, position: int, parked: Sequence[tuple[str, int]] = ()
    ) -> None:
        """Waits until a reactor has handled all up to a position, with these keys parked at their events."""
        sql = "select coalesce(min(position), 0) from reactor_partitions where reactor = $1"

        async def there() -> bool:
            keys = await list_parked(self.servers.database, reactor, 0, 100)
            handled = await self.servers.database.fetchval(sql, reactor)
            states = {one.state for one in keys} <= {"PARKED"}
            return handled >= position and states and [(k.key, k.position) for k in keys] == list(parked)

        await until(there, f"{reactor} at {position}, parked {parked}", timeout_seconds=PATIENCE_SECONDS)

    async def until_no_death_counts(self) -> None:
        async def all_is_well() -> bool:
            sql = "select count(*) = 0 from handling where deaths > 0"
            return bool(await self.servers.database.fetchval(sql))

        await until(all_is_well, "no death counts any more", timeout_seconds=PATIENCE_SECONDS)


@pytest_asyncio.fixture
async def zoo(servers: Bank, database_url: str, nats_server: EmbeddedNats, tmp_path: Path) -> Zoo:
    environment = {
        "COMMANDER_POSTGRES_URL": database_url,
        "COMMANDER_NATS_URL": nats_server.url,
        "COMMANDER_DOMAIN": "tests.streaming.lethal:lethal",
        "COMMANDER_PARTITIONS": str(PARTITIONS),
        "COMMANDER_HEALTH_PORT": "0",
        "COMMANDER_HANDLER_SECONDS": "0.5",
    }
    return Zoo(servers, tmp_path, environment)


def pokes(how: str) -> tuple[UUID, list[tuple[UUID, str]]]:
    """A bear, and pokes of it and others, with one that is as said at position 8."""
    bear, others = uuid4(), [uuid4() for _ in range(3)]
    well = [(one, "well") for one in [bear, *others]]
    return bear, [*well, *well[1:], (bear, how), *well, *well]


async def test_a_table_stays_before_an_event_that_ends_its_process_three_times(zoo: Zoo) -> None:
    await zoo.poke(pokes("table exit")[1])
    async with zoo.supervised("projections") as part:
        error = await zoo.until_table("frail", 7, failed=8)
        assert error is not None
        assert error.startswith(
            "projection frail failed on Poked at position 8: Frail.poked of tests.streaming"
        )
        assert "ended its process 3 times" in error
        await zoo.until_table("steady", 16)
        await zoo.poke([(uuid4(), "well")])
        await zoo.until_table("steady", 17)
        assert len(part.ends) == 3
    async with zoo.supervised("projections") as part:
        await zoo.poke([(uuid4(), "well")])
        await zoo.until_table("steady", 18)
        assert (await zoo.table("frail"))[:2] == (7, 8)
        assert part.ends == [], "another start does not try the event again"


async def test_a_key_of_a_reactor_is_parked_before_an_event_that_ends_its_process(zoo: Zoo) -> None:
    bear, all_ = pokes("reactor kill")
    await zoo.poke(all_)
    key = str(bear)
    async with zoo.supervised("reactors") as part:
        await zoo.until_reacted("shy", 16, [(key, 8)])
        await zoo.until_reacted("grumpy", 16)
        assert len(part.ends) == 3
        [parked] = await list_parked(zoo.servers.database, "shy", 0, 10)
        assert parked.error.startswith(
            "EndedItsProcess: Shy of tests.streaming.lethal ended its process 3 times"
        )
        await act_on_parked(zoo.servers.database, "shy", key, "RETRIED", None)
        await until(lambda: len(part.ends) == 5, "the retry ends two", timeout_seconds=PATIENCE_SECONDS)
        await zoo.until_reacted("shy", 16, [(key, 8)])
        await act_on_parked(zoo.servers.database, "shy", key, "SKIPPED", None)
        await zoo.until_reacted("shy", 16)
        assert len(part.ends) == 5
        await zoo.until_no_death_counts()
    state = await zoo.servers.database.fetchval("select state from reactor_states where key = $1", key)
    assert state == '{"pokes":3}', "it handled its other events"


async def test_handlers_that_hang_in_c_code_are_set_aside(zoo: Zoo) -> None:
    """Both at once, because each of three deaths takes the watchdog three seconds."""
    bear, all_ = pokes("table hang")
    await zoo.poke([*all_, (bear, "reactor hang"), *all_[:2]])
    async with zoo.supervised("projections") as projections, zoo.supervised("reactors") as reactors:
        await zoo.until_table("frail", 7, failed=8)
        await zoo.until_table("steady", 19)
        await zoo.until_reacted("shy", 19, [(str(bear), 17)])
        await zoo.until_reacted("grumpy", 19)
        assert (len(projections.ends), len(reactors.ends)) == (3, 3)


async def test_an_inline_projection_is_not_blamed_on_the_command(zoo: Zoo) -> None:
    bear, other = uuid4(), uuid4()
    inline = "select inline from projections where name = 'inline'"

    async def is_inline() -> bool:
        return bool(await zoo.servers.database.fetchval(inline))

    async with zoo.supervised("processor") as processor, zoo.supervised("projections") as projections:
        await until(is_inline, "it is inline", timeout_seconds=PATIENCE_SECONDS)
        made = [Poke(other), Poke(bear, "inline kill"), Poke(bear), Poke(other)]
        ids = [await zoo.servers.submit(command, lethal) for command in made]
        outcomes = [await zoo.servers.outcome(one, PATIENCE_SECONDS) for one in ids]
        assert {one.status for one in outcomes} == {"APPLIED"}
        assert len(processor.ends) == 2, "the third attempt leaves the projection out"
        position = outcomes[1].position
        error = await zoo.until_table("inline", position - 1, failed=position)
        assert error is not None and "Inline.poked" in error
        assert len(projections.ends) == 3
        later = await zoo.servers.submit(Poke(other), lethal)
        assert (await zoo.servers.outcome(later, PATIENCE_SECONDS)).status == "APPLIED"
        await zoo.until_table("frail", 5)
        assert not await is_inline()


PROGRESS = {
    "projections": "select position from projections where name = 'frail'",
    "reactors": "select coalesce(max(position), 0) from reactor_states where reactor = 'shy'",
}


@pytest.mark.parametrize(("name", "who"), [("projections", "table"), ("reactors", "reactor")])
async def test_kills_from_outside_set_nothing_aside(zoo: Zoo, name: str, who: str) -> None:
    bears = [uuid4() for _ in range(3)]
    await zoo.poke([(bears[n % 3], f"{who} slow") for n in range(40)])

    async def began() -> bool:
        return bool(await zoo.servers.database.fetchval("select count(*) from handling"))

    async def is_past(position: int) -> bool:
        return int(await zoo.servers.database.fetchval(PROGRESS[name]) or 0) > position

    async with zoo.supervised(name) as part:
        await until(began, "the first is at work", timeout_seconds=PATIENCE_SECONDS)
        for kills, position in enumerate((0, 3, 6, 9), 1):
            part.kill()
            await until(lambda n=kills: len(part.ends) == n, "it has died")
            what = f"the next one is past position {position}"
            await until(partial(is_past, position), what, timeout_seconds=PATIENCE_SECONDS)
        if name == "projections":
            await zoo.until_table("frail", 40)
        else:
            await zoo.until_reacted("shy", 40)
        assert part.ends == [-signal.SIGKILL] * 4
        await zoo.until_no_death_counts()
