"""A request that an earlier version of Commander stored: the same request again gets its outcome."""

from __future__ import annotations

from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace

from commander.examples.bank import bank
from commander.examples.bank.messages import OpenAccount
from commander.resolvers.commands import Options, Wait, submit
from commander.resolvers.results import AcceptedResult, AppliedResult, ConflictResult
from commander.resolvers.services import Services
from commander.streaming.commands.assembling import Envelope, assembled
from tests.streaming.conftest import Bank, running


def envelope(services: Services, command_id: UUID) -> Envelope:
    return Envelope.of_client(
        command_id,
        services.now(),
        correlation_id=None,
        expected_version=None,
        actor=None,
        reply=services.outcomes.reply,
        traceparent=None,
        not_before=None,
    )


@pytest.mark.parametrize("wait", [Wait.APPLIED, Wait.ACCEPTED])
async def test_a_queued_and_a_decided_command_of_an_earlier_version_are_found(
    servers: Bank, services: Services, wait: Wait
) -> None:
    command_id, account = uuid4(), uuid4()
    opening, other = OpenAccount("Ada", account), OpenAccount("Eve", account)
    made = assembled(bank, opening, envelope(services, command_id))
    data = msgspec.Raw(
        bytes(made.data).replace(b'"owner":"Ada"', b'"owner": "Ada"')
    )  # encoded in another way
    await servers.submitter.submit(replace(made, data=data, sent_digest=None), alone=True)
    accept = Options(command_id, given_id=True, wait=Wait.ACCEPTED)
    assert await submit(services, opening, accept) == AcceptedResult(command_id)
    assert await submit(services, other, accept) == ConflictResult(command_id)
    async with running(servers.processor().run()):
        asked = Options(command_id, given_id=True, wait=wait)
        await servers.outcome(command_id)
        first = await submit(services, opening, asked)
        assert isinstance(first, AppliedResult)
        assert first.version == 1
        assert await submit(services, other, asked) == ConflictResult(command_id)
    assert len((await servers.outcome(command_id)).digest) == 16
    assert len(await servers.log()) == 1
