"""The rights of a viewer: what the rules of a domain allow it to send and to see."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from commander import Domain, Viewer, where
from commander.domain import Rights, RuleFailed, Verdict
from commander.domain.filters import EVERY_ROW, NO_ROW, Condition, Operator
from commander.domain.rights import EVERY_EVENT, NO_EVENT, EventRule, SameRow
from commander.domain.viewers import NOBODY
from tests.domain.harbour import (
    Announced,
    Berth,
    Leave,
    Left,
    Move,
    Moved,
    Register,
    Registered,
    Sell,
    Ship,
    ShipRow,
    Sink,
    Sunk,
    harbour,
)

ID = UUID(int=7)
ADA, EVE = Viewer("ada"), Viewer("eve")
PILOT, OPERATOR = Viewer("pit", frozenset({"pilot"})), Viewer("olga", frozenset({"operator", "staff"}))
SHIP, WRECK = harbour.projections["ship"], harbour.projections["wreck"]
ALLOWED, FORBIDDEN, NEEDS_STATE = Verdict.ALLOWED, Verdict.FORBIDDEN, Verdict.NEEDS_STATE


def rights(viewer: Viewer) -> Rights:
    harbour.check()
    return harbour.rights(viewer)


@pytest.mark.parametrize(
    ("command", "viewer", "verdict"),
    [
        (Register(ID, "ada"), NOBODY, ALLOWED),
        (Register(ID, "ada"), EVE, ALLOWED),
        (Move(ID, Berth.FREE), PILOT, ALLOWED),
        (Move(ID, Berth.FREE), ADA, NEEDS_STATE),
        (Move(ID, Berth.FREE), NOBODY, NEEDS_STATE),
        (Move(ID, Berth.FREE), OPERATOR, NEEDS_STATE),
        (Sell(ID, "ada"), ADA, ALLOWED),
        (Sell(ID, "ada"), EVE, FORBIDDEN),
        (Sell(ID, "ada"), NOBODY, FORBIDDEN),
        (Leave(ID), ADA, NEEDS_STATE),
        (Leave(ID), PILOT, NEEDS_STATE),
        (Sink(ID), ADA, FORBIDDEN),
        (Sink(ID), PILOT, FORBIDDEN),
        (Sink(ID), NOBODY, FORBIDDEN),
        (Sink(ID), OPERATOR, ALLOWED),
    ],
    ids=lambda value: getattr(value, "subject", type(value).__name__) or "nobody",
)
def test_who_may_send_a_command(command: Any, viewer: Viewer, verdict: Verdict) -> None:
    type_ = harbour.type_of(command)
    assert rights(viewer).may_submit(type_, command) is verdict  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("command", "viewer", "state", "allowed"),
    [
        (Leave(ID), ADA, Ship("ada"), True),
        (Leave(ID), EVE, Ship("ada"), False),
        (Leave(ID), PILOT, Ship("ada"), False),
        (Leave(ID), NOBODY, Ship(), False),
        (Move(ID, Berth.FREE), PILOT, Ship("ada"), True),
        (Move(ID, Berth.FREE), ADA, Ship("ada"), True),
        (Move(ID, Berth.FREE), EVE, Ship("ada"), False),
        (Sink(ID), OPERATOR, Ship("ada"), False),
    ],
    ids=lambda value: str(getattr(value, "subject", type(value).__name__)),
)
def test_a_rule_on_the_state_is_decided_with_the_command(
    command: Any, viewer: Viewer, state: Ship, allowed: bool
) -> None:
    type_ = harbour.commands[type(command).__name__]
    sender = rights(viewer).sender(type_, NEEDS_STATE)
    assert harbour.may_send(type_, sender, command, state) is allowed


def test_the_rows_that_a_viewer_sees() -> None:
    owner = SHIP.field("owner")
    assert rights(ADA).row_filter(SHIP) == Condition(owner, Operator.EQ, "ada")
    assert rights(NOBODY).row_filter(SHIP) == NO_ROW
    assert rights(PILOT).row_filter(SHIP) == rights(OPERATOR).row_filter(SHIP) == EVERY_ROW
    assert rights(ADA).row_filter(WRECK) == rights(PILOT).row_filter(WRECK) == NO_ROW
    assert rights(OPERATOR).row_filter(WRECK) == EVERY_ROW
    assert rights(ADA).sees_row(SHIP, ShipRow(ID, "ada"))
    assert not rights(ADA).sees_row(SHIP, ShipRow(ID, "eve"))


def test_the_events_that_a_viewer_sees() -> None:
    types = harbour.events
    own = types["Registered"].fields[1]
    assert rights(ADA).event_filter(types["Registered"]) == EventRule(Condition(own, Operator.EQ, "ada"))
    assert rights(NOBODY).event_filter(types["Registered"]) == NO_EVENT
    assert rights(PILOT).event_filter(types["Moved"]) == EVERY_EVENT
    berths = (Berth.CLOSED, Berth.FREE)
    free = EventRule(Condition(types["Announced"].fields[0], Operator.IN, berths))
    assert rights(ADA).event_filter(types["Announced"]) == free
    assert rights(PILOT).event_filter(types["Sunk"]) == NO_EVENT
    assert rights(OPERATOR).event_filter(types["Sunk"]) == EVERY_EVENT


def test_an_event_that_is_visible_as_a_row_names_the_row_and_who_sees_it() -> None:
    seen = Condition(SHIP.field("owner"), Operator.EQ, "ada")
    [moved] = rights(ADA).event_filter(harbour.events["Moved"]).rows
    assert moved == SameRow("ship", SHIP.key_field, "ship_id", seen)
    assert moved.key_of(Moved(ID, Berth.FREE), "ship-x") == ID
    [left] = rights(ADA).event_filter(harbour.events["Left"]).rows
    assert left == SameRow("ship", SHIP.key_field, None, seen)
    assert left.key_of(Left(), f"ship-{ID}") == ID
    assert rights(NOBODY).event_filter(harbour.events["Left"]) == NO_EVENT
    assert rights(PILOT).event_filter(harbour.events["Left"]) == EVERY_EVENT


def test_resolved_rules_are_keys_that_are_equal_for_viewers_who_see_the_same() -> None:
    for type_ in harbour.events.values():
        found = {rights(viewer).event_filter(type_) for viewer in (ADA, Viewer("ada", frozenset({"other"})))}
        assert len(found) == 1
    assert len({rights(viewer).row_filter(SHIP) for viewer in (ADA, EVE, NOBODY, PILOT, OPERATOR)}) == 4


def test_the_fields_that_a_viewer_does_not_see() -> None:
    for type_ in (SHIP, harbour.events["Registered"], harbour.commands["Register"]):
        assert rights(ADA).hidden(type_) == {"note"}
        assert rights(PILOT).hidden(type_) == rights(OPERATOR).hidden(type_) == set()
    assert rights(ADA).hidden(WRECK) == set()


def test_other_roles_can_be_those_of_operators() -> None:
    chosen = harbour.rights(Viewer("s", frozenset({"staff"})), frozenset({"staff", "root"}))
    assert chosen.is_operator
    assert chosen.row_filter(WRECK) == EVERY_ROW
    assert not harbour.rights(Viewer("s", frozenset({"operator"})), frozenset({"staff"})).is_operator


def test_a_null_is_never_equal_and_no_owner_is_not_nobody() -> None:
    fields = {field.name: field for field in SHIP.fields}
    assert where(note=None).filter(fields, "ship") == NO_ROW
    assert (~where(note=None)).filter(fields, "ship") == EVERY_ROW
    assert where(owner="a\0b").filter(fields, "ship") == NO_ROW  # no field can hold it


def test_an_id_is_compared_with_its_own_text_alone() -> None:
    fields = {field.name: field for field in SHIP.fields}
    found = where(ship_id=str(ID)).filter(fields, "ship")
    assert found == Condition(fields["ship_id"], Operator.EQ, ID)
    for other in (ID.hex, f"{{{ID}}}", f"urn:uuid:{ID}", "ada", f" {ID}"):
        assert where(ship_id=other).filter(fields, "ship") == NO_ROW
    upper = UUID("abcdef00-0000-0000-0000-000000000000")
    assert where(ship_id=str(upper).upper()).filter(fields, "ship") == NO_ROW


def test_conditions_are_combined_with_operators_and_not_with_words() -> None:
    with pytest.raises(TypeError, match="combine conditions with &"):
        _ = where(owner="ada") and where(berth=Berth.FREE)
    with pytest.raises(TypeError, match="needs a field"):
        where()


def test_viewers_are_compared_without_their_claims() -> None:
    assert Viewer("ada", claims={"a": 1}) == Viewer("ada")
    assert hash(Viewer("ada", claims={"a": {}})) == hash(Viewer("ada"))


@dataclass(frozen=True)
class Customer:
    name: str | None
    branches: frozenset[str] = frozenset()


def own_domain() -> Domain:
    """A domain with a viewer of its own."""
    domain = Domain("own")

    @domain.viewer
    def customer(viewer: Viewer) -> Customer:
        return Customer(viewer.subject, frozenset(viewer.claims.get("branches", ())))

    @domain.command(allow=lambda customer, command, state: command.branch in customer.branches and state.open)
    @dataclass(frozen=True)
    class Enter:
        branch: str

    @domain.command(allow=lambda customer: customer)
    @dataclass(frozen=True)
    class Wrong:
        branch: str

    @domain.command(allow=lambda customer: customer.nothing)
    @dataclass(frozen=True)
    class Raising:
        branch: str

    return domain


def test_rules_get_what_the_viewer_function_makes_also_where_the_command_is_decided() -> None:
    domain = own_domain()
    enter = domain.commands["Enter"]
    viewer = Viewer("ada", claims=MappingProxyType({"branches": ["north"], "secret": "x"}))
    found = domain.rights(viewer)
    assert found.own == Customer("ada", frozenset({"north"}))
    assert found.may_submit(enter, enter.cls("north")) is NEEDS_STATE
    sender = found.sender(enter, NEEDS_STATE)
    assert sender.by_state
    assert sender.claims is None, "only what the rules see is stored"
    state = type("State", (), {"open": True})()
    assert domain.may_send(enter, sender, enter.cls("north"), state)
    assert not domain.may_send(enter, sender, enter.cls("south"), state)


def test_claims_travel_if_the_domain_has_no_viewer_of_its_own_and_a_function_sees_them() -> None:
    viewer = Viewer("ada", frozenset({"b", "a"}), {"branches": ["north"]})
    asking, plain = harbour.commands["Leave"], harbour.commands["Sink"]
    sender = rights(viewer).sender(asking, NEEDS_STATE)
    assert (sender.subject, sender.roles, sender.own) == ("ada", ("a", "b"), None)
    assert sender.claims == '{"branches":["north"]}'
    assert rights(viewer).sender(plain, ALLOWED).claims is None


def test_a_rule_that_raises_or_gives_no_bool_allows_nothing() -> None:
    domain = own_domain()
    found = domain.rights(ADA)
    for name, problem in (
        ("Wrong", "the rule of Wrong returned Customer"),
        ("Raising", "raised AttributeError"),
    ):
        type_ = domain.commands[name]
        with pytest.raises(RuleFailed, match=problem):
            found.may_submit(type_, type_.cls("north"))


def test_a_viewer_function_that_raises_gives_no_rights() -> None:
    domain = Domain("raising")

    @domain.viewer
    def raising(viewer: Viewer) -> Customer:
        return Customer(viewer.claims["name"])

    with pytest.raises(RuleFailed, match="the viewer function raising raised KeyError"):
        _ = domain.rights(ADA).own


@dataclass(frozen=True)
class Anything:
    value: Any


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (ID, "would be read back with a difference"),
        (object(), "storing the viewer Anything raised TypeError"),
    ],
    ids=["differs", "no form"],
)
def test_a_viewer_that_would_not_be_read_back_as_it_is_sends_nothing_whose_rule_waits(
    value: Any, problem: str
) -> None:
    domain = Domain("lossy")

    @domain.viewer
    def anything(viewer: Viewer) -> Anything:
        return Anything(value)

    @domain.command(allow=lambda viewer, command, state: True)
    @dataclass(frozen=True)
    class Go:
        place: str

    type_ = domain.commands["Go"]
    found = domain.rights(ADA)
    assert found.may_submit(type_, Go("x")) is NEEDS_STATE
    with pytest.raises(RuleFailed, match=problem):
        found.sender(type_, NEEDS_STATE)


def test_the_types_of_events_are_all_used() -> None:
    assert {Announced, Moved, Registered, Left, Sunk} == set(harbour.event_of)
