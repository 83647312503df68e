"""Publishing many messages at once: one behind the other, or as one of JetStream's atomic batches (ADR-50).

All messages of a batch are stored, with one sync, or none. With an expected last sequence messages land
exactly behind that one, so a repeated or racing publisher cannot skip, repeat or reorder anything.
"""

from __future__ import annotations

from uuid import uuid4

import msgspec

from commander.domain.errors import CommanderError, Unavailable
from commander.streaming.nats.chunks import OutMessage, RawMessage, status_of
from commander.streaming.nats.connection import Nats

MAX_MESSAGES = 500
MAX_BYTES = 4 * 1024 * 1024

FEW = 12
"""Up to here messages are faster one by one: each costs a sync (0.3 ms where it was measured), while the
server stages a batch in files of its own (10 ms, however small it is)."""
_EXPECTED_LAST = "Nats-Expected-Last-Sequence"
_WRONG_LAST_SEQUENCE = {10071, 10164}  # plain, and constant while another batch is under way
_INCOMPLETE = 10176  # a part went with a lost connection, or too many batches were under way at once


class UnexpectedSequence(CommanderError):
    """The stream does not end where the batch was to follow; nothing of the batch was stored."""


class AtomicBatchRejected(CommanderError):
    """JetStream refused the batch for a reason that trying again would not mend."""


class _Problem(msgspec.Struct):
    code: int
    err_code: int = 0
    description: str = ""


class _Ack(msgspec.Struct):
    seq: int = 0
    error: _Problem | None = None


_ack_decoder = msgspec.json.Decoder(_Ack)


async def publish(
    nats: Nats,
    messages: list[OutMessage],
    *,
    expected_last: int | None = None,
    atomic_above: int = FEW,
    timeout_seconds: float = 5,
) -> list[int | CommanderError]:
    """Stores the messages, in order; returns the sequence of each, or why it is not stored.

    At most MAX_MESSAGES. Up to atomic_above are published one behind the other, more as an atomic batch.
    With expected_last none is stored that would not stand where it must: what follows one that failed fails
    too, with UnexpectedSequence. Raises Unavailable: then it is not known which were stored.
    """
    if len(messages) > atomic_above:
        try:
            last = await publish_atomically(
                nats, messages, expected_last=expected_last, timeout_seconds=timeout_seconds
            )
        except (UnexpectedSequence, AtomicBatchRejected) as error:
            return [error] * len(messages)
        return list(range(last - len(messages) + 1, last + 1))
    if expected_last is not None:
        messages = [
            OutMessage(subject, payload, {**headers, _EXPECTED_LAST: str(expected_last + n)})
            for n, (subject, payload, headers) in enumerate(messages)
        ]
    async with nats.answering():
        replies = await nats.client.request_many(messages, timeout_seconds)
    return [_stored(reply) for reply in replies]


async def publish_atomically(
    nats: Nats, messages: list[OutMessage], *, expected_last: int | None = None, timeout_seconds: float = 5
) -> int:
    """Stores the messages, all or none, on disk; returns the sequence of the last.

    At most MAX_MESSAGES. Raises UnexpectedSequence, AtomicBatchRejected, Unavailable (the batch may then be
    stored or not).
    """
    numbered = _numbered(messages)
    if expected_last is not None:
        numbered[0].headers[_EXPECTED_LAST] = str(expected_last)
    async with nats.answering():
        await nats.client.publish_many(numbered[:-1])
        [reply] = await nats.client.request_many(numbered[-1:], timeout_seconds)
    stored = _stored(reply)
    if isinstance(stored, CommanderError):
        raise stored
    return stored


def _stored(reply: RawMessage) -> int | CommanderError:
    """The sequence in an acknowledgement, or the error in it. Raises Unavailable."""
    if reply.headers:
        raise Unavailable("NATS", " ".join(status_of(reply.headers)) or "no answer from JetStream")
    ack = _ack_decoder.decode(reply.data)
    if ack.error is None:
        return ack.seq
    if ack.error.err_code in _WRONG_LAST_SEQUENCE:
        return UnexpectedSequence(ack.error.description)
    if ack.error.code in (408, 503) or ack.error.err_code == _INCOMPLETE:
        raise Unavailable("NATS", ack.error.description)
    return AtomicBatchRejected(f"{ack.error.description} ({ack.error.err_code})")


def _numbered(messages: list[OutMessage]) -> list[OutMessage]:
    """The messages as parts of a batch."""
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
