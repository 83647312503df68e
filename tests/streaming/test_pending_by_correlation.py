"""What is under way is found by its correlation: scheduled or queued, each once, and none falls between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

import commander.streaming.commands.pending_by_correlation
from commander.domain.errors import Unavailable
from commander.eventstore.records import SubmittedCommand
from commander.examples.bank.messages import OpenAccount
from commander.streaming.commands.messages import queued_subject
from commander.streaming.commands.pending_by_correlation import PendingCommands, pending_by_correlation
from commander.streaming.nats.direct_get import next_messages
from commander.streaming.nats.streams import ensure_streams
from tests.names import NAMES
from tests.streaming.conftest import Bank, running, submitted

HOUR = timedelta(hours=1)


def command(correlation_id: UUID, *, after: timedelta | None = None, owner: str = "Ada") -> SubmittedCommand:
    due = None if after is None else datetime.now(UTC) + after
    made = submitted(OpenAccount(owner, uuid4()), not_before=due)
    return msgspec.structs.replace(made, correlation_id=correlation_id)


async def submit(servers: Bank, commands: Iterable[SubmittedCommand], *, alone: bool = False) -> None:
    await asyncio.gather(*(servers.submitter.submit(one, alone=alone) for one in commands))


async def look(servers: Bank, *correlation_ids: UUID) -> PendingCommands:
    return await pending_by_correlation(servers.nats, servers.database, correlation_ids)


def ids(commands: Iterable[SubmittedCommand]) -> list[UUID]:
    return [one.command_id for one in commands]


async def test_all_of_a_correlation_is_found_in_its_order_and_nothing_else(servers: Bank) -> None:
    mine, other = uuid4(), uuid4()
    late, soon = command(mine, after=2 * HOUR), command(mine, after=HOUR)
    together = [command(one) for one in (mine, other, mine, other)]
    alone = command(mine)
    await submit(servers, [late, command(other, after=HOUR), soon])
    await submit(servers, together)
    await submit(servers, [alone, command(other)], alone=True)
    found = await look(servers, mine)
    assert found == ((together[0], together[2], alone, soon, late), True)
    assert len((await look(servers, mine, other)).commands) == 9
    assert await look(servers, uuid4()) == ((), True)
    assert await look(servers) == ((), True)


async def test_what_is_decided_is_passed_over_though_it_is_in_the_stream(servers: Bank) -> None:
    mine = uuid4()
    decided = [command(mine) for _ in range(3)]
    async with running(servers.processor(purge_seconds=1000).run()):
        await submit(servers, decided)
        await servers.outcome(decided[-1].command_id)
    queued = command(mine)
    await submit(servers, [queued])
    assert (await servers.nats.jetstream.stream_info("COMMANDS")).state.first_seq == 1
    assert ids((await look(servers, mine)).commands) == [queued.command_id]


async def test_in_a_stream_made_anew_it_is_looked_for_from_the_beginning(servers: Bank) -> None:
    mine = uuid4()
    async with running(servers.processor().run()):
        for _ in range(3):
            last = command(uuid4())
            await submit(servers, [last])
            await servers.outcome(last.command_id)
    await servers.nats.jetstream.delete_stream("COMMANDS")
    await ensure_streams(servers.nats, 1)
    queued = command(mine)
    await submit(servers, [queued])
    assert ids((await look(servers, mine)).commands) == [queued.command_id]


async def test_a_command_that_is_scheduled_and_queued_is_found_once(servers: Bank) -> None:
    mine = uuid4()
    scheduled = command(mine, after=HOUR)
    queued = msgspec.structs.replace(scheduled, not_before=None)
    await submit(servers, [scheduled])
    await submit(servers, [queued])
    assert (await look(servers, mine)).commands == (queued,)


async def test_a_queue_that_is_too_long_is_looked_through_up_to_the_bound(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = uuid4(), uuid4()
    queued = [command(one) for one in (mine, other, mine, other, mine)]
    for one in queued:
        await submit(servers, [one], alone=True)
    monkeypatch.setattr("commander.streaming.commands.pending_by_correlation._MESSAGES_AT_ONCE", 2)
    wanted = [queued[n].command_id for n in (0, 2, 4)]
    for bound, count in ((5, 3), (4, 2), (3, 2), (1, 1)):
        monkeypatch.setattr("commander.streaming.commands.pending_by_correlation.MAX_MESSAGES", bound)
        found = await look(servers, mine)
        assert (ids(found.commands), found.whole) == (wanted[:count], bound == 5)
    monkeypatch.setattr("commander.streaming.commands.pending_by_correlation.MAX_MESSAGES", 100)
    monkeypatch.setattr("commander.streaming.commands.pending_by_correlation.MAX_BYTES", 1)
    found = await look(servers, mine)
    assert (ids(found.commands), found.whole) == (wanted[:1], False)


async def test_more_schedules_than_the_server_gives_at_once_are_asked_for_in_parts(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    correlations = [uuid4() for _ in range(6)]
    made = [command(one, after=HOUR) for one in correlations for _ in range(200)]
    await submit(servers, made)
    found = await look(servers, *correlations)
    assert (len(found.commands), found.whole) == (1200, True)
    assert sorted(ids(found.commands)) == sorted(ids(made))
    monkeypatch.setattr("commander.streaming.commands.pending_by_correlation._CORRELATIONS_AT_ONCE", 1)
    assert len((await look(servers, *correlations)).commands) == 1200


async def test_more_schedules_of_one_correlation_are_cut(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = uuid4()
    monkeypatch.setattr("commander.streaming.commands.pending_by_correlation.MAX_SCHEDULED", 7)
    await submit(servers, [command(mine, after=HOUR) for _ in range(1030)])
    found = await look(servers, mine)
    assert (len(found.commands), found.whole) == (7, False)


async def test_large_schedules_of_one_correlation_are_all_found_or_said_to_be_cut(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = uuid4(), uuid4()
    large = [command(mine, after=HOUR, owner="x" * 400_000) for _ in range(30)]
    await submit(servers, [*large, command(other, after=HOUR)])
    found = await look(servers, mine, other)
    assert (len(found.commands), found.whole) == (31, True)
    monkeypatch.setattr("commander.streaming.commands.pending_by_correlation.MAX_BYTES", 2_000_000)
    found = await look(servers, mine)
    assert 5 <= len(found.commands) <= 7 and not found.whole


async def test_one_that_falls_due_between_the_looks_is_found(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind whichever look comes first it moves on."""
    mine = uuid4()
    due = command(mine, after=timedelta(milliseconds=300))
    looks: list[str] = []

    def moving(name: str) -> Callable[..., Awaitable[Any]]:
        look = getattr(commander.streaming.commands.pending_by_correlation, name)

        async def looked(*arguments: Any) -> Any:
            found = await look(*arguments)
            looks.append(name)
            if len(looks) == 1:
                await until_queued(servers)
            return found

        return looked

    for name in ("_scheduled", "_queued"):
        monkeypatch.setattr(f"commander.streaming.commands.pending_by_correlation.{name}", moving(name))
    await submit(servers, [due])
    assert ids((await look(servers, mine)).commands) == [due.command_id]
    assert looks == ["_scheduled", "_queued"]


async def until_queued(servers: Bank) -> None:
    """Returns when a command is queued, and none is scheduled."""
    async with asyncio.timeout(10):
        while not (await next_messages(servers.nats, "COMMANDS", queued_subject(NAMES), 1, 1, 1)).messages:
            await asyncio.sleep(0.02)
        while (await next_messages(servers.nats, "COMMANDS", "commands.scheduled.>", 1, 1, 1)).messages:
            await asyncio.sleep(0.02)


async def test_what_is_no_command_is_passed_over(servers: Bank) -> None:
    mine = uuid4()
    await servers.nats.jetstream.publish("commands.0.odd", b'{"correlation_id":"%s"' % str(mine).encode())
    queued = command(mine)
    await submit(servers, [queued])
    assert ids((await look(servers, mine)).commands) == [queued.command_id]


async def test_without_its_stream_nobody_knows(servers: Bank) -> None:
    await servers.nats.jetstream.delete_stream("COMMANDS")
    with pytest.raises(Unavailable, match="COMMANDS"):
        await look(servers, uuid4())
