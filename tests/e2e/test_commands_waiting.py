"""How long a mutation waits, what it says when the time is up, and what is heard of the command later."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

import pytest

from commander.domain.digests import stored_digest
from commander.eventstore.database import Database
from tests.e2e.bank import apply, balance_of, opened, submit, until
from tests.e2e.parts import Parts
from tests.e2e.sockets import Socket, socket_to, subscribe
from tests.system import Endpoint, System

COMMAND = """query ($id: UUID!) { command(commandId: $id) {
  commandId type status input code message position version actor submittedAt decidedAt
  events { type position }
} }"""
STATUS = (
    "subscription ($id: UUID!) { commandStatus(commandId: $id) "
    "{ commandId status code version events { type } } }"
)
CANCEL = """mutation ($id: UUID!) { cancelCommand(commandId: $id) {
  __typename ... on CommandRejected { commandId code message } ... on CommandApplied { commandId version }
} }"""


def command(api: Endpoint, id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.data(COMMAND, id=id)["command"]
    return found


def ended(api: Endpoint, id: str) -> dict[str, Any]:
    return until(lambda: command(api, id), lambda found: found["status"] != "ACCEPTED")


async def states(socket: Socket, id: str = "1") -> list[dict[str, Any]]:
    """What a subscription to a command's status says, to its end."""
    found = []
    while (message := await socket.receive())["type"] != "complete":
        assert (message["id"], message["type"]) == (id, "next"), message
        found.append(message["payload"]["data"]["commandStatus"])
    return found


def follow(id: str, as_: str = "1") -> dict[str, Any]:
    return subscribe(STATUS, as_, variables={"id": id})


def test_without_a_processor_a_command_is_pending_its_decision_and_its_end_can_be_asked_for(
    parts: Parts,
) -> None:
    (api,) = parts.start("api")
    id, account = str(uuid4()), str(uuid4())
    opening = {"owner": "Ada", "accountId": account}
    began = time.monotonic()
    pending = submit(api, "openAccount", opening, commandId=id, wait="PROJECTED", timeoutMs=700)
    assert 0.7 <= time.monotonic() - began < 5, "the time that was given, and not the default"
    assert pending == {
        **{"__typename": "CommandPending", "commandId": id, "stage": "DECISION", "decidedAt": None}
    }
    queued = command(api, id)
    assert (queued["status"], queued["input"]["owner"], queued["decidedAt"]) == ("ACCEPTED", "Ada", None)
    assert submit(api, "openAccount", {"owner": "Bob"}, wait="ACCEPTED")["__typename"] == "CommandAccepted"
    parts.start("processor")
    found = ended(api, id)
    assert (found["status"], found["events"]) == ("APPLIED", [{"type": "AccountOpened", "position": "1"}])
    assert found["submittedAt"] < found["decidedAt"]


def test_without_projections_a_command_is_pending_its_projection_with_the_position_it_waits_for(
    parts: Parts,
) -> None:
    api, _ = parts.start("api", "processor")
    id, account = str(uuid4()), str(uuid4())
    opening = {"owner": "Ada", "accountId": account}
    applied = apply(api, "openAccount", opening, commandId=id)
    began = time.monotonic()
    pending = submit(api, "openAccount", opening, commandId=id, wait="PROJECTED", timeoutMs=700)
    assert 0.7 <= time.monotonic() - began < 5, "the time that was given, and not the default"
    assert pending == {
        "__typename": "CommandPending",
        "commandId": id,
        "stage": "PROJECTION",
        "decidedAt": applied["position"],
    }
    assert command(api, id)["status"] == "APPLIED"
    rejection = submit(api, "deposit", {"accountId": str(uuid4()), "amount": "1"}, wait="PROJECTED")
    assert rejection["code"] == "ACCOUNT_NOT_FOUND"
    parts.start("projections")
    assert submit(api, "openAccount", opening, commandId=id, wait="PROJECTED") == applied
    assert balance_of(api, account) == "0.00"


def test_the_time_that_was_given_is_for_the_decision_and_the_projections_together(parts: Parts) -> None:
    api, processor = parts.start("api", "processor")
    account = opened(api)
    processor.end()
    deposit = {"accountId": account, "amount": "1.00"}
    id = str(uuid4())
    submit(api, "deposit", deposit, commandId=id, wait="ACCEPTED")

    def timed() -> tuple[dict[str, Any], float]:
        began = time.monotonic()
        pending = submit(api, "deposit", deposit, commandId=id, wait="PROJECTED", timeoutMs=10_000)
        return pending, time.monotonic() - began

    async def both() -> tuple[dict[str, Any], float]:
        waiting = asyncio.create_task(asyncio.to_thread(timed))
        await asyncio.to_thread(parts.start, "processor")
        return await waiting

    pending, took = asyncio.run(both())
    assert pending["stage"] == "PROJECTION"
    assert 10 <= took < 18, "once, and not once for each"


async def test_an_outcome_that_is_announced_to_nobody_is_found_in_postgres(parts: Parts) -> None:
    (api,) = await asyncio.to_thread(parts.start, "api")
    id, account = str(uuid4()), str(uuid4())
    opening = {"owner": "Ada", "accountId": account}
    waiting = asyncio.create_task(
        asyncio.to_thread(submit, api, "openAccount", opening, commandId=id, timeoutMs=20_000)
    )
    await asyncio.to_thread(until, lambda: api.query(COMMAND, id=id)["data"], bool)
    database = Database(parts.environment["COMMANDER_POSTGRES_URL"])
    data = f'{{"owner":"Ada","account_id":"{account}"}}'
    await database.fetch(
        """insert into commands (command_id, type, stream, data, digest, status, code, message, position,
             event_count, version, correlation_id, submitted_at, decided_at, number)
           values ($1, 'OpenAccount', $2, $3, $4, 'REJECTED', 'UNHEARD', '', 0, 0, 0, $1, now(), now(), 1)""",
        id,
        f"account-{account}",
        data,
        stored_digest("OpenAccount", data.encode()),
    )
    await database.close()
    assert (await waiting)["code"] == "UNHEARD"


async def test_who_follows_from_before_the_command_is_sent_hears_accepted_and_how_it_ended(
    parts: Parts,
) -> None:
    (api,) = await asyncio.to_thread(parts.start, "api")
    well, badly = str(uuid4()), str(uuid4())
    async with socket_to(api) as socket, socket_to(api) as other:
        await socket.send(follow(well))
        await other.send(follow(badly))
        await asyncio.to_thread(submit, api, "openAccount", {"owner": "Ada"}, commandId=well, wait="ACCEPTED")
        withdrawal = {"accountId": str(uuid4()), "amount": "1"}
        await asyncio.to_thread(submit, api, "withdraw", withdrawal, commandId=badly, wait="ACCEPTED")
        for one in (socket, other):
            first = (await one.receive())["payload"]["data"]["commandStatus"]
            assert (first["status"], first["version"], first["events"]) == ("ACCEPTED", None, [])
        await asyncio.to_thread(parts.start, "processor")
        [applied] = await states(socket)
        [rejected] = await states(other)
    assert applied == {
        **{"commandId": well, "status": "APPLIED", "code": None, "version": 1},
        "events": [{"type": "AccountOpened"}],
    }
    assert (rejected["commandId"], rejected["status"], rejected["code"]) == (
        badly,
        "REJECTED",
        "ACCOUNT_NOT_FOUND",
    )


async def test_who_follows_late_hears_only_how_it_ended(system: System) -> None:
    well, badly = str(uuid4()), str(uuid4())
    await asyncio.to_thread(submit, system, "openAccount", {"owner": "Ada"}, commandId=well)
    withdrawal = {"accountId": str(uuid4()), "amount": "1"}
    await asyncio.to_thread(submit, system, "withdraw", withdrawal, commandId=badly)
    async with socket_to(system) as socket:
        await socket.send(follow(well))
        assert [state["status"] for state in await states(socket)] == ["APPLIED"]
        await socket.send(follow(badly))
        assert [state["status"] for state in await states(socket)] == ["REJECTED"]


def test_a_queued_command_is_taken_back_and_is_never_decided(parts: Parts) -> None:
    api, processor = parts.start("api", "processor")
    account = opened(api)
    processor.end()
    deposit = {"accountId": account, "amount": "1.00"}
    taken_back, kept = str(uuid4()), str(uuid4())
    submit(api, "deposit", deposit, commandId=taken_back, wait="ACCEPTED")
    submit(api, "deposit", deposit, commandId=kept, wait="ACCEPTED")
    expected = {
        "__typename": "CommandRejected",
        "commandId": taken_back,
        "code": "CANCELLED",
        "message": "cancelled while it was queued",
    }
    assert api.data(CANCEL, id=taken_back)["cancelCommand"] == expected
    assert api.data(CANCEL, id=taken_back)["cancelCommand"] == expected
    assert submit(api, "deposit", deposit, commandId=taken_back) == expected
    assert (
        submit(api, "deposit", {**deposit, "amount": "2"}, commandId=taken_back)["__typename"]
        == "CommandConflict"
    )

    parts.start("processor")
    assert ended(api, kept)["version"] == 2
    found = command(api, taken_back)
    assert (found["status"], found["code"], found["version"]) == ("REJECTED", "CANCELLED", 1)
    assert apply(api, "deposit", deposit)["version"] == 3


def test_what_has_ended_cannot_be_taken_back_and_what_is_unknown_is_not_found(system: System) -> None:
    id = str(uuid4())
    applied = apply(system, "openAccount", {"owner": "Ada"}, commandId=id)
    told = {"__typename": "CommandApplied", "commandId": id, "version": 1}
    assert system.data(CANCEL, id=id)["cancelCommand"] == told
    assert submit(system, "openAccount", {"owner": "Ada"}, commandId=id) == applied
    unknown = str(uuid4())
    [error] = system.query(CANCEL, id=unknown)["errors"]
    assert error["extensions"] == {"code": "NOT_FOUND"}
    assert unknown in error["message"]


def test_taking_back_many_while_they_are_decided_has_one_end_for_each(parts: Parts) -> None:
    api, _ = parts.start("api", "processor")
    account = opened(api)
    kept = 0
    for _ in range(20):
        id = str(uuid4())
        submit(api, "deposit", {"accountId": account, "amount": "1.00"}, commandId=id, wait="ACCEPTED")
        told = api.data(CANCEL, id=id)["cancelCommand"]["__typename"]
        found = ended(api, id)
        assert (told == "CommandApplied") == (found["status"] == "APPLIED")
        kept += found["status"] == "APPLIED"
    assert apply(api, "deposit", {"accountId": account, "amount": "1.00"})["version"] == kept + 2


@pytest.mark.parametrize("id", ["x", ""])
def test_an_id_that_is_no_uuid_is_refused_by_all_that_take_one(system: System, id: str) -> None:
    for document in (COMMAND, CANCEL):
        [error] = system.query(document, id=id)["errors"]
        assert error["extensions"]["code"] == "BAD_REQUEST"
        assert "UUID cannot represent" in error["message"]
