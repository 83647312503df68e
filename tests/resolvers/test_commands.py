"""Submitting: one outcome per id, whatever the client asks to wait for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from commander.domain.errors import InvalidRequest
from commander.examples.bank.messages import Deposit, OpenAccount, Withdraw
from commander.resolvers.commands import Options, Wait, submit, submit_all
from commander.resolvers.results import (
    AcceptedResult,
    AppliedResult,
    ConflictResult,
    InvalidResult,
    PendingResult,
    RejectedResult,
    Stage,
    ValidResult,
    VersionConflictResult,
)
from commander.resolvers.services import Services
from commander.streaming.projections.projecting import Projector
from tests.streaming.conftest import Bank, running


def options(command_id: UUID | None = None, **given: Any) -> Options:
    return Options(command_id or uuid4(), given_id=command_id is not None, **given)


async def test_the_first_outcome_is_given_again_with_events_and_position(
    servers: Bank, services: Services
) -> None:
    command_id = uuid4()
    async with running(servers.processor().run()):
        opening = OpenAccount("Ada", uuid4())
        first = await submit(services, opening, options(command_id))
        again = await submit(services, opening, options(command_id))
    assert isinstance(first, AppliedResult)
    assert first == again
    assert first.position == 1


async def test_other_content_under_the_same_id_is_a_conflict(servers: Bank, services: Services) -> None:
    command_id, account = uuid4(), uuid4()
    async with running(servers.processor().run()):
        await submit(services, OpenAccount("Ada", account), options(command_id))
        other = await submit(services, OpenAccount("Eve", account), options(command_id))
    assert other == ConflictResult(command_id)


async def test_a_conflict_with_a_queued_command_is_told_without_waiting(services: Services) -> None:
    command_id, account = uuid4(), uuid4()
    accept = options(command_id, wait=Wait.ACCEPTED)
    assert await submit(services, OpenAccount("Ada", account), accept) == AcceptedResult(command_id)
    assert await submit(services, OpenAccount("Ada", account), accept) == AcceptedResult(command_id)
    assert await submit(services, OpenAccount("Eve", account), accept) == ConflictResult(command_id)


async def test_a_command_that_is_not_decided_in_time_is_pending_its_decision(services: Services) -> None:
    result = await submit(services, OpenAccount("Ada", uuid4()), options(timeout_ms=50))
    assert isinstance(result, PendingResult)
    assert (result.stage, result.position) == (Stage.DECISION, None)


async def test_a_projection_that_is_late_is_told_apart(servers: Bank, services: Services) -> None:
    from commander.eventstore.projections.folding import ensure_tables

    await ensure_tables(servers.database, services.tables.values())
    async with running(servers.processor().run()):
        await submit(services, OpenAccount("Bob", uuid4()), options())  # the processor has its partitions
        late = await submit(
            services, OpenAccount("Ada", uuid4()), options(wait=Wait.PROJECTED, timeout_ms=300)
        )
        assert isinstance(late, PendingResult)
        assert (late.stage, late.position) == (Stage.PROJECTION, 2)
        projector = Projector(services.domain, servers.database, servers.nats, services.tables["account"])
        async with running(projector.run()):
            seen = await submit(services, OpenAccount("Ada", uuid4()), options(wait=Wait.PROJECTED))
    assert isinstance(seen, AppliedResult)


async def test_a_dry_run_says_what_would_happen_and_stores_nothing(servers: Bank, services: Services) -> None:
    account = uuid4()
    async with running(servers.processor().run()):
        await submit(services, OpenAccount("Ada", account), options())
        await submit(services, Deposit(account, Decimal(5)), options())
    dry: dict[str, Any] = {"validate_only": True}
    valid = await submit(services, Withdraw(account, Decimal(3)), options(**dry))
    assert isinstance(valid, ValidResult)
    assert (valid.version, [event.type for event in valid.events]) == (3, ["MoneyWithdrawn"])
    refused = await submit(services, Withdraw(account, Decimal(9)), options(**dry))
    assert isinstance(refused, RejectedResult)
    assert refused.code == "INSUFFICIENT_FUNDS"
    wrong = await submit(services, Withdraw(account, Decimal(3)), options(expected_version=1, **dry))
    assert isinstance(wrong, VersionConflictResult)
    assert wrong.current_version == 2
    invalid = await submit(services, Withdraw(account, Decimal(-3)), options(**dry))
    assert isinstance(invalid, InvalidResult)
    assert len(await servers.log()) == 2
    assert await servers.database.fetchval("select count(*) from commands") == 2


async def test_many_at_once_are_decided_in_order_each_with_its_own_result(
    servers: Bank, services: Services
) -> None:
    account = uuid4()
    commands = [
        OpenAccount("Ada", account),
        Deposit(account, Decimal(5)),
        Withdraw(account, Decimal(9)),
        Withdraw(account, Decimal(-1)),
        Withdraw(account, Decimal(5)),
    ]
    async with running(servers.processor().run()):
        results = await submit_all(services, [(command, options()) for command in commands])
    assert [type(result) for result in results] == [
        AppliedResult,
        AppliedResult,
        RejectedResult,
        InvalidResult,
        AppliedResult,
    ]
    assert [event.version for event in await servers.log()] == [1, 2, 3]


async def test_too_many_at_once_are_refused_before_any_is_submitted(
    servers: Bank, services: Services
) -> None:
    too_many = [(OpenAccount("Ada", uuid4()), options()) for _ in range(6)]
    with pytest.raises(InvalidRequest, match="commands: must be at most 5, got 6"):
        await submit_all(services, too_many)
    assert (await servers.nats.jetstream.stream_info("COMMANDS")).state.messages == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timeout_ms": -1}, "timeoutMs: must be from 0 to 60000, got -1"),
        ({"timeout_ms": 60001}, "timeoutMs: must be from 0 to 60000, got 60001"),
        ({"expected_version": -1}, "expectedVersion: must be 0 or more, got -1"),
    ],
)
async def test_an_option_out_of_range_is_named(
    services: Services, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        await submit(services, OpenAccount("Ada", uuid4()), options(**given))


async def test_an_oversized_command_is_refused_with_its_size(services: Services) -> None:
    from dataclasses import replace

    small = replace(services, limits=replace(services.limits, max_command_bytes=50))
    result = await submit(small, OpenAccount("A" * 100, uuid4()), options())
    assert isinstance(result, InvalidResult)
    assert "50 is the limit" in result.problems[0].message
