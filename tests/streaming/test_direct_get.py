"""Many messages by one request: those that fit, in order, with how many are left."""

from __future__ import annotations

import pytest

from commander.dev.embedded import EmbeddedNats
from commander.domain.errors import Unavailable
from commander.streaming.nats.chunks import OutMessage
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.direct_get import Found, TooManyMessages, last_messages, next_messages
from commander.streaming.nats.publishing import publish_atomically

SIZE = 1000


async def publish(nats: Nats, *subjects: str) -> None:
    for begin in range(0, len(subjects), 500):
        some = subjects[begin : begin + 500]
        await publish_atomically(nats, [OutMessage(subject, b"x" * SIZE, {}) for subject in some])


def subjects_of(found: Found) -> list[str]:
    return [message.subject for message in found.messages]


async def last_of_each(nats: Nats, *subjects: str) -> list[tuple[int, str]]:
    pages = [page async for page in last_messages(nats, "COMMANDS", subjects, SIZE * 100)]
    return [(message.sequence, message.subject) for page in pages for message in page.messages]


async def test_the_next_messages_of_a_subject_come_in_order_from_a_sequence_on(nats: Nats) -> None:
    await publish(nats, *(f"commands.{n % 2}.{n}" for n in range(20)))
    found = await next_messages(nats, "COMMANDS", "commands.1.*", 5, 3, SIZE * 100)
    assert [message.sequence for message in found.messages] == [6, 8, 10]
    assert subjects_of(found) == ["commands.1.5", "commands.1.7", "commands.1.9"]
    assert {message.data for message in found.messages} == {b"x" * SIZE}
    assert found.left == 5
    rest = await next_messages(nats, "COMMANDS", "commands.1.*", 11, 100, SIZE * 100)
    assert (len(rest.messages), rest.left) == (5, 0)


async def test_no_more_bytes_come_than_were_asked_for_but_always_a_message(nats: Nats) -> None:
    await publish(nats, *(f"commands.0.{n}" for n in range(20)))
    found = await next_messages(nats, "COMMANDS", "commands.*.*", 1, 100, SIZE * 5)
    assert 1 <= len(found.messages) <= 6
    assert len(found.messages) + found.left == 20
    assert len((await next_messages(nats, "COMMANDS", "commands.*.*", 1, 100, 1)).messages) == 1


async def test_nothing_that_fits_is_an_empty_answer(nats: Nats) -> None:
    assert await next_messages(nats, "COMMANDS", "commands.0.*", 1, 10, SIZE) == ([], 0)
    assert await last_of_each(nats, "commands.0.*", "commands.1.*") == []


async def test_the_last_of_each_subject_comes_and_too_many_are_refused(nats: Nats) -> None:
    await publish(nats, "commands.0.a", "commands.0.b", "commands.0.a", "commands.1.c")
    expected = [(2, "commands.0.b"), (3, "commands.0.a")]
    assert await last_of_each(nats, "commands.0.*", "commands.2.*") == expected
    await publish(nats, *(f"commands.3.{n}" for n in range(1025)))
    with pytest.raises(TooManyMessages):
        await last_of_each(nats, "commands.3.*")


async def test_the_last_of_each_subject_come_in_pages_also_when_one_is_replaced(nats: Nats) -> None:
    await publish(nats, *(f"commands.0.{n}" for n in range(20)))
    found: list[str] = []
    pages = 0
    async for page in last_messages(nats, "COMMANDS", ["commands.0.*"], SIZE * 5):
        found += subjects_of(page)
        if not pages:
            await publish(nats, "commands.0.0", "commands.0.19")
        pages += 1
    assert pages > 3
    assert found == [*(f"commands.0.{n}" for n in range(19)), "commands.0.0", "commands.0.19"]


async def test_a_stream_or_a_server_that_is_not_there_is_unavailable(
    nats: Nats, nats_server: EmbeddedNats
) -> None:
    with pytest.raises(Unavailable, match="the stream NONE does not answer: 503"):
        await next_messages(nats, "NONE", "x", 1, 10, SIZE)
    await nats_server.stop()
    with pytest.raises(Unavailable):
        await next_messages(nats, "COMMANDS", "commands.*.*", 1, 10, SIZE)


async def test_it_leaves_nothing_behind(nats: Nats) -> None:
    before = len(nats.client.chunked)
    await next_messages(nats, "COMMANDS", "commands.0.*", 1, 10, SIZE)
    assert len(nats.client.chunked) == before
