"""Revocations of tokens on core NATS: a subject whose tokens are not accepted from then on.

commander.revoked           for all systems on this NATS, from whoever manages the users
<system>.signals.revoked    for one system, from `commander revoke`

The payload is the subject, as text or as {"subject": "alice"}. A message can be lost while NATS is away, so
each API process stores what it gets, and reads what the others have stored.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from commander.domain.checking import unusable_scalar
from commander.domain.errors import Unavailable
from commander.streaming.nats.chunks import OutMessage, RawMessage
from commander.streaming.nats.connection import Nats, reaching_nats
from commander.streaming.nats.signals import signal_subject

logger = logging.getLogger("commander.api")

REVOKED = "commander.revoked"
_OF_SYSTEM = "revoked"
LONGEST_SUBJECT = 256
"""The most characters of a subject."""


class _Notice(msgspec.Struct):
    subject: str


@asynccontextmanager
async def revocations_from_nats(nats: Nats, receive: Callable[[Sequence[str]], None]) -> AsyncIterator[None]:
    """Calls `receive` with revoked subjects while it is entered. Raises Unavailable."""

    def read(messages: list[RawMessage]) -> None:
        subjects = [subject for message in messages if (subject := _subject_in(message.data)) is not None]
        if subjects:
            receive(subjects)

    subscriptions = []
    try:
        with reaching_nats():
            for subject in (REVOKED, signal_subject(nats.names, _OF_SYSTEM)):
                subscriptions.append(await nats.client.subscribe_chunks(subject, read))
        yield
    finally:
        for subscription in subscriptions:
            with suppress(Unavailable), reaching_nats():
                await nats.client.unsubscribe_chunks(subscription)


async def publish_revocation(nats: Nats, subject: str) -> None:
    """Tells the API processes of this system that the tokens of a subject are revoked. Raises Unavailable."""
    payload = msgspec.json.encode(_Notice(subject))
    await nats.publish_signals([OutMessage(signal_subject(nats.names, _OF_SYSTEM), payload, {})])


def _subject_in(data: bytes) -> str | None:
    """The subject in a message. None if there is none."""
    try:
        if data.startswith(b"{"):
            subject = msgspec.json.decode(data, type=_Notice).subject
        else:
            subject = data.decode().strip()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        subject = ""
    if not subject or len(subject) > LONGEST_SUBJECT or unusable_scalar(subject):
        logger.warning("a revocation names no subject: %r", data[:100])
        return None
    return subject
