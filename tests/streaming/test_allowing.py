"""A rule on the state is decided with the command, before anything else that depends on the state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from msgspec.structs import replace

from commander import Domain, Viewer
from commander.domain import CommandType, Verdict
from commander.domain.rights import FORBIDDEN
from commander.domain.senders import Sender
from commander.eventstore.records import Decision, Guards, Status, SubmittedCommand
from commander.streaming.commands.assembling import Envelope, assembled
from commander.streaming.commands.deciding import CannotDecide, decide
from commander.streaming.commands.messages import commands_in, encoded
from commander.streaming.commands.stream_states import StreamState
from tests.domain.harbour import Berth, Leave, Move, Ship, Sink, harbour

ID = UUID(int=1)
ADA, EVE, PILOT = Viewer("ada"), Viewer("eve"), Viewer("pit", frozenset({"pilot"}))
ADAS = StreamState(Ship("ada"), 3)
NOW = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def checked() -> Iterator[None]:
    harbour.check()
    yield


def sent(command: Any, viewer: Viewer | None, domain: Domain = harbour, **changed: Any) -> SubmittedCommand:
    """The command as the API submits it for this viewer."""
    sender = None
    if viewer is not None:
        rights, type_ = domain.rights(viewer), domain.type_of(command)
        assert isinstance(type_, CommandType)
        verdict = rights.may_submit(type_, command)
        assert verdict is not Verdict.FORBIDDEN
        sender = rights.sender(type_, verdict)
    envelope = Envelope.of_client(
        uuid4(),
        NOW,
        correlation_id=None,
        expected_version=None,
        actor=None,
        reply="client",
        traceparent=None,
        not_before=None,
        sender=sender,
    )
    made = replace(assembled(domain, command, envelope), **changed)
    [received] = commands_in("commands.1.x", encoded(made))
    return received


def decided(command: SubmittedCommand, state: StreamState = ADAS, domain: Domain = harbour) -> Decision:
    decision, after = decide(domain, command, state, NOW)
    assert decision.status is Status.APPLIED or after == state
    return decision


@pytest.mark.parametrize(
    ("command", "viewer", "status"),
    [
        (Leave(ID), ADA, Status.APPLIED),
        (Leave(ID), EVE, Status.REJECTED),
        (Leave(ID), PILOT, Status.REJECTED),
        (Leave(ID), Viewer(), Status.REJECTED),
        (Leave(ID), None, Status.APPLIED),
        (Move(ID, Berth.TAKEN), PILOT, Status.APPLIED),
        (Move(ID, Berth.TAKEN), ADA, Status.APPLIED),
        (Move(ID, Berth.TAKEN), EVE, Status.REJECTED),
        (Sink(ID), Viewer("o", frozenset({"operator"})), Status.APPLIED),
    ],
    ids=lambda value: str(getattr(value, "subject", type(value).__name__)),
)
def test_a_command_is_applied_if_its_sender_may_send_it_in_this_state(
    command: Any, viewer: Viewer | None, status: Status
) -> None:
    decision = decided(sent(command, viewer))
    assert decision.status is status
    assert decision.code == (None if status is Status.APPLIED else FORBIDDEN)


def test_who_may_not_send_it_gets_the_same_answer_in_every_state() -> None:
    answers = set()
    for state in (ADAS, StreamState(Ship(), 0), StreamState(Ship("bob", Berth.TAKEN), 9)):
        for changed in ({}, {"expected_version": 3}, {"expected_version": 8}, {"rejected": ("NO", "why")}):
            decision = decided(sent(Leave(ID), EVE, **changed), state)
            answers.add((decision.status, decision.code, decision.message))
    assert answers == {(Status.REJECTED, FORBIDDEN, "you may not send this command")}


def test_who_may_send_it_meets_the_hooks_and_the_expected_version_then() -> None:
    assert decided(sent(Leave(ID), ADA, expected_version=3)).status is Status.APPLIED
    assert decided(sent(Leave(ID), ADA, expected_version=8)).code == "VERSION_CONFLICT"
    assert decided(sent(Leave(ID), ADA, rejected=("NO", "why"))).code == "NO"


def test_a_message_of_an_earlier_version_has_no_sender_and_no_rule() -> None:
    old = msgspec.json.decode(encoded(sent(Leave(ID), EVE)))
    del old["sender"]
    [received] = commands_in("commands.1.x", msgspec.json.encode(old))
    assert received.sender is None
    assert decided(received).status is Status.APPLIED


def test_guards_of_an_earlier_version_have_no_sender() -> None:
    assert msgspec.json.decode(b'{"expected_version":3}', type=Guards) == Guards(3)
    sender = Sender("ada", ("a", "b"), None, '{"x":1}', True)
    assert msgspec.json.decode(Guards(sender=sender).encode(), type=Guards).sender == sender


@dataclass(frozen=True)
class Knock:
    door: str


@dataclass(frozen=True)
class Guest:
    name: str
    doors: tuple[str, ...] = ()


def house(allow: Any, guest: Any = None) -> Domain:
    if "__commander__" in Knock.__dict__:
        del Knock.__commander__  # type: ignore[attr-defined]
    domain = Domain("house")
    if guest is not None:
        domain.viewer(guest)
    domain.command(allow=allow)(Knock)

    @domain.aggregate(key="door")
    @dataclass(frozen=True)
    class Door:
        open: bool = True

        def knock(self, command: Knock) -> None: ...

    return domain


def by_state(viewer: Any, command: Knock, state: Any) -> bool:
    return bool(viewer.subject == "ada" and state.open)


def raising(viewer: Any, command: Knock, state: Any) -> bool:
    return bool(viewer.nothing)


def stopping(viewer: Any, command: Knock, state: Any) -> bool:
    raise SystemExit


@pytest.mark.parametrize("rule", [raising, stopping], ids=["raises", "stops"])
def test_a_rule_that_raises_is_a_dead_letter_and_allows_nothing(rule: Any) -> None:
    domain = house(rule)
    state = StreamState(domain.aggregates["door"].initial(), 0)
    decision = decided(sent(Knock("front"), ADA, domain), state, domain)
    assert (decision.status, decision.code) == (Status.FAILED, "RULE_FAILED")
    assert "the rule of Knock raised" in (decision.message or "")


def test_what_this_code_has_no_rule_for_is_left_to_the_code_that_has_one() -> None:
    domain = house(by_state)
    state = StreamState(domain.aggregates["door"].initial(), 0)
    command = sent(Knock("front"), ADA, domain)
    without = house(None)
    with pytest.raises(CannotDecide, match="it has no rule of Knock"):
        decide(without, replace(command, code="of other code"), state, NOW)
    assert decided(replace(command, code=None), state, without).code == FORBIDDEN


def test_a_viewer_that_this_code_cannot_read_is_left_to_the_code_that_can() -> None:
    def guest(viewer: Viewer) -> Guest:
        return Guest(viewer.subject or "", ("front",))

    domain = house(lambda guest, command, state: command.door in guest.doors, guest)
    state = StreamState(domain.aggregates["door"].initial(), 0)
    command = sent(Knock("front"), ADA, domain)
    assert decided(command, state, domain).status is Status.APPLIED
    assert command.sender is not None
    for sender in (
        replace(command.sender, own='{"unknown": 1}'),
        replace(command.sender, own=None),
    ):
        unreadable = replace(command, sender=sender)
        with pytest.raises(CannotDecide, match="cannot read the viewer"):
            decide(domain, replace(unreadable, code="of other code"), state, NOW)
        assert decided(unreadable, state, domain).code == "RULE_FAILED"
