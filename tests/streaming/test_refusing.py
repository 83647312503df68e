"""Processors with old and new code in one process: what one cannot decide is left to the other, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace

from commander.domain import Domain
from commander.domain.errors import NotFound
from commander.eventstore.database import Database
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import SubmittedCommand
from commander.eventstore.sharing import refusals
from commander.resolvers.ending import give_up
from commander.resolvers.request_context import from_process
from commander.streaming.commands.processor import Processor
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.streams import ensure_streams, partition_of
from tests.e2e.shelf_new import Sweep
from tests.e2e.shelf_new import shelf as new
from tests.e2e.shelf_old import Put
from tests.e2e.shelf_old import shelf as old
from tests.streaming.conftest import PARTITIONS, Bank, running, submitted


@dataclass(frozen=True)
class Services:
    domain: Domain
    database: Database
    nats: Nats


def put(shelf: UUID, size: int = 1, **given: Any) -> SubmittedCommand:
    return submitted(Put(shelf, size), old, **given)


def sweep(shelf: UUID) -> SubmittedCommand:
    """A command that the old code does not know."""
    return submitted(Sweep(shelf), new)


async def sent(servers: Bank, *commands: SubmittedCommand) -> list[UUID]:
    await asyncio.gather(*map(servers.submitter.submit, commands))
    return [command.command_id for command in commands]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def deciding(servers: Bank, domain: Domain) -> AsyncIterator[Processor]:
    processor = servers.processor(domain)
    async with running(processor.run()):
        yield processor


async def statuses(servers: Bank, ids: list[UUID]) -> list[str | None]:
    outcomes = [await outcome_of(servers.database, command_id) for command_id in ids]
    return [outcome and outcome.status for outcome in outcomes]


async def test_all_before_the_command_is_decided_nothing_after_it_and_the_rest_in_order_by_the_other_code(
    servers: Bank,
) -> None:
    shelf = uuid4()
    ids = await sent(servers, put(shelf, 1), put(shelf, 2), sweep(shelf), put(shelf, 3), sweep(shelf))
    async with deciding(servers, old) as processor:
        await until(lambda: bool(processor.refused))
        [refused] = processor.refused
        assert (refused.partition, refused.command_id) == (partition_of(f"shelf-{shelf}", PARTITIONS), ids[2])
        assert await statuses(servers, ids) == ["APPLIED", "APPLIED", None, None, None]
        async with deciding(servers, new) as newer:
            assert [(await servers.outcome(command_id)).status for command_id in ids] == ["APPLIED"] * 5
            await until(lambda: not processor.refused and not newer.refused)
            assert refused.partition in newer.owned
    assert [event.type for event in await servers.log()] == ["Placed", "Placed", "Swept", "Placed", "Swept"]


async def test_a_repeated_command_behind_the_one_that_is_left_is_left_too(servers: Bank) -> None:
    shelf = uuid4()
    twice, before = put(shelf, 1), put(shelf, 2)
    await sent(servers, before, before, sweep(shelf), twice, twice)
    async with deciding(servers, old) as processor:
        await until(lambda: bool(processor.refused))
        assert await statuses(servers, [before.command_id, twice.command_id]) == ["APPLIED", None]
        async with deciding(servers, new):
            assert (await servers.outcome(twice.command_id)).status == "APPLIED"


async def test_partitions_do_not_go_back_to_old_code_while_the_new_is_there_and_do_when_it_is_gone(
    servers: Bank,
) -> None:
    shelves = [uuid4() for _ in range(40)]
    async with deciding(servers, old) as processor:
        async with deciding(servers, new) as newer:
            for shelf in shelves:
                await servers.outcome((await sent(servers, sweep(shelf)))[0])
            await until(lambda: len(newer.owned) == PARTITIONS and not processor.owned)
            assert len(await refusals(servers.database)) <= PARTITIONS, "each partition was left at most once"
        await until(lambda: len(processor.owned) == PARTITIONS)
        untouched = uuid4()
        [command_id] = await sent(servers, put(untouched))
        assert (await servers.outcome(command_id)).status == "APPLIED"


async def test_a_command_of_other_code_that_this_code_cannot_read_is_left_to_that_code(servers: Bank) -> None:
    foreign = replace(put(uuid4()), data=msgspec.Raw(b'{"width": 1}'), code="another")
    own = replace(put(uuid4()), data=msgspec.Raw(b'{"width": 1}'), code=old.code.fingerprint)
    async with deciding(servers, old) as processor:
        [command_id] = await sent(servers, own)
        assert (await servers.outcome(command_id)).code == "UNDECODABLE_COMMAND"
        await sent(servers, foreign)
        await until(lambda: bool(processor.refused))
        [refused] = processor.refused
        assert "cannot read what the code another sent" in refused.needs


async def test_an_operator_gives_a_command_up_and_what_is_behind_it_goes_on(servers: Bank) -> None:
    shelf = uuid4()
    swept, behind = await sent(servers, sweep(shelf), put(shelf))
    services = from_process(Services(old, servers.database, servers.nats))
    async with deciding(servers, old) as processor:
        await until(lambda: bool(processor.refused))
        with pytest.raises(NotFound, match="no partition waits before"):
            await give_up(services, behind, "a mistake")
        ended = await give_up(services, swept, "the new code was rolled back")
        assert (ended.status, ended.code) == ("FAILED", "GIVEN_UP")
        assert "the new code was rolled back" in (ended.message or "")
        assert (await servers.outcome(behind)).status == "APPLIED"
        await until(lambda: not processor.refused)
    again = await give_up(services, swept, "twice")
    assert again == ended


async def test_a_partition_does_not_wait_for_a_command_whose_stream_was_lost(servers: Bank) -> None:
    shelf = uuid4()
    await sent(servers, sweep(shelf))
    async with deciding(servers, old) as processor:
        await until(lambda: bool(processor.refused))
    await servers.nats.jetstream.delete_stream("COMMANDS")
    await ensure_streams(servers.nats, replicas=1)
    async with deciding(servers, old) as processor:
        [command_id] = await sent(servers, put(shelf))
        assert (await servers.outcome(command_id)).status == "APPLIED"
        assert not processor.refused
