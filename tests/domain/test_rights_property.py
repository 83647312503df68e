"""Random rules, viewers and rows: what a resolved rule shows is what an oracle of a few lines says.

`where` in SQL finds what it finds in memory: tests/eventstore/test_queries.py.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from enum import Enum
from itertools import product
from typing import Any
from uuid import UUID

from commander import Domain, Viewer, any_of, anyone, one_of, same_as, where
from commander.domain import Verdict
from commander.domain.filters import matches
from commander.domain.rules import command_rule, event_rule, row_rule

CASES = int(os.environ.get("COMMANDER_FUZZ_RIGHTS", "100000"))
ROLES = ("teller", "auditor", "clerk")
SUBJECTS = (None, "ada", "eve", str(UUID(int=1)))


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


VALUES: dict[str, tuple[Any, ...]] = {
    "owner": ("ada", "eve", str(UUID(int=1))),
    "helper": (None, "ada", "eve"),
    "owner_id": (UUID(int=1), UUID(int=2)),
    "colour": tuple(Colour),
    "level": (0, 1, 2),
}


@dataclass(frozen=True)
class Thing:
    thing_id: UUID
    owner: str
    helper: str | None
    owner_id: UUID
    colour: Colour
    level: int


class Made:
    """A rule as an author writes it, and the oracle: whether a viewer sees a row."""

    def __init__(self, rule: Any, oracle: Any) -> None:
        self.rule = rule
        self.oracle = oracle


def a_condition(dice: random.Random, depth: int) -> Made:
    """Of `where`: rule and oracle take (viewer) and (viewer, row)."""
    kind = dice.randrange(6 if depth else 3)
    if kind == 0:
        name = dice.choice(("owner", "helper", "owner_id"))
        return Made(
            lambda viewer: where(**{name: viewer.subject}),
            lambda viewer, row: (
                viewer.subject is not None
                and str(getattr(row, name)) == viewer.subject
                and getattr(row, name) is not None
            ),
        )
    if kind == 1:
        name = dice.choice(tuple(VALUES))
        value = dice.choice(VALUES[name])
        return Made(
            lambda viewer: where(**{name: value}),
            lambda viewer, row: value is not None and getattr(row, name) == value,
        )
    if kind == 2:
        name = dice.choice(tuple(VALUES))
        values = dice.sample(VALUES[name], dice.randrange(len(VALUES[name]) + 1))
        return Made(
            lambda viewer: where(**{name: one_of(*values)}),
            lambda viewer, row: getattr(row, name) is not None and getattr(row, name) in values,
        )
    left, right = a_condition(dice, depth - 1), a_condition(dice, depth - 1)
    if kind == 3:
        return Made(
            lambda v: left.rule(v) & right.rule(v),
            lambda v, row: left.oracle(v, row) and right.oracle(v, row),
        )
    if kind == 4:
        return Made(
            lambda v: left.rule(v) | right.rule(v), lambda v, row: left.oracle(v, row) or right.oracle(v, row)
        )
    return Made(lambda v: ~left.rule(v), lambda v, row: not left.oracle(v, row))


def a_rule(dice: random.Random, depth: int = 2) -> Made:
    """Of a projection."""
    match dice.randrange(12):
        case 0:
            return Made(anyone, lambda viewer, row: True)
        case 1:
            return Made(None, lambda viewer, row: False)
        case 2 | 3:
            roles = frozenset(dice.sample(ROLES, dice.randrange(3)))
            return Made(roles, lambda viewer, row: bool(roles & viewer.roles))
        case 4:
            answer = dice.random() < 0.5
            return Made(lambda viewer: answer, lambda viewer, row: answer)
        case 5 | 6 if depth:
            parts = [part for part in (a_rule(dice, depth - 1) for _ in range(3)) if part.rule is not None]
            if parts:
                rule = any_of(*(part.rule for part in parts))
                return Made(rule, lambda viewer, row: any(part.oracle(viewer, row) for part in parts))
    return a_condition(dice, depth)


def a_viewer(dice: random.Random) -> Viewer:
    roles = dice.sample((*ROLES, "operator", "other"), dice.randrange(3))
    return Viewer(dice.choice(SUBJECTS), frozenset(roles))


def a_thing(dice: random.Random) -> Thing:
    return Thing(UUID(int=9), *(dice.choice(values) for values in VALUES.values()))


EVERY_THING = [Thing(UUID(int=9), *values) for values in product(*VALUES.values())]
things = Domain("things")


@things.event
@dataclass(frozen=True)
class Added:
    thing_id: UUID


@things.event
@dataclass(frozen=True)
class Changed(Thing):
    """It has all that a row has."""


@things.projection("thing", key="thing_id")
@dataclass(frozen=True)
class ThingRow(Thing):
    @classmethod
    def added(cls, event: Added) -> Any: ...


def test_a_viewer_sees_the_rows_that_the_rule_says_and_no_others() -> None:
    dice = random.Random(18)
    projection = things.projections["thing"]
    left, seen = CASES, 0
    while left > 0:
        made = a_rule(dice)
        rule = row_rule(made.rule, projection.fields, "here:1", "thing")
        object.__setattr__(projection, "visible", rule)
        for _ in range(10):
            viewer = a_viewer(dice)
            rights = things.rights(viewer)
            for _ in range(10):
                row = a_thing(dice)
                expected = "operator" in viewer.roles or made.oracle(viewer, row)
                assert rights.sees_row(projection, row) is expected, (
                    viewer,
                    row,
                    rights.row_filter(projection),
                )
                seen += expected
                left -= 1
    assert CASES * 0.2 < seen < CASES * 0.8


def an_event_rule(dice: random.Random) -> Made:
    """Of an event, also by the row with its key. The oracle takes (viewer, event, the row or None)."""
    own = a_rule(dice)
    if own.rule is None or dice.random() < 0.5:
        return Made(own.rule, lambda viewer, event, sees_row: own.oracle(viewer, event))
    rule = any_of(same_as("thing"), own.rule)
    return Made(rule, lambda viewer, event, sees_row: own.oracle(viewer, event) or sees_row)


def test_a_viewer_sees_the_events_that_the_rule_and_the_row_say_and_no_others() -> None:
    dice = random.Random(20)
    projection, type_ = things.projections["thing"], things.events["Changed"]
    seen = by_row = 0
    for _ in range(CASES // 50):
        rows, events = a_rule(dice), an_event_rule(dice)
        object.__setattr__(projection, "visible", row_rule(rows.rule, projection.fields, "here:1", "thing"))
        object.__setattr__(type_, "visible", event_rule(events.rule, type_.fields, "here:1", "Changed"))
        for _ in range(10):
            viewer, event = a_viewer(dice), a_thing(dice)
            row = None if dice.random() < 0.2 else a_thing(dice)
            rule = things.rights(viewer).event_filter(type_)
            found = matches(rule.own, event)
            for same in rule.rows:
                assert (same.projection, same.key_of(event, "thing-x")) == ("thing", event.thing_id)
                if row is not None and matches(same.filter, row) and not found:
                    found, by_row = True, by_row + 1
            sees_row = row is not None and rows.oracle(viewer, row)
            expected = "operator" in viewer.roles or events.oracle(viewer, event, sees_row)
            if (
                row is None and found and not expected
            ):  # who sees every row sees the events of one that is gone
                assert all(rows.oracle(viewer, thing) for thing in EVERY_THING)
                continue
            assert found is expected, (viewer, event, row, rule)
            seen += expected
    assert CASES * 0.03 < seen < CASES * 0.18
    assert by_row > CASES * 0.002


def a_command_rule(dice: random.Random, depth: int = 2) -> Made:
    """Of a command: rule and oracle take (viewer, command, state)."""
    match dice.randrange(8):
        case 0:
            return Made(anyone, lambda viewer, command, state: True)
        case 1:
            roles = frozenset(dice.sample(ROLES, dice.randrange(3)))
            return Made(roles, lambda viewer, command, state: bool(roles & viewer.roles))
        case 2:
            return Made(
                lambda viewer: viewer.subject is not None,
                lambda viewer, command, state: viewer.subject is not None,
            )
        case 3:
            return Made(
                lambda viewer, command: command.owner == viewer.subject,
                lambda viewer, command, state: command.owner == viewer.subject,
            )
        case 4 | 5 if depth:
            parts = [a_command_rule(dice, depth - 1) for _ in range(1 + dice.randrange(3))]
            rule = any_of(*(part.rule for part in parts))
            return Made(rule, lambda v, c, s: any(part.oracle(v, c, s) for part in parts))
    return Made(
        lambda viewer, command, state: state.owner == viewer.subject,
        lambda viewer, command, state: state.owner == viewer.subject,
    )


@things.command
@dataclass(frozen=True)
class Change:
    thing_id: UUID
    owner: str


def test_a_command_is_allowed_by_the_rule_before_or_where_it_is_decided() -> None:
    dice = random.Random(19)
    type_ = things.commands["Change"]
    allowed = waited = 0
    for _ in range(CASES // 10):
        made = a_command_rule(dice)
        object.__setattr__(type_, "allow", command_rule(made.rule, "here:1", "Change"))
        viewer, state = a_viewer(dice), a_thing(dice)
        command = Change(UUID(int=1), dice.choice(VALUES["owner"]))
        rights = things.rights(viewer)
        verdict = rights.may_submit(type_, command)
        expected = made.oracle(viewer, command, state)
        decided = things.may_send(type_, rights.sender(type_, verdict), command, state)
        assert decided is expected, "who decides the command knows the whole rule"
        if verdict is Verdict.NEEDS_STATE:
            waited += 1
        else:
            assert (verdict is Verdict.ALLOWED) is expected
        allowed += expected
    assert CASES * 0.02 < allowed < CASES * 0.09
    assert waited > CASES * 0.01
