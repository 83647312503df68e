"""Reads many messages of a stream with one request, without a consumer: JetStream's direct get (ADR-31).

Any replica of the stream may answer, and it may lag for a moment. To read what was just written, ask the
leader, message by message (JetStreamContext.get_msg).
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import msgspec
from nats.js.errors import NotFoundError

from commander.domain.errors import CommanderError, Unavailable
from commander.streaming.nats.chunks import InMessage, RawMessage, headers_of, status_of
from commander.streaming.nats.connection import Nats

_TIMEOUT_SECONDS = 5.0
_encoder = msgspec.json.Encoder()


class TooManyMessages(CommanderError):
    """More messages match than the server returns at once (1024). Use a narrower query."""


class Found(NamedTuple):
    """Some messages, in order. left: how many more match."""

    messages: list[InMessage]
    left: int


async def next_messages(
    nats: Nats, stream: str, subject: str, sequence: int, count: int, max_bytes: int
) -> Found:
    """The messages of the subject from a sequence on: at most `count`, and about `max_bytes` at most.

    Raises Unavailable.
    """
    wanted = {"seq": sequence, "next_by_subj": subject, "batch": count, "max_bytes": max_bytes}
    return await _request(nats, stream, wanted)


async def last_messages(
    nats: Nats, stream: str, subjects: Sequence[str], max_bytes: int
) -> AsyncIterator[Found]:
    """The last message of every subject that matches one of these, in pages of about `max_bytes` at most.

    A message that is replaced between two pages is in a later page too, or only there.
    Raises TooManyMessages and Unavailable.
    """
    sequence, left = 1, 1
    while left:
        wanted = {"multi_last": subjects, "seq": sequence, "max_bytes": max_bytes}
        page = await _request(nats, stream, wanted)
        if not page.messages:
            return
        yield page
        sequence, left = page.messages[-1].sequence + 1, page.left


async def message_at(nats: Nats, stream: str, sequence: int) -> InMessage | None:
    """The message with this sequence, from the leader of the stream; None if there is none.

    Raises Unavailable.
    """
    async with nats.answering():
        try:
            found = await nats.jetstream.get_msg(stream, sequence)
        except NotFoundError:
            return None
    raw = b64decode(found.hdrs) if found.hdrs else b""
    return InMessage(sequence, found.subject or "", found.data or b"", raw)


async def _request(nats: Nats, stream: str, wanted: dict[str, Any]) -> Found:
    answer = _Answer(stream)
    inbox = nats.client.new_inbox()
    async with nats.answering():
        subscription = await nats.client.subscribe_chunks(inbox, answer.receive)
        try:
            await nats.client.publish(f"$JS.API.DIRECT.GET.{stream}", _encoder.encode(wanted), reply=inbox)
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await answer.whole
        finally:
            await nats.client.unsubscribe_chunks(subscription)


class _Answer:
    """The messages of an answer so far. A message with a status ends it. whole: done at the end."""

    def __init__(self, stream: str) -> None:
        self.whole: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._stream = stream
        self._messages: list[InMessage] = []

    def receive(self, messages: list[RawMessage]) -> None:
        for message in messages:
            status, description = status_of(message.headers)
            if status:
                self._end(status, description, message)
                return
            headers = headers_of(message.headers)
            sequence, subject = int(headers["Nats-Sequence"]), headers["Nats-Subject"]
            self._messages.append(InMessage(sequence, subject, message.data, message.headers))

    def _end(self, status: str, description: str, message: RawMessage) -> None:
        if self.whole.done():
            return  # the request was cancelled
        if status == "204":
            left = int(headers_of(message.headers).get("Nats-Num-Pending", 0))
            self.whole.set_result(Found(self._messages, left))
        elif status == "404":
            self.whole.set_result(Found([], 0))
        elif status == "413":
            self.whole.set_exception(TooManyMessages(f"of {self._stream}: {description}"))
        else:
            problem = f"the stream {self._stream} does not answer: {status} {description}".rstrip()
            self.whole.set_exception(Unavailable("NATS", problem))
