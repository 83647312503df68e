"""What a viewer may send now, before the input of a command is known: it agrees with what sending gives."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from commander import Domain, Rejected, Viewer, any_of, anyone, guards
from commander.domain import Forbidden, InvalidCommand, Rights, RuleFailed
from commander.domain.affordances import Affordances, Availability
from commander.domain.unread_commands import InputNeeded, Unread, was_read
from commander.domain.viewers import NOBODY
from commander.testing import given
from tests.domain.tickets import (
    Ticket,
    tickets,
)

ID = UUID(int=2)
ADA, EVE = Viewer("ada"), Viewer("eve")
AGENT, OPERATOR = Viewer("amy", frozenset({"agent"})), Viewer("olga", frozenset({"operator"}))
TICKETS = Affordances(tickets, tickets.aggregates["ticket"])
FORBIDDEN = ("FORBIDDEN", "you may not send this command")


def told(found: Sequence[Availability | None]) -> dict[str, str | None]:
    """The code of each command that is known; "" if it may be sent."""
    return {one.command.removesuffix("Ticket"): one.code or "" for one in found if one is not None}


def rights(viewer: Viewer) -> Rights:
    return tickets.rights(viewer)


def test_only_commands_of_clients_are_told_in_the_order_of_their_definition() -> None:
    names = [one.command for one in TICKETS.in_state(None, ID, Ticket("ada"))]
    assert names == ["OpenTicket", "AnswerTicket", "CloseTicket", "GiveTicket", "RateTicket", "PurgeTicket"]


@pytest.mark.parametrize(
    ("viewer", "state", "expected"),
    [
        (ADA, Ticket("ada"), {"Close": "UNANSWERED", "Answer": "FORBIDDEN", "Purge": "FORBIDDEN"}),
        (ADA, Ticket("ada", 1), {"Close": "", "Give": ""}),
        (ADA, Ticket("ada", 1, True), {"Close": "TICKET_CLOSED", "Rate": "TICKET_CLOSED"}),
        (EVE, Ticket("ada", 1), {"Close": "FORBIDDEN", "Give": "FORBIDDEN", "Answer": "FORBIDDEN"}),
        (NOBODY, Ticket("ada", 1), {"Close": "FORBIDDEN", "Answer": "FORBIDDEN", "Purge": "FORBIDDEN"}),
        (AGENT, Ticket("ada"), {"Close": "UNANSWERED", "Answer": "", "Give": "FORBIDDEN"}),
        (AGENT, Ticket("ada", 1, True), {"Close": "TICKET_CLOSED", "Answer": "TICKET_CLOSED"}),
        (OPERATOR, Ticket("ada"), {"Purge": "", "Answer": "FORBIDDEN"}),
    ],
)
def test_who_may_send_what(viewer: Viewer, state: Ticket, expected: dict[str, str]) -> None:
    found = told(TICKETS.in_state(rights(viewer), ID, state))
    assert {name: found[name] for name in expected} == expected


def test_a_guard_is_told_only_to_who_may_send_the_command() -> None:
    closed = Ticket("ada", 1, True)
    assert told(TICKETS.in_state(rights(EVE), ID, closed))["Close"] == "FORBIDDEN"
    assert told(TICKETS.in_state(rights(ADA), ID, closed))["Give"] == "", "its rule needs the new owner"
    assert told(TICKETS.in_state(rights(EVE), ID, closed))["Give"] == "FORBIDDEN", "the rule reads no input"


def test_a_rule_may_read_the_key() -> None:
    first, other = UUID(int=1), UUID(int=2)
    assert told(TICKETS.known(rights(EVE), first))["Rate"] == "FORBIDDEN"
    assert "Rate" not in told(TICKETS.known(rights(EVE), other)), "a guard needs the state"
    assert told(TICKETS.in_state(rights(EVE), other, Ticket("ada")))["Rate"] == ""


def test_without_authentication_only_guards_refuse() -> None:
    assert told(TICKETS.in_state(None, ID, Ticket("ada", 1, True))) == {
        "Open": "TICKET_EXISTS",
        "Answer": "TICKET_CLOSED",
        "Close": "TICKET_CLOSED",
        "Give": "TICKET_CLOSED",
        "Rate": "TICKET_CLOSED",
        "Purge": "",
    }


def test_what_needs_no_state_is_told_without_it() -> None:
    assert told(TICKETS.known(rights(NOBODY), UUID(int=1))) == {
        "Open": "",
        "Answer": "FORBIDDEN",
        "Rate": "FORBIDDEN",
        "Purge": "FORBIDDEN",
    }, "Close and Give wait for the state"


def test_the_reason_is_the_message_of_the_rejection() -> None:
    found = {one.command: one for one in TICKETS.in_state(rights(AGENT), ID, Ticket("ada"))}
    assert found["CloseTicket"].reason == "nobody has answered the ticket"
    assert (found["PurgeTicket"].code, found["PurgeTicket"].reason) == FORBIDDEN
    assert (found["AnswerTicket"].code, found["AnswerTicket"].reason) == (None, None)


@pytest.mark.parametrize("slots", [False, True])
def test_reading_anything_but_the_key_of_an_unread_command_is_noticed(slots: bool) -> None:
    @dataclass(frozen=True, slots=slots)  # type: ignore[literal-required]
    class Base:
        def __init_subclass__(cls) -> None:
            assert not cls.__dict__.get("made_by_commander"), "the author's hook sees its own classes"

        key: int
        amount: int = 3

        @property
        def double(self) -> int:
            return 2 * self.amount

        def next_key(self) -> int:
            return self.key + 1

    unread = Unread(Base, {"key", "amount"}, "key")
    command = unread.command(7)
    assert isinstance(command, Base)
    assert command.__class__ is Base
    assert (command.key, command.next_key(), was_read(command)) == (7, 8, False)
    for read in (
        lambda one: one.double,
        lambda one: getattr(one, "amount", None),
        lambda one: hasattr(one, "amount"),
        lambda one: one == Base(7),
        lambda one: {one},
        lambda one: vars(one) if not slots else one.amount,
        repr,
        asdict,
        replace,
    ):
        command = unread.command(7)
        with pytest.raises(InputNeeded):
            read(command)
        assert was_read(command)


def domain_with(rule: Any, refusing: Sequence[str]) -> tuple[Domain, type, type]:
    """A domain with one command, which has this rule, and guards that refuse at these levels."""
    made = Domain("made")

    @made.command(allow=rule)
    @dataclass(frozen=True)
    class Change:
        key: str
        owner: str
        amount: int

    @made.event
    @dataclass(frozen=True)
    class Changed:
        key: str
        owner: str
        level: str

    @made.aggregate(key="key")
    @dataclass(frozen=True)
    class Thing:
        owner: str = ""
        level: str = ""

        @guards(Change)
        def at_first(self) -> None:
            if self.level in refusing[:1]:
                raise Rejected("FIRST", f"at {self.level}")

        @guards(Change)
        def at_second(self) -> None:
            if self.level in refusing:
                raise Rejected("SECOND")

        def change(self, command: Change) -> Changed:
            return Changed(command.key, command.owner, "changed")

        def changed(self, event: Changed) -> "Thing":
            return Thing(event.owner, event.level)

    made.check()
    return made, Change, Changed


@dataclass(frozen=True)
class Part:
    """A part of a rule, and the oracle: whether it reads the input, else whether it allows the command."""

    rule: Any
    reads: Any
    allows: Any


def never(*_: Any) -> bool:
    return False


def swallows(viewer: Viewer, command: Any) -> bool:
    try:
        return bool(command.amount > 1)
    except BaseException:
        return True


PARTS = (
    Part({"clerk"}, never, lambda v, s, k: "clerk" in v.roles),
    Part(lambda viewer: viewer.subject == "eve", never, lambda v, s, k: v.subject == "eve"),
    Part(lambda viewer, command: command.key == "a", never, lambda v, s, k: k == "a"),
    Part(lambda viewer, command: command.owner == viewer.subject, lambda v, s, k: True, never),
    Part(swallows, lambda v, s, k: True, never),
    Part(
        lambda viewer, command, state: state.owner == viewer.subject, never, lambda v, s, k: s[0] == v.subject
    ),
    Part(
        lambda viewer, command, state: state.level == "high" and command.amount > 1,
        lambda v, s, k: s[1] == "high",
        never,
    ),
    Part(lambda viewer, command, state: getattr(command, "amount", 0) > 1, lambda v, s, k: True, never),
    Part(anyone, never, lambda v, s, k: True),
)
VIEWERS = (NOBODY, ADA, EVE, Viewer("carl", frozenset({"clerk"})), OPERATOR)
STATES = tuple(product(("ada", "eve"), ("low", "high")))


def rules(dice: random.Random) -> Iterator[tuple[Any, Sequence[Part]]]:
    yield None, ()
    for part in PARTS:
        yield part.rule, (part,)
    for _ in range(8):
        parts = dice.sample(PARTS, dice.randrange(1, 4))
        yield any_of(*(part.rule for part in parts)), parts


def test_what_is_told_is_what_sending_gives() -> None:
    """For random rules and guards, and every viewer, state and input of a small world."""
    dice = random.Random(18)
    refused = allowed = 0
    for rule, parts in rules(dice):
        levels = dice.sample(("low", "high"), dice.randrange(3))
        domain, command, event = domain_with(rule, levels)
        affordances = Affordances(domain, domain.aggregates["thing"])
        for viewer, state, key in product(VIEWERS, STATES, ("a", "b")):
            rights = domain.rights(viewer)
            before = event(key, *state)
            thing = domain.aggregates["thing"].fold([before])
            [found] = affordances.in_state(rights, key, thing)
            [early] = affordances.known(rights, key)
            assert early in (None, found)
            sent = {
                answer_of(given(before).as_viewer(viewer).when(command(key, owner, amount)).refusal)
                for owner, amount in product(("ada", "eve"), (0, 2))
            }
            sure = rule is None or any(part.allows(viewer, state, key) for part in parts)
            depends = not sure and any(part.reads(viewer, state, key) for part in parts)
            if found.code is not None:
                assert sent == {(found.code, found.reason)}, (viewer, state, key)
                refused += 1
            elif not depends:
                assert sent == {None}, (viewer, state, key)
                allowed += 1
            assert not (depends and found.code), "what the input decides is not told"
    assert refused > 100 < allowed


def answer_of(refusal: Rejected | Forbidden | InvalidCommand | None) -> tuple[str, str] | None:
    match refusal:
        case Rejected(code=code, message=message):
            return code, message
        case Forbidden():
            return FORBIDDEN
    return None


@pytest.mark.parametrize("rule", [lambda viewer: 1 / 0, lambda viewer, command, state: "yes"])
def test_a_rule_that_fails_tells_nothing(rule: Any) -> None:
    domain, _, _ = domain_with(rule, ())
    affordances = Affordances(domain, domain.aggregates["thing"])
    with pytest.raises(RuleFailed, match="the rule of Change"):
        affordances.in_state(domain.rights(ADA), "a", domain.aggregates["thing"].initial())


def test_a_state_that_a_rule_or_a_guard_changes_in_place_is_a_copy() -> None:
    domain = Domain("mutable")

    @domain.command(allow=lambda viewer, command, state: not state.seen.append("rule"))
    @dataclass(frozen=True)
    class Look:
        key: str

    @domain.event
    @dataclass(frozen=True)
    class Looked:
        key: str

    @domain.aggregate(key="key")
    @dataclass(frozen=True)
    class Thing:
        seen: Any = None

        @guards(Look)
        def at_rest(self) -> None:
            self.seen.append("guard")

        def look(self, command: Look) -> Looked:
            return Looked(command.key)

        def looked(self, event: Looked) -> "Thing":
            return self

    state = Thing([])
    [found] = Affordances(domain, domain.aggregates["thing"]).in_state(domain.rights(ADA), "a", state)
    assert found.code is None
    assert state.seen == []
