"""A call that ends or hangs its process is a dead letter after its attempts; what runs beside it is not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from commander.dev.embedded import EmbeddedNats
from commander.eventstore.reactions.effects import begin_effect, effect_positions, list_effect_failures
from tests.faults.part_process import PartProcess
from tests.faults.waiting import until
from tests.streaming.brittle import Press, Rung, brittle
from tests.streaming.conftest import PARTITIONS, Bank, running


@dataclass(frozen=True)
class Bells:
    """The domain's bells, pressed here, and its effects, which processes run."""

    servers: Bank
    folder: Path
    environment: dict[str, str]

    @property
    def rung(self) -> list[Rung]:
        return Rung.told(self.folder / "rung")

    async def press(self, *hows: str) -> None:
        """Events in the log, in this order; what follows from them is not history to the effects."""
        async with self.servers.database.connection() as connection:
            for name in brittle.effects:
                await begin_effect(connection, name)
        async with running(self.servers.processor(brittle).run()):
            for how in hows:
                await self.servers.outcome(await self.servers.submit(Press(uuid4(), how), brittle))

    async def failures(self) -> list[tuple[str, int, int, str]]:
        found = await list_effect_failures(self.servers.database, 100)
        return [(one.effect, one.position, one.attempts, one.error) for one in found]

    async def until_done(self, position: int) -> None:
        """Both effects have come so far, and nothing is remembered of single calls."""

        async def nothing_is_left() -> bool:
            positions = await effect_positions(self.servers.database)
            calls = await self.servers.database.fetchval("select count(*) from effect_calls")
            return set(positions.values()) == {position} and not calls

        await until(nothing_is_left, f"the effects come to position {position}", timeout_seconds=60)

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[list[int]]:
        """The part as a process that is started again whenever it ends; how each has ended."""
        ends: list[int] = []
        supervising = asyncio.create_task(self._supervise(ends))
        try:
            yield ends
        finally:
            supervising.cancel()
            await asyncio.wait([supervising])

    async def _supervise(self, ends: list[int]) -> None:
        while True:
            with PartProcess("effects", self.folder, self.environment) as part:
                while (code := part.process.poll()) is None:
                    await asyncio.sleep(0.02)
            ends.append(code)


@pytest_asyncio.fixture
async def bells(servers: Bank, database_url: str, nats_server: EmbeddedNats, tmp_path: Path) -> Bells:
    folder = tmp_path / "bells"
    folder.mkdir()
    environment = {
        "COMMANDER_POSTGRES_URL": database_url,
        "COMMANDER_NATS_URL": nats_server.url,
        "COMMANDER_DOMAIN": "tests.streaming.brittle:brittle",
        "COMMANDER_PARTITIONS": str(PARTITIONS),
        "COMMANDER_HEALTH_PORT": "0",
        "RUNG": str(folder / "rung"),
    }
    return Bells(servers, folder, environment)


@pytest.mark.parametrize("how", ["exit", "kill"])
async def test_a_call_that_ends_its_process_is_set_aside_alone_after_its_attempts(
    bells: Bells, how: str
) -> None:
    await bells.press("slow", "slow", how, "well", "slow", "well")
    async with bells.supervised() as ends:
        await bells.until_done(6)
    assert len(ends) == 3, "each attempt took one process with it"
    ended = "the process ended during the call"
    assert await bells.failures() == [("ring", 3, 3, ended)]
    done = Counter((one.effect, one.position) for one in bells.rung if one.what == "done")
    wanted = {(effect, position) for effect in ("ring", "echo") for position in range(1, 7)} - {("ring", 3)}
    assert done == dict.fromkeys(wanted, 1), "what ran beside it, of whichever effect, was done, and once"
    began = [one for one in bells.rung if one.what == "began"]
    assert [one.attempt for one in began if (one.effect, one.position) == ("ring", 3)] == [1, 2, 3]
    assert {one.beside for one in began if one.attempt > 1} == {1}, "each was called again alone"
    assert max(one.beside for one in began) > 4, "at first they run side by side"


async def test_a_call_that_hangs_its_process_is_set_aside_and_others_go_on(bells: Bells) -> None:
    await bells.press("echo hang")
    async with bells.supervised() as ends:
        await bells.until_done(1)
        await bells.press("well")
        await bells.until_done(2)
    assert ends == [1]
    assert [one[:3] for one in await bells.failures()] == [("echo", 1, 1)]


async def test_a_process_that_is_told_to_stop_uses_up_no_attempt(bells: Bells, tmp_path: Path) -> None:
    await bells.press("echo wait")

    def begun(times: int) -> bool:
        return [one.attempt for one in bells.rung if one.effect == "echo"] == [1] * times

    for times in (1, 2):
        with PartProcess("effects", tmp_path, bells.environment) as process:
            await until(lambda times=times: begun(times), f"attempt 1 begins, time {times}")
            assert await asyncio.to_thread(process.end) == 0
        assert await bells.servers.database.fetch("select * from effect_calls where state <> 'DONE'") == []
    assert await bells.failures() == []
