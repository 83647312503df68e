"""EVENTS against the log as bytes: what is alike is passed over, and everything else is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import uuid4

import nats.aio.client
import pytest

from commander.eventstore.audit.findings import Finding, Kind, begun
from commander.eventstore.log.ranges import read_log
from commander.examples.bank import bank
from commander.streaming.audit import alike as alike_module
from commander.streaming.audit import mirror
from commander.streaming.audit.alike import alike_up_to
from commander.streaming.audit.mirror import mirror_checks
from commander.streaming.log.event_codec import message_of
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.publishing import publish
from tests.commander.damages import forced
from tests.streaming.conftest import Bank, running

MANY = 3_000
AT = 1_234
LONELY = f"1002, 1003, {AT}, 2000, {MANY - 1}"
"""The positions whose events are alone in their streams, so that the mirror can lose them."""
_FILL = f"""
insert into events (position, stream, version, type, schema_version, data, command_id, correlation_id,
                    causation_position, recorded_at, traceparent)
select n, 'account-' || case when n in ({LONELY}) then n else n % 7 end
              || case when n % 11 = 0 then '.ü *' else '' end,
       n / 7 + 1, 'MoneyDeposited', 1,
       case n % 5 when 0 then '{{"text": "a\\tb \\\\ ü🚢"}}' else '{{"amount": "1.00"}}' end::json,
       gen_random_uuid(), gen_random_uuid(), case when n % 13 = 0 then n - 1 end,
       timestamptz '2030-01-01' + n / 10 * interval '70 milliseconds',
       case when n % 17 = 0 then '00-aa-bb-01' end
from generate_series(1, {MANY}) as n"""


def nothing(done: int, all_: int) -> None:
    """Shows nothing."""


async def mirrored(servers: Bank, change: Callable[[list[OutMessage]], object] = len) -> None:
    """A log and its mirror, whose messages were changed before they were published."""
    await forced(servers.database, _FILL)
    messages = [
        message_of(servers.nats.names, one) for one in await read_log(servers.database, 0, MANY, MANY)
    ]
    change(messages)
    await publish(servers.nats, messages, expected_last=0)


async def differences(servers: Bank) -> list[Finding]:
    """What the check of the content finds."""
    check = mirror_checks(servers.nats)[1]
    return [one async for one in check.run(await begun(bank, servers.database), nothing)]


async def alike(servers: Bank, after: int = 0) -> int:
    return await alike_up_to(servers.nats, servers.database, after, MANY, nothing)


@pytest.mark.parametrize("size", [150, 700, 32_768])
async def test_what_is_alike_is_not_looked_at(
    servers: Bank, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the bytes come: size is how many are read at once, at most."""
    await mirrored(servers)
    monkeypatch.setattr(nats.aio.client, "DEFAULT_BUFFER_SIZE", size)
    assert await alike(servers) == MANY
    assert await alike(servers, AT) == MANY
    monkeypatch.delattr(mirror._OneByOne, "at")
    monkeypatch.setattr(mirror, "_LOOKED_AT", 0)
    assert await differences(servers) == []


async def test_other_messages_between_do_no_harm(servers: Bank) -> None:
    await mirrored(servers)

    compared = asyncio.Event()

    async def ask() -> None:
        while not compared.is_set():  # in Python 3.11 a flush can end as if it had not been cancelled
            await servers.nats.client.flush()

    async with running(ask()):
        try:
            for _ in range(5):
                assert await alike(servers) == MANY
        finally:
            compared.set()


CHANGES: dict[str, Callable[[OutMessage], OutMessage]] = {
    "subject": lambda one: one._replace(subject=f"{one.subject}x"),
    "data": lambda one: one._replace(payload=one.payload.replace(b"{", b"[", 1)),
    "more data": lambda one: one._replace(payload=one.payload + b" "),
    "no data": lambda one: one._replace(payload=b""),
    "version": lambda one: one._replace(headers={**one.headers, "Commander-Version": "9"}),
    "command": lambda one: one._replace(headers={**one.headers, "Commander-Command-Id": str(uuid4())}),
    "time": lambda one: one._replace(
        headers={**one.headers, "Commander-Recorded-At": "2029-01-01T00:00:00+00:00"}
    ),
    "no headers": lambda one: one._replace(headers={}),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("at", [1, AT, MANY])
async def test_each_difference_is_found(servers: Bank, name: str, at: int) -> None:
    def change(messages: list[OutMessage]) -> None:
        messages[at - 1] = CHANGES[name](messages[at - 1])

    await mirrored(servers, change)
    assert await alike(servers) < at
    assert [(one.kind, one.where) for one in await differences(servers)] == [
        (Kind.MIRROR_DIFFERS, f"position {at}")
    ]


async def test_differences_far_apart_are_found(servers: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between them, what is alike is passed over again."""
    monkeypatch.setattr(mirror, "_LOOKED_AT", 10)
    places = [5, 6, 700, 2_000, MANY - 1]

    def change(messages: list[OutMessage]) -> None:
        for at in places:
            messages[at - 1] = messages[at - 1]._replace(payload=b"{}")

    await mirrored(servers, change)
    assert [one.where for one in await differences(servers)] == [f"position {at}" for at in places]


@pytest.mark.parametrize("looked_at", [1, 100])
@pytest.mark.parametrize("gone", [[AT], [MANY - 1], [1_002, 1_003, 2_000]])
async def test_a_gap_is_found(
    servers: Bank, gone: Sequence[int], looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "_LOOKED_AT", looked_at)
    await mirrored(servers)
    for sequence in gone:
        await servers.nats.jetstream.purge_stream(
            servers.nats.names.events, subject=f"*.*.*.account-{sequence}"
        )
    assert await alike(servers) < gone[0]
    found = await differences(servers)
    assert {one.kind for one in found} == {Kind.MIRROR_GAP}
    wanted = {str(gone[0])} if len(gone) == 1 else {"1002 to 1003", "2000"}
    assert {one.where.split(" ", 1)[1] for one in found} == wanted


async def test_a_mirror_of_an_earlier_version_is_looked_at(servers: Bank) -> None:
    """Its messages have no epoch. Nothing is alike, and nothing is wrong."""

    def change(messages: list[OutMessage]) -> None:
        for n, one in enumerate(messages):
            headers = {name: value for name, value in one.headers.items() if name != "Commander-Epoch"}
            messages[n] = one._replace(headers=headers)

    await mirrored(servers, change)
    assert await alike(servers) == 0
    assert await differences(servers) == []


async def test_a_gap_of_the_log_is_not_passed_over(servers: Bank) -> None:
    await mirrored(servers)
    await forced(servers.database, "delete from events where position = $1", AT)
    assert await alike(servers) < AT
    assert await differences(servers) == []  # the check of the log finds it


async def test_a_connection_that_is_lost_meanwhile_costs_nothing_but_time(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mirrored(servers)
    has_begun, begins = asyncio.Event(), alike_module._Comparing.__aenter__

    async def told(comparing: alike_module._Comparing) -> alike_module._Comparing:
        found = await begins(comparing)
        has_begun.set()
        return found

    async def lose() -> None:
        with suppress(Exception):
            await has_begun.wait()
            servers.nats.client._transport.close()  # type: ignore[union-attr]

    monkeypatch.setattr(alike_module._Comparing, "__aenter__", told)

    async with running(lose()):
        found = await differences(servers)
    assert found == []
