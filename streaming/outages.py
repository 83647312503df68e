"""Processes tell each other which server takes no writes. Only who writes finds that out.

A processor meets a full Postgres when it appends. The mutation that waits is in another process. A signal
tells it, and the signal is repeated for as long as writes fail. While NATS is unreachable nobody is told;
then mutations are refused anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import msgspec

from commander.domain.errors import Trouble, Unavailable
from commander.eventstore.circuits import Circuit
from commander.streaming.nats.chunks import OutMessage, RawMessage
from commander.streaming.nats.connection import Nats, reaching_nats
from commander.streaming.nats.signals import signal_subject

OUTAGES = "outages"
_SHARE_SECONDS = 0.25


class _Notice(msgspec.Struct, frozen=True):
    """sender: the process; its own signals come back to it."""

    sender: str
    service: str
    trouble: Trouble
    reason: str
    since: datetime


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Notice)


async def share_outages(nats: Nats, circuits: Sequence[Circuit]) -> None:
    """Tells the other processes of failed writes, and notes what they tell. Runs until cancelled."""
    sender = nats.client.new_inbox()
    subject = signal_subject(nats.names, OUTAGES)

    def receive(messages: list[RawMessage]) -> None:
        for message in messages:
            try:
                notice = _decoder.decode(message.data)
            except msgspec.DecodeError:  # of another version
                continue
            for circuit in circuits:
                if notice.sender != sender and notice.service == circuit.service:
                    circuit.report(notice.trouble, notice.reason, notice.since)

    with reaching_nats():
        subscription = await nats.client.subscribe_chunks(subject, receive)
    shared = {circuit: circuit.reports for circuit in circuits}
    try:
        while True:
            for circuit in circuits:
                outage = circuit.unwritable
                if outage is not None and circuit.reports > shared[circuit]:
                    notice = _Notice(sender, circuit.service, outage.trouble, outage.reason, outage.since)
                    with suppress(Unavailable):
                        await nats.publish_signals([OutMessage(subject, _encoder.encode(notice), {})])
                shared[circuit] = circuit.reports
            await asyncio.sleep(_SHARE_SECONDS)
    finally:
        with suppress(Unavailable), reaching_nats():
            await nats.client.unsubscribe_chunks(subscription)
