"""The parser of chunked messages: whole, in order, and counted, wherever a read ends."""

from __future__ import annotations

import pytest

from commander.streaming.nats.chunks import Chunked, ChunkedClient, RawMessage, skipping

SID = 7
FOREIGN = r"commands\.(?:1|3)\.[^ ]+"


def delivery(n: int, subject: str, data: bytes = b"data", headers: bytes = b"") -> bytes:
    reply = f"$JS.ACK.COMMANDS.pull.1.{n}.{n}.1764553000000000000.0"
    sizes = f"{len(headers)} {len(headers + data)}" if headers else f"{len(data)}"
    line = f"{'H' if headers else ''}MSG {subject} {SID} {reply} {sizes}\r\n"
    return line.encode() + headers + data + b"\r\n"


HEADERS = b"NATS/1.0\r\nName: value\r\n\r\n"
STATUS = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 8\r\n\r\n"
READ = b"".join(
    [
        delivery(1, "commands.0.a", b"one"),
        delivery(2, "commands.1.b"),
        delivery(3, "commands.3.c", headers=HEADERS),
        delivery(4, "commands.many.2", b"two", HEADERS),
        delivery(5, "commands.13.d", b"commands.1.d 7 $JS.ACK. 3\r\n"),
        delivery(6, "commands.1.e", b"MSG commands.0.x 7 $JS.ACK.x 1\r\n1\r\n"),
        f"HMSG _INBOX.x {SID} {len(STATUS)} {len(STATUS)}\r\n".encode() + STATUS + b"\r\n",
        delivery(7, "commands.2.f", b""),
        delivery(8, "commands.3.g", b""),
        delivery(9, "commands.3.h", headers=HEADERS),
    ]
)
KEPT = {1: b"one", 4: b"two", 5: b"commands.1.d 7 $JS.ACK. 3\r\n", 7: b""}


def number_of(message: RawMessage) -> int:
    return int(message.reply.split(b".")[5])


async def parsed(*reads: bytes, skipped: bool) -> list[RawMessage]:
    client = ChunkedClient()
    found: list[RawMessage] = []
    client.chunked[SID] = skipping(found.extend, SID, FOREIGN) if skipped else Chunked(found.extend)
    for read in reads:
        await client._ps.parse(read)
    return found


@pytest.mark.parametrize("skipped", [False, True])
async def test_messages_come_whole_wherever_a_read_ends(skipped: bool) -> None:
    for cut in range(1, len(READ)):
        last, statuses = 0, 0
        found: dict[int, bytes] = {}
        for message in await parsed(READ[:cut], READ[cut:], skipped=skipped):
            if not message.reply:
                assert message.headers == STATUS
                assert last == 6
                statuses += 1
                continue
            last += len(message.skipped) or 1
            assert number_of(message) == last
            if not message.subject.startswith((b"commands.1.", b"commands.3.")):
                found[last] = message.data
        assert (found, last, statuses) == (KEPT, 9, 1), cut


async def test_one_message_stands_for_those_that_are_skipped_with_their_sizes() -> None:
    whole = {
        number_of(m): len(m.headers) + len(m.data) + len(m.subject) + len(m.reply)
        for m in await parsed(READ, skipped=False)
        if m.reply
    }
    found = await parsed(READ, skipped=True)
    assert [(number_of(m), m.skipped) for m in found if m.reply] == [
        (1, ()),
        (3, (whole[2], whole[3])),
        (4, ()),
        (5, ()),
        (6, (whole[6],)),
        (7, ()),
        (9, (whole[8], whole[9])),
    ]
