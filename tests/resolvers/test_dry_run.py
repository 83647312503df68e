"""Dry runs of commands whose deciders look at more than their stream."""

from __future__ import annotations

import dataclasses
from uuid import uuid4

import pytest

from commander.resolvers.commands import Options, submit
from commander.resolvers.results import RejectedResult, ValidResult
from commander.resolvers.services import Services
from commander.streaming.commands.deciding import CannotDecide
from tests.domain.club import GiveUpAddress, Send, TakeAddress, club
from tests.streaming.conftest import Bank, running


def dry() -> Options:
    return Options(uuid4(), given_id=False, validate_only=True)


async def test_a_dry_run_finds_a_state_by_a_unique_key(servers: Bank, services: Services) -> None:
    services = dataclasses.replace(services, domain=club)
    async with running(servers.processor(club).run()):
        await servers.outcome(await servers.submit(TakeAddress(2, "ada@club"), club))
        result = await submit(services, Send(1, "Ada@Club"), dry())
        assert isinstance(result, ValidResult), result
        assert [event.type for event in result.events] == ["LetterSent", "LetterReceived"]
        nobody = await submit(services, Send(1, "ben@club"), dry())
        assert isinstance(nobody, RejectedResult)
        assert nobody.code == "NOBODY"
        await servers.outcome(await servers.submit(GiveUpAddress(2), club))
        assert isinstance(await submit(services, Send(1, "ada@club"), dry()), RejectedResult)
    assert len(await servers.log()) == 2


async def test_a_dry_run_waits_for_the_index_of_the_unique_key(servers: Bank, services: Services) -> None:
    services = dataclasses.replace(services, domain=club)
    with pytest.raises(CannotDecide, match=r"the index of the unique key member\.address is being built"):
        await submit(services, Send(1, "ada@club"), dry())
