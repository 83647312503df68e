"""Whatever the domain's code does ends one command, and what it says can be stored.

What the code does not know ends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace

from commander import Domain, Rejected
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import append
from commander.eventstore.log.outcomes import outcome_of
from commander.eventstore.records import Decision, RecordedEvent, Status, SubmittedCommand
from commander.streaming.commands.deciding import CannotDecide, decide
from commander.streaming.commands.stream_states import StreamState, evolved, initial_state
from tests.domain.shop import disown

ITEM = UUID(int=1)


class Plain(Enum):
    NO = "no"


class Text(StrEnum):
    NO = "no"


@dataclass(frozen=True)
class Sell:
    item_id: UUID


@dataclass(frozen=True)
class Sold:
    item_id: UUID
    count: int = 1

    def __post_init__(self) -> None:
        if self.count == 9:
            raise AssertionError("not nine")


def shop_where(deciding: Any) -> Domain:
    """A domain whose decider does this."""
    disown(Sell, Sold)
    domain = Domain("shop")
    domain.command(Sell)
    domain.event(Sold)

    @domain.aggregate(key="item_id")
    @dataclass(frozen=True)
    class Item:
        count: int = 0

        def sell(self, command: Sell) -> Any:
            return deciding()

        def sold(self, event: Sold) -> Item:
            return Item(self.count + 10 // event.count)

    return domain


def submitted(data: bytes = b'{"item_id": "00000000-0000-0000-0000-000000000001"}') -> SubmittedCommand:
    now = datetime.now(UTC)
    command_id = uuid4()
    return SubmittedCommand(
        command_id, "Sell", f"item-{ITEM}", msgspec.Raw(data), command_id, now, reactor="clerk"
    )


def decided(domain: Domain, command: SubmittedCommand | None = None) -> tuple[Decision, StreamState]:
    command = command or submitted()
    return decide(domain, command, initial_state(domain, command.stream), datetime.now(UTC))


def raising(error: Any) -> Any:
    raise error


@pytest.mark.parametrize(
    ("rejection", "code", "message"),
    [
        (Rejected("NO", "it is not possible"), "NO", "it is not possible"),
        (Rejected("NO"), "NO", ""),
        (Rejected(Text.NO, "x"), "no", "x"),
        (Rejected(Plain.NO, ValueError("why")), "Plain.NO", "why"),  # type: ignore[arg-type]
        (Rejected(5, None), "5", "None"),  # type: ignore[arg-type]
        (Rejected("a\x1fb", "\x1e\0\ud800"), "a\x1fb", "\x1e�?"),
        (Rejected("NO", "x" * 20_000), "NO", "x" * 10_000),
    ],
)
async def test_what_a_rejection_says_is_stored(
    database: Database, rejection: Rejected, code: str, message: str
) -> None:
    decision, after = decided(shop_where(lambda: raising(rejection)))
    assert (decision.status, decision.code, decision.message) == (Status.REJECTED, code, message)
    assert (decision.version, after.version, decision.events) == (0, 0, ())
    async with database.connection() as connection:
        await append(connection, [decision], None)
    outcome = await outcome_of(database, decision.command.command_id)
    assert outcome is not None
    assert (outcome.code, outcome.message) == (code, message)


@pytest.mark.parametrize(
    ("deciding", "code", "message"),
    [
        (lambda: raising(ZeroDivisionError("a bug")), "DECIDER_RAISED", "ZeroDivisionError: a bug"),
        (lambda: raising(RecursionError("deep")), "DECIDER_RAISED", "RecursionError: deep"),
        (lambda: raising(SystemExit(3)), "DECIDER_RAISED", "SystemExit: 3"),
        (lambda: Sold(ITEM, 0), "DECIDER_RAISED", "ZeroDivisionError"),
        (lambda: Sold(ITEM, 9), "DECIDER_RAISED", "AssertionError: not nine"),
        (lambda: object.__new__(Sold), "INVALID_DECISION", "item_id: must not be None"),
        (lambda: Sold("no id"), "INVALID_DECISION", "item_id: must be a UUID, got str"),  # type: ignore[arg-type]
        (lambda: Sold(ITEM, 2**31), "INVALID_DECISION", "must fit into 32 bits"),
        (lambda: "Sold", "INVALID_DECISION", "returned str"),
        (lambda: [Sold(ITEM), None], "INVALID_DECISION", "returned NoneType"),
    ],
)
def test_a_decider_that_goes_wrong_fails_its_command_leaves_the_state_and_is_logged(
    caplog: pytest.LogCaptureFixture, deciding: Any, code: str, message: str
) -> None:
    decision, after = decided(shop_where(deciding))
    [logged] = [one for one in caplog.records if one.name == "commander.processor"]
    assert logged.levelname == "ERROR" and logged.exc_info is not None
    assert str(decision.command.command_id) in logged.getMessage()
    assert (decision.status, decision.code) == (Status.FAILED, code)
    assert message in (decision.message or "")
    assert after.version == 0
    assert decision.rejection is not None, "the reactor hears"
    assert '"FAILED"' in decision.rejection.data


@pytest.mark.parametrize("data", [b"{}", b"[]", b"null", b'{"item_id": "x"}', b"{", b""])
def test_a_command_that_cannot_be_read_fails(data: bytes) -> None:
    decision, _ = decided(shop_where(lambda: Sold(ITEM)), submitted(data))
    assert (decision.status, decision.code) == (Status.FAILED, "UNDECODABLE_COMMAND")


def test_a_command_that_the_code_cannot_read_which_made_it_fails() -> None:
    domain = shop_where(lambda: Sold(ITEM))
    own = replace(submitted(b"{}"), code=domain.code.fingerprint)
    assert decided(domain, own)[0].code == "UNDECODABLE_COMMAND"
    with pytest.raises(CannotDecide, match="cannot read what the code other sent"):
        decided(domain, replace(own, code="other"))


def test_an_unknown_command_and_an_unknown_aggregate_are_not_decided() -> None:
    domain = shop_where(lambda: Sold(ITEM))
    with pytest.raises(
        CannotDecide, match=r"the command Buy .*: the code [0-9a-f]{8} of the domain shop has no"
    ):
        decided(domain, replace(submitted(), type="Buy"))
    with pytest.raises(CannotDecide, match="has no aggregate box"):
        decided(domain, replace(submitted(), stream="box-1"))


def test_an_unknown_event_behind_one_that_cannot_be_folded_leaves_the_stream_to_other_code() -> None:
    domain = shop_where(lambda: Sold(ITEM))
    bad, unknown = recorded(1, "Sold", '{"count": 1}'), recorded(2, "Stolen", "{}")
    state = evolved(domain, initial_state(domain, bad.stream), bad)
    assert decide(domain, submitted(), state, datetime.now(UTC))[0].code == "UNREADABLE_STREAM"
    for later in (unknown, recorded(3, "Sold", "{}")):
        state = evolved(domain, state, later)
        assert state.version == later.version
        with pytest.raises(CannotDecide, match="position 2 cannot be read as Stolen"):
            decide(domain, submitted(), state, datetime.now(UTC))


def recorded(position: int, type_name: str, data: str) -> RecordedEvent:
    stream, now = f"item-{ITEM}", datetime.now(UTC)
    return RecordedEvent(position, stream, position, type_name, 1, data, uuid4(), uuid4(), None, now)


def test_a_command_whose_class_does_not_take_it_any_more_fails() -> None:
    domain = Domain("shop")

    @domain.command
    @dataclass(frozen=True)
    class Sell:
        item_id: UUID

        def __post_init__(self) -> None:
            raise AssertionError("not this one")

    @domain.aggregate(key="item_id")
    class Item:
        def sell(self, command: Sell) -> None: ...

    decision, _ = decided(domain)
    assert (decision.code, decision.message) == ("UNDECODABLE_COMMAND", "not this one")
