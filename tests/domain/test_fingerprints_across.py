"""The fingerprints of unique keys, and what deciders over several states and decision models reach."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest

from commander.domain import Domain
from tests.domain.school import school
from tests.imported import on_path, written

SCHOOL = {
    "__init__": "",
    "domain": """
from dataclasses import dataclass, replace
from typing import Annotated
from commander import Domain, Found, Tag, Unique, by
from college.rules import allowed, counted
from college.words import folded

college = Domain("college")


@college.event
@dataclass(frozen=True)
class Joined:
    student_id: str
    course: Annotated[str, Tag()]


@college.command
@dataclass(frozen=True)
class Join:
    student_id: str
    course: str


@college.command
@dataclass(frozen=True)
class Follow:
    student_id: str
    friend: str


@college.aggregate(
    key="student_id",
    unique=(
        Unique("email", normalise=folded),
        Unique("phones", keys=lambda student: student.phones, normalise=str.strip),
        "name",
    ),
)
@dataclass(frozen=True)
class Student:
    email: str | None = None
    phones: tuple[str, ...] = ()
    name: str | None = None

    def joined(self, event: Joined) -> "Student":
        return replace(self, name=event.course)


@college.decision_model(tags=("course",))
@dataclass(frozen=True)
class Seats:
    taken: int = 0

    def joined(self, event: Joined) -> "Seats":
        return counted(self)


@college.decider()
def join(command: Join, student: Student, seats: Seats) -> Joined:
    allowed(seats)
    return Joined(command.student_id, command.course)


@college.decider(friend=by("email", "friend"))
def follow(command: Follow, student: Student, friend: Found[Student] | None) -> Joined:
    return Joined(command.student_id, friend.state.name)
""",
    "rules": """
LIMIT = 5


def allowed(seats):
    assert seats.taken < LIMIT


def counted(seats):
    return type(seats)(seats.taken + 1)
""",
    "words": """
def folded(text):
    return text.casefold()
""",
}
RULES = {"student.email", "student.phones", "student.name"}
ALL = {*RULES, "aggregate", "domain"}


def prints_of(domain: Domain) -> Mapping[str, str]:
    rules = {name: domain.fingerprint_of_rule(rule) for name, rule in domain.unique_rules.items()}
    aggregate = domain.fingerprint_of(domain.aggregates["student"])
    return {**rules, "aggregate": aggregate, "domain": domain.code.fingerprint}


def prints(folder: Path, *changes: tuple[str, str, str]) -> Mapping[str, str]:
    files = dict(SCHOOL)
    for module, before, after in changes:
        assert before in files[module]
        files[module] = files[module].replace(before, after)
    with on_path(written(folder, {f"college/{name}.py": source for name, source in files.items()})):
        return prints_of(import_module("college.domain").college)


CHANGES: dict[str, tuple[str, str, str, set[str]]] = {
    "what a decider calls": ("rules", "seats.taken < LIMIT", "seats.taken <= LIMIT", {"domain"}),
    "a constant that it reaches": ("rules", "LIMIT = 5", "LIMIT = 6", {"domain"}),
    "a decider": ("domain", "    allowed(seats)\n", "", {"domain"}),
    "where a decider's key is": ("domain", "decider()", 'decider(student="course")', {"domain"}),
    "where a model's tag is": ("domain", "decider()", 'decider(seats="student_id")', {"domain"}),
    "the key by which a decider finds a state": ("domain", 'by("email", "fr', 'by("name", "fr', {"domain"}),
    "the field with that key": ("domain", '"email", "friend"', '"email", "student_id"', {"domain"}),
    "what a model calls": ("rules", "seats.taken + 1", "seats.taken + 2", {"domain"}),
    "a field of a model": ("domain", "taken: int = 0", "taken: int = 1", {"domain"}),
    "the function that normalises": ("words", "casefold", "lower", {"student.email", "domain"}),
    "a library's function": ("domain", "str.strip", "str.lstrip", {"student.phones", "domain"}),
    "the fields of a key": ("domain", '        "name",\n', '        ("name", "email"),\n', {"domain"}),
    "an event of the states": ("domain", "course: Annotated[str,", "course: Annotated[str | None,", ALL),
    "the class of the states": ("domain", "name=event.course", "name=None", ALL),
}


@pytest.mark.parametrize("change", CHANGES)
def test_they_change_with_what_is_reached(tmp_path: Path, change: str) -> None:
    module, before, after, changed = CHANGES[change]
    old, new = prints(tmp_path / "old"), prints(tmp_path / "new", (module, before, after))
    assert {name for name in old if name in new and old[name] != new[name]} == changed


def test_the_same_code_has_the_same_fingerprints_in_another_place(tmp_path: Path) -> None:
    assert prints(tmp_path / "old") == prints(tmp_path / "new")


def test_the_functions_of_python_are_no_code_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    assert len(set(prints_of(school).values())) == 4
    assert "cannot be read" not in caplog.text


def test_a_domain_without_such_rules_keeps_its_fingerprint(tmp_path: Path) -> None:
    """A new release of Commander is no new code of the domain: it would be taken for a deployment."""
    plain = """
from dataclasses import dataclass
from commander import Domain

plain = Domain("plain")


@plain.event
@dataclass(frozen=True)
class Opened:
    account_id: str


@plain.command
@dataclass(frozen=True)
class Open:
    account_id: str


@plain.aggregate(key="account_id")
@dataclass(frozen=True)
class Account:
    def open(self, command: Open) -> Opened:
        return Opened(command.account_id)

    def opened(self, event: Opened) -> "Account":
        return self
"""
    with on_path(written(tmp_path, {"plain_domain.py": plain})):
        domain = import_module("plain_domain").plain
        assert domain.code.fingerprint == "cf6c7ab2"
        assert domain.fingerprint_of(domain.aggregates["account"]) == "2efaa472"
