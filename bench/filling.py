"""The bank's commands, and getting them into COMMANDS before a clock starts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec

from bench.servers import PARTITIONS, System
from commander.domain import CommandType, Domain
from commander.eventstore.records import SubmittedCommand
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount
from commander.streaming.commands.assembling import client_command_id
from commander.streaming.commands.messages import message_of
from commander.streaming.nats.clock import utc_now
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.publishing import chunks, publish_atomically

AMOUNT = Decimal("1.00")


def openings(accounts: Iterable[UUID]) -> list[SubmittedCommand]:
    return [submitted(bank, OpenAccount("Ada", account)) for account in accounts]


def deposits(accounts: Sequence[UUID], count: int, reply: str | None = None) -> list[SubmittedCommand]:
    """Deposits to these accounts in turn. reply: where the outcomes are announced."""
    return [submitted(bank, Deposit(accounts[n % len(accounts)], AMOUNT), reply) for n in range(count)]


async def enqueue(nats: Nats, commands: Sequence[SubmittedCommand]) -> None:
    """Returns once all of them are on disk, in this order."""
    for chunk in chunks([message_of(nats.names, command, PARTITIONS) for command in commands]):
        await publish_atomically(nats, chunk)


async def open_accounts(system: System, count: int) -> tuple[list[UUID], list[UUID]]:
    """Commands that open this many accounts, put into COMMANDS: the accounts and the commands' ids."""
    accounts = [uuid4() for _ in range(count)]
    commands = openings(accounts)
    await enqueue(system.nats, commands)
    return accounts, [command.command_id for command in commands]


def submitted(domain: Domain, command: Any, reply: str | None = None) -> SubmittedCommand:
    """A command of the domain as an API process submits it."""
    type_ = domain.type_of(command)
    assert isinstance(type_, CommandType), "the domain's own"
    command_id = client_command_id(utc_now())
    return SubmittedCommand(
        command_id=command_id,
        type=type_.stored_name,
        stream=domain.stream_of(command),
        data=msgspec.Raw(type_.encode(command)),
        correlation_id=command_id,
        submitted_at=datetime.now(UTC),
        reply=reply,
    )
