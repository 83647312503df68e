"""Whoever a decider finds by a unique key holds the key when the decision is stored, or nobody does."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import count

from commander.eventstore.records import RecordedEvent, Status
from tests.domain.club import (
    FULL,
    BringChair,
    BuildRoom,
    Door,
    EmptyBox,
    GiveUpAddress,
    HandOverAddress,
    LetterReceived,
    Member,
    RingUp,
    Send,
    TakeAddress,
    club,
)
from tests.streaming.conftest import Bank, running
from tests.streaming.test_across import COMMANDS, decided

ADDRESSES = [f"{name}@club" for name in ("ada", "ben", "cy", "dee", "eve", "fay")]
MEMBERS = 300
APPLIED = Status.APPLIED, None


async def ended(servers: Bank, *commands: object) -> list[tuple[str, str | None]]:
    """The status and the code of each of these commands, which are sent at once."""
    ids = [await servers.submit(one, club) for one in commands]
    found = [await servers.outcome(one) for one in ids]
    return [(one.status, one.code) for one in found]


async def test_a_state_is_found_by_what_earlier_commands_of_the_batch_have_left(servers: Bank) -> None:
    commands = (
        Send(1, "ada@club"),
        TakeAddress(2, "Ada@club", ("1",)),
        Send(1, "ADA@club"),
        HandOverAddress(2, 3),
        Send(1, "ada@club"),
        RingUp(1, "1"),
        GiveUpAddress(3),
        Send(1, "ada@club"),
        Send(1, None),
        BuildRoom("hall", Door.BACK, 5),
        BringChair(1, Door.BACK, 5),
        BringChair(1, Door.FRONT, 5, even_if_none=True),
        BringChair(1, Door.FRONT, -5),
    )
    nobody = Status.REJECTED, "NOBODY"
    failed = Status.FAILED, "INVALID_DECISION"
    expected = [nobody, *[APPLIED] * 6, nobody, nobody, APPLIED, APPLIED, failed, failed]
    ids = [await servers.submit(one, club) for one in commands]  # before a processor begins: one batch
    async with running(servers.processor(club).run()):
        found = [await servers.outcome(one) for one in ids]
        assert [(one.status, one.code) for one in found] == expected
    log = await servers.log()
    received = [one.stream for one in log if one.type == "LetterReceived"]
    assert received == ["member-2", "member-3"]
    rung = [one.stream for one in log if '"by_phone":true' in one.data]
    assert rung == ["member-3"]
    assert (log[-1].type, log[-1].stream) == ("ChairBrought", "room-hall")


async def test_a_state_is_found_that_no_cache_has(servers: Bank) -> None:
    async with running(servers.processor(club).run()):
        assert await ended(servers, TakeAddress(2, "ada@club"), TakeAddress(3, "ben@club")) == [APPLIED] * 2
    async with running(servers.processor(club).run()):
        assert await ended(servers, Send(1, "ben@club"), Send(1, "ada@club")) == [APPLIED] * 2
        assert await ended(servers, *[Send(1, "ada@club")] * FULL) == [
            *[APPLIED] * (FULL - 1),
            (Status.REJECTED, "FULL"),
        ]


async def test_what_was_looked_up_is_still_known_when_a_batch_is_decided_again(servers: Bank) -> None:
    """It is when a key was taken as free that another stream holds."""
    async with running(servers.processor(club).run()):
        assert await ended(servers, TakeAddress(2, "ada@club")) == [APPLIED]
    ids = [await servers.submit(one, club) for one in (Send(1, "ben@club"), TakeAddress(3, "ada@club"))]
    async with running(servers.processor(club).run()):
        codes = [(await servers.outcome(one)).code for one in ids]
    assert codes == ["NOBODY", "NOT_UNIQUE"]


async def test_an_address_that_another_processor_has_moved_is_found_where_it_is(servers: Bank) -> None:
    """Both processors know who had it before."""
    async with running(servers.processor(club).run()), running(servers.processor(club).run()):
        for holder in range(1, 9):  # the members are of both processors' partitions
            assert await ended(servers, TakeAddress(holder, "ada@club")) == [APPLIED]
            sent = await ended(servers, *[Send(sender, "ada@club") for sender in range(11, 15)])
            assert sent == [APPLIED] * 4
            assert await ended(servers, GiveUpAddress(holder)) == [APPLIED]
            sent = await ended(servers, *[Send(sender, "ada@club") for sender in range(11, 15)])
            assert sent == [(Status.REJECTED, "NOBODY")] * 4
    received = Counter(one.stream for one in await servers.log() if one.type == "LetterReceived")
    assert received == {f"member-{holder}": 4 for holder in range(1, 9)}


async def test_a_key_that_is_only_looked_up_is_not_written_again(servers: Bank) -> None:
    async with running(servers.processor(club).run()):
        assert await ended(servers, TakeAddress(2, "ada@club")) == [APPLIED]
        before = await servers.database.fetchval("select ctid::text from unique_keys")
        assert await ended(servers, Send(1, "ada@club")) == [APPLIED]
        assert await servers.database.fetchval("select ctid::text from unique_keys") == before
        assert await ended(servers, HandOverAddress(2, 1)) == [APPLIED]
        assert await servers.database.fetchval("select stream from unique_keys") == "member-1"


def random_command(random_: random.Random) -> object:
    member, other = random_.sample(range(MEMBERS), 2)
    address = random_.choice(ADDRESSES)
    match random_.randrange(12):
        case 0:
            return TakeAddress(member, address)
        case 1:
            return GiveUpAddress(member)
        case 2:
            return HandOverAddress(member, other)
        case 3:
            return EmptyBox(member)
        case _:
            return Send(member, address)


def broken_in_club(events: Sequence[RecordedEvent], nobody: Mapping[int, list[str]]) -> list[str]:
    """Letters to members without the address, or without room, and addresses that somebody had.

    nobody: the addresses that nobody had, as commands were told, by the position at which they were decided.
    """
    states: dict[str, Member] = {}
    found = []
    for event in events:
        instance = club.decode(event.type, event.schema_version, event.data, event.position)
        before = states.get(event.stream, Member())
        if isinstance(instance, LetterReceived) and before.address != instance.address:
            found.append(f"{event.position}: {event.stream} got a letter to {instance.address}")
        states[event.stream] = after = club.aggregates["member"].evolve(before, instance)
        if after.letters > FULL:
            found.append(f"{event.position}: {event.stream} has {after.letters} letters")
        held = {one.address for one in states.values()}
        found += [f"{event.position}: somebody had {one}" for one in nobody[event.position] if one in held]
    return found


async def test_a_letter_is_never_for_who_does_not_have_the_address_at_that_position(servers: Bank) -> None:
    random_ = random.Random(19)
    commands = (random_command(random_) for _ in count())
    outcomes = await decided(servers, club, commands, COMMANDS, random_)
    assert {one.code for one in outcomes} == {None, "NOBODY", "FULL", "NO_ADDRESS", "NOT_UNIQUE"}
    nobody = defaultdict[int, list[str]](list)
    for one in outcomes:
        if one.code == "NOBODY":
            nobody[one.position].append(json.loads(one.data)["to_address"])
    assert broken_in_club(await servers.log(), nobody) == []
