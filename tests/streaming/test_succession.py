"""A table that no process keeps up does not serve for good: the table of the code that runs replaces it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from commander.eventstore.projections.keeping import kept_up
from commander.eventstore.projections.serving import BUILT, TableRecord, switch, table_records
from commander.parts.projections import of_projections
from commander.streaming.projections.projectors import Projectors
from commander.streaming.projections.serving import ServingTables
from tests.streaming.conftest import Bank, running
from tests.streaming.filling import fill
from tests.streaming.test_building import NEW, OLD, PLAIN, WIDER, until

NEVER = 3600.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("commander.streaming.projections.projectors._POLL_SECONDS", 0.02)
    monkeypatch.setattr("commander.streaming.projections.abandoned._ERROR_SECONDS", 0.2)
    monkeypatch.setattr("commander.streaming.projections.serving._LOOK_SECONDS", 0.02)
    yield


async def records(servers: Bank) -> dict[str, TableRecord]:
    return {one.table_name: one for one in await table_records(servers.database, ["owned"])}


async def serves(servers: Bank, table: str) -> bool:
    found = await records(servers)
    return table in found and found[table].serving


def projectors(servers: Bank, domain: object, takeover_seconds: float = 0) -> Projectors:
    return Projectors(domain, servers.database, servers.nats, takeover_seconds)  # type: ignore[arg-type]


async def kept_up_by_metrics(servers: Bank) -> dict[str, float]:
    [metric] = [one for one in await of_projections(servers.database) if one.name == "projection_kept_up"]
    return {labels["table"]: value for _, labels, value in metric.samples}


async def deployed_and_undone(servers: Bank) -> None:
    """A, then B in its place; now no process runs, and B's table serves."""
    async with running(projectors(servers, PLAIN).run()):
        await until(lambda: serves(servers, OLD.name))
        await fill(servers.database, 3)
        async with running(projectors(servers, WIDER).run()):
            await until(lambda: serves(servers, NEW.name))


async def test_the_first_code_again_its_table_serves_again(servers: Bank) -> None:
    await deployed_and_undone(servers)
    await fill(servers.database, 2)
    async with running(projectors(servers, PLAIN).run()):
        await until(lambda: serves(servers, OLD.name))
        assert (await records(servers))[OLD.name].position == 5, "only when it has caught up"
        await fill(servers.database, 1)

        async def followed() -> bool:
            return (await records(servers))[OLD.name].position == 6

        await until(followed)
        # And once more, to and fro.
        async with running(projectors(servers, WIDER).run()):
            await until(lambda: is_kept_up(servers, NEW.name))
    async with running(projectors(servers, WIDER).run()):
        await until(lambda: serves(servers, NEW.name))


async def is_kept_up(servers: Bank, table: str) -> bool:
    return table in await kept_up(servers.database, [table])


async def test_while_both_codes_run_the_newer_table_serves_and_stays(servers: Bank) -> None:
    async with running(projectors(servers, PLAIN).run()):
        await until(lambda: serves(servers, OLD.name))
        await fill(servers.database, 3)
        async with running(projectors(servers, WIDER).run()):
            await until(lambda: serves(servers, NEW.name))
            served_at = (await records(servers))[NEW.name].served_at
            for _ in range(20):  # each is a look of both
                await fill(servers.database, 1)

                async def both_followed() -> bool:
                    found = await records(servers)
                    return found[OLD.name].position == found[NEW.name].position

                await until(both_followed)
                assert (await records(servers))[NEW.name].served_at == served_at
        await until(lambda: serves(servers, OLD.name))


async def test_what_an_operator_switched_away_from_does_not_come_back_by_itself(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    await deployed_and_undone(servers)
    await switch(servers.database, "owned", OLD.name)
    newer = projectors(servers, WIDER)
    with caplog.at_level(logging.ERROR, "commander.projections"):
        async with running(newer.run()):

            async def reported() -> bool:
                return "no process keeps it up" in newer.states().get("owned", "")

            await until(reported)
            assert await serves(servers, OLD.name)
            assert await kept_up_by_metrics(servers) == {OLD.name: 0, NEW.name: 1}
            assert f"{OLD.name} is read, but no process keeps it up with the log" in caplog.text
            async with running(projectors(servers, PLAIN).run()):

                async def is_well() -> bool:
                    return newer.states() == {"owned": "ok"}

                await until(is_well)
            await switch(servers.database, "owned", NEW.name)
            await until(is_well)


async def test_an_api_reports_a_table_that_nobody_keeps_up(
    servers: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    await deployed_and_undone(servers)
    tables = ServingTables(servers.database, servers.nats, WIDER.projections)
    with caplog.at_level(logging.ERROR, "commander.projections"):
        async with running(tables.run()):

            async def reported() -> bool:
                return "owned" in tables.errors

            await until(reported)
            assert NEW.name in caplog.text
            async with running(projectors(servers, WIDER, NEVER).run()):

                async def is_well() -> bool:
                    return not tables.errors

                await until(is_well)
    assert (await records(servers))[NEW.name].state == BUILT
