"""Publishing many messages as one: JetStream's atomic batches (NATS ADR-50).

All messages of a batch are stored, with one sync, or none. With an expected last sequence a batch lands
exactly behind that message, so a repeated or racing publisher cannot skip, repeat or reorder anything.
"""

from __future__ import annotations

from uuid import uuid4

import msgspec

from commander.domain.errors import CommanderError, Unavailable
from streaming.bulk import OutMessage
from streaming.connection import Nats

MAX_MESSAGES = 500
MAX_BYTES = 4 * 1024 * 1024

_WRONG_LAST_SEQUENCE = {10071, 10164}  # plain, and constant while another batch is under way
_INCOMPLETE = 10176  # a part went with a lost connection, or too many batches were under way at once


class UnexpectedSequence(CommanderError):
    """The stream does not end where the batch was to follow; nothing of the batch was stored."""


class BatchRefused(CommanderError):
    """JetStream refused the batch for a reason that trying again would not mend."""


class _Problem(msgspec.Struct):
    code: int
    err_code: int = 0
    description: str = ""


class _Ack(msgspec.Struct):
    seq: int = 0
    error: _Problem | None = None


_ack_decoder = msgspec.json.Decoder(_Ack)


async def publish_atomically(
    nats: Nats, messages: list[OutMessage], *, expected_last: int | None = None, timeout_seconds: float = 5
) -> int:
    """Stores the messages, all or none, on disk; returns the sequence of the last.

    At most MAX_MESSAGES. Raises UnexpectedSequence, BatchRefused, Unavailable (then it is not known whether
    the batch was stored).
    """
    numbered = _numbered(messages)
    if expected_last is not None:
        numbered[0].headers["Nats-Expected-Last-Sequence"] = str(expected_last)
    last = numbered.pop()
    async with nats.answering():
        if numbered:
            await nats.client.publish_bulk(numbered)
        reply = await nats.client.request(
            last.subject, last.payload, timeout=timeout_seconds, headers=last.headers or None
        )
    ack = _ack_decoder.decode(reply.data)
    if ack.error is None:
        return ack.seq
    if ack.error.err_code in _WRONG_LAST_SEQUENCE:
        raise UnexpectedSequence(ack.error.description)
    if ack.error.code in (408, 503) or ack.error.err_code == _INCOMPLETE:
        raise Unavailable("NATS", ack.error.description)
    raise BatchRefused(f"{ack.error.description} ({ack.error.err_code})")


def _numbered(messages: list[OutMessage]) -> list[OutMessage]:
    """The messages as parts of a batch; one alone needs none."""
    if len(messages) == 1:
        subject, payload, headers = messages[0]
        return [OutMessage(subject, payload, dict(headers))]
    batch_id = uuid4().hex
    parts = [
        OutMessage(
            subject, payload, {**headers, "Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
        )
        for number, (subject, payload, headers) in enumerate(messages, 1)
    ]
    parts[-1].headers["Nats-Batch-Commit"] = "1"
    return parts


def chunks(messages: list[OutMessage]) -> list[list[OutMessage]]:
    """The messages, in order, cut into batches within MAX_MESSAGES and MAX_BYTES."""
    cut: list[list[OutMessage]] = []
    size = 0
    for message in messages:
        if not cut or len(cut[-1]) == MAX_MESSAGES or size + len(message.payload) > MAX_BYTES:
            cut.append([])
            size = 0
        cut[-1].append(message)
        size += len(message.payload)
    return cut
