"""Who may send a command: before it is stored, where it is decided, and in a dry run."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from commander import Viewer
from commander.domain.senders import Sender
from commander.eventstore.log.outcomes import outcome_of
from commander.examples.bank import bank
from commander.examples.bank.messages import CloseAccount, Deposit, OpenAccount, RequestTransfer, Withdraw
from commander.resolvers.commands import Options, Wait, submit, submit_all
from commander.resolvers.results import (
    AcceptedResult,
    AppliedResult,
    ConflictResult,
    ForbiddenResult,
    InvalidResult,
    RejectedResult,
    ValidResult,
)
from commander.resolvers.services import Services
from tests.streaming.conftest import Bank, running

ADA, EVE = Viewer("Ada"), Viewer("Eve")
TELLER = Viewer("Tess", frozenset({"teller"}))
ONE = Decimal("1.00")


def sent_by(viewer: Viewer, command_id: UUID | None = None, **given: Any) -> Options:
    """The options of a command that this viewer sends."""
    rights = bank.rights(viewer)
    return Options(
        command_id or uuid4(), command_id is not None, actor=viewer.subject, rights=rights, **given
    )


async def test_a_rule_on_roles_and_the_command_is_decided_before_it_is_stored(services: Services) -> None:
    for viewer, command in (
        (EVE, OpenAccount("Ada", uuid4())),
        (Viewer(), OpenAccount("Ada", uuid4())),
        (EVE, OpenAccount("", uuid4())),  # nor is it said that the input is invalid
        (TELLER, RequestTransfer(uuid4(), uuid4(), ONE)),
    ):
        options = sent_by(viewer, wait=Wait.ACCEPTED)
        assert await submit(services, command, options) == ForbiddenResult(options.command_id)
    assert services.submitter.submitted == 0
    assert isinstance(await submit(services, OpenAccount("", uuid4()), sent_by(TELLER)), InvalidResult)


async def test_the_owner_moves_the_money_and_nobody_else(servers: Bank, services: Services) -> None:
    account = uuid4()
    async with running(servers.processor().run()):
        assert isinstance(await submit(services, OpenAccount("Ada", account), sent_by(ADA)), AppliedResult)
        assert isinstance(await submit(services, Deposit(account, ONE), sent_by(TELLER)), AppliedResult)
        for viewer in (EVE, TELLER, Viewer()):
            options = sent_by(viewer)
            answer = await submit(services, Withdraw(account, ONE), options)
            assert answer == ForbiddenResult(options.command_id)
            outcome = await outcome_of(servers.database, options.command_id)
            assert outcome is not None
            assert (outcome.status, outcome.code, outcome.actor) == ("REJECTED", "FORBIDDEN", viewer.subject)
            kept = Sender(viewer.subject, tuple(viewer.roles), by_state=True)
            assert outcome.read_guards().sender == kept
        missing = sent_by(EVE)
        unknown = await submit(services, Withdraw(uuid4(), ONE), missing)
        assert unknown == ForbiddenResult(missing.command_id), "as for an account that is there"
        taken = await submit(services, Withdraw(account, ONE), sent_by(ADA))
    assert isinstance(taken, AppliedResult)


async def test_a_dry_run_decides_the_rule_too_and_stores_nothing(servers: Bank, services: Services) -> None:
    account = uuid4()
    async with running(servers.processor().run()):
        await submit(services, OpenAccount("Ada", account), sent_by(ADA))
    stored = services.submitter.submitted
    closing: dict[Viewer, type] = {ADA: ValidResult, EVE: ForbiddenResult, TELLER: ForbiddenResult}
    for viewer, expected in closing.items():
        answer = await submit(services, CloseAccount(account), sent_by(viewer, validate_only=True))
        assert type(answer) is expected
    withdrawing: dict[Viewer, type] = {ADA: RejectedResult, EVE: ForbiddenResult}
    for viewer, expected in withdrawing.items():
        answer = await submit(services, Withdraw(account, ONE), sent_by(viewer, validate_only=True))
        assert type(answer) is expected, "who may not send it is not told the balance"
    assert services.submitter.submitted == stored


async def test_of_many_commands_each_has_its_own_answer(servers: Bank, services: Services) -> None:
    account = uuid4()
    async with running(servers.processor().run()):
        answers = await submit_all(
            services,
            [
                (OpenAccount("Ada", account), sent_by(ADA)),
                (OpenAccount("Eve", uuid4()), sent_by(ADA)),
                (Deposit(account, ONE), sent_by(ADA)),
                (Deposit(account, ONE), sent_by(EVE)),
            ],
        )
    kinds = [AppliedResult, ForbiddenResult, AppliedResult, ForbiddenResult]
    assert [type(one) for one in answers] == kinds


@pytest.mark.parametrize("wait", [Wait.ACCEPTED, Wait.APPLIED])
async def test_an_id_belongs_to_its_sender(servers: Bank, services: Services, wait: Wait) -> None:
    """Somebody else with the same command and the same id is not told how it ended."""
    command_id, account = uuid4(), uuid4()
    opening = OpenAccount("Ada", account)
    queued = await submit(services, opening, sent_by(ADA, command_id, wait=Wait.ACCEPTED))
    assert queued == AcceptedResult(command_id)
    other = sent_by(TELLER, command_id, wait=Wait.ACCEPTED)
    assert await submit(services, opening, other) == ConflictResult(command_id)
    async with running(servers.processor().run()):
        first = await submit(services, opening, sent_by(ADA, command_id))
        assert isinstance(first, AppliedResult)
        other = sent_by(TELLER, command_id, wait=wait)
        assert await submit(services, opening, other) == ConflictResult(command_id)
        again = await submit(services, opening, sent_by(ADA, command_id, wait=wait))
    assert again in (first, AcceptedResult(command_id))


async def test_a_command_of_the_system_is_nobodys(servers: Bank, services: Services) -> None:
    """Its id can be derived by anyone, so nobody who is signed in is told how it ended."""
    command_id, account = uuid4(), uuid4()
    async with running(servers.processor().run()):
        system = Options(command_id, given_id=True)
        assert isinstance(await submit(services, OpenAccount("Ada", account), system), AppliedResult)
        for viewer in (ADA, TELLER):
            answer = await submit(services, OpenAccount("Ada", account), sent_by(viewer, command_id))
            assert answer == ConflictResult(command_id)
