"""A reaction happens once, whenever its reactor dies; and a refusal comes back to it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from uuid import uuid4

import pytest

from commander.eventstore.reactions.reactors import reactor_positions
from commander.examples.bank import bank
from commander.examples.bank.messages import Deposit, OpenAccount, RequestTransfer
from commander.streaming.reactors.reacting import ReactorRunner
from tests.streaming.conftest import Bank, running


def runner(servers: Bank) -> ReactorRunner:
    reactor = bank.reactors["transfers"]
    return ReactorRunner(bank, servers.database, servers.nats, servers.submitter, reactor)


async def until_logged(servers: Bank, type_: str) -> None:
    async with asyncio.timeout(15):
        while type_ not in [event.type for event in await servers.log()]:
            await asyncio.sleep(0.02)


async def until_checkpoint(servers: Bank, position: int) -> None:
    async with asyncio.timeout(15):
        while await reactor_positions(servers.database) != {"transfers": position}:
            await asyncio.sleep(0.02)


async def test_a_refused_reaction_is_logged_and_reacted_to(servers: Bank) -> None:
    source, target = uuid4(), uuid4()
    async with running(servers.processor().run()), running(runner(servers).run()):
        await servers.submit(OpenAccount("Ada", source))
        await servers.submit(Deposit(source, Decimal(50)))
        await servers.submit(RequestTransfer(source, target, Decimal(20)))
        await until_logged(servers, "TransferReturned")
    kinds = [event.type for event in await servers.log()]
    assert kinds[2:] == [
        "TransferRequested",
        "MoneyWithdrawn",
        "TransferWithdrawn",
        "ReactionRejected",
        "TransferReturning",
        "MoneyReturned",
        "TransferReturned",
    ]
    refusal = (await servers.log())[5]
    assert '"code":"ACCOUNT_NOT_FOUND"' in refusal.data
    assert refusal.causation_position == 5


async def test_all_that_follows_carries_the_first_commands_correlation(servers: Bank) -> None:
    source, target = uuid4(), uuid4()
    async with running(servers.processor().run()), running(runner(servers).run()):
        for account in (source, target):
            await servers.submit(OpenAccount("Ada", account))
        await servers.submit(Deposit(source, Decimal(50)))
        transfer = await servers.submit(RequestTransfer(source, target, Decimal(20)))
        await until_logged(servers, "TransferCompleted")
    following = (await servers.log())[3:]
    assert {event.correlation_id for event in following} == {transfer}
    assert [event.causation_position for event in following] == [None, 4, 5, 6, 7]


async def test_dying_between_publishing_and_the_checkpoint_makes_no_second_effect(
    servers: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = uuid4(), uuid4()
    died = 0

    async def die(*_: object, **__: object) -> None:
        nonlocal died
        died += 1
        raise RuntimeError("killed before the checkpoint was saved")

    async with running(servers.processor().run()):
        for account in (source, target):
            await servers.submit(OpenAccount("Ada", account))
        await servers.submit(Deposit(source, Decimal(50)))
        await servers.outcome(await servers.submit(RequestTransfer(source, target, Decimal(20))))
        with monkeypatch.context() as patched:
            patched.setattr("commander.streaming.reactors.reacting.save_reactor", die)
            for _ in range(2):
                with pytest.raises(RuntimeError, match="killed"):
                    await runner(servers).run()
            await until_logged(servers, "MoneyWithdrawn")
        async with running(runner(servers).run()):
            await until_logged(servers, "TransferCompleted")
            await until_checkpoint(servers, 8)
    assert died == 2
    kinds = [event.type for event in await servers.log()]
    assert (kinds.count("MoneyWithdrawn"), kinds.count("MoneyDeposited")) == (1, 2)
    assert len(kinds) == 8
