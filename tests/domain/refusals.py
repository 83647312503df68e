"""The codes of rejections, written in each way that is found in a decider's source."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any
from uuid import UUID

from commander import Domain, Rejected
from tests.domain import refusing_rules

refusals = Domain("refusals")
CONSTANT = "CONSTANT"


class Code(Enum):
    VALUE = "VALUE"


class TextCode(StrEnum):
    TEXT = "TEXT"


class TooMany(Rejected):
    """A rejection with a class of its own."""

    def __init__(self, count: int) -> None:
        super().__init__("TOO_MANY", f"{count} is too many")


class Plain(Rejected):
    pass


@refusals.event
@dataclass(frozen=True)
class Tried:
    thing_id: UUID


def helper(how: str) -> None:
    if how == "helper":
        raise Rejected("HELPER", "found in a function that the decider calls")
    deeper(how)


def deeper(how: str) -> None:
    if how == "deeper":
        raise Rejected(code="DEEPER", message="found two calls deep")
    if how == "loop":
        helper(how)


@refusals.command
@dataclass(frozen=True)
class Try:
    thing_id: UUID
    how: str = ""


@refusals.command
@dataclass(frozen=True)
class Guess:
    thing_id: UUID
    code: str = "GUESSED"


@refusals.command(rejects=("FIRST", "SECOND"))
@dataclass(frozen=True)
class Declare:
    thing_id: UUID
    code: str = "FIRST"


@refusals.command
@dataclass(frozen=True)
class Calm:
    thing_id: UUID


class Base:
    def _in_a_base_class(self, how: str) -> None:
        if how == "base":
            raise Rejected("BASE")


@refusals.aggregate(key="thing_id")
@dataclass(frozen=True)
class Thing(Base):
    LIMIT = "LIMIT"

    def attempt(self, command: Try) -> Tried:
        how = command.how
        if how == "literal":
            raise Rejected("LITERAL", "the plain way")
        if how == "constant":
            raise Rejected(CONSTANT)
        if how in ("either", "or"):
            raise Rejected("EITHER" if how == "either" else "OR")
        if how == "value":
            raise Rejected(Code.VALUE.value)
        if how == "text":
            raise Rejected(TextCode.TEXT)
        if how == "own":
            raise TooMany(3)
        if how == "plain":
            raise Plain("PLAIN")
        if how == "of the class":
            raise Rejected(self.LIMIT)
        if how == "variable":
            code = "VARIABLE"
            raise Rejected(code)
        if how == "made before":
            error = Rejected("MADE_BEFORE")
            raise error
        if how == "not a name":
            raise Rejected("not a name")
        self._method(how)
        self._in_a_base_class(how)
        helper(how)
        refusing_rules.elsewhere(how)
        if self.is_refused(how):
            raise AssertionError("not reached")
        return Tried(command.thing_id)

    def guess(self, command: Guess) -> Tried:
        raise Rejected(command.code)

    def declare(self, command: Declare) -> Tried:
        raise Rejected(command.code)

    def calm(self, command: Calm) -> Tried:
        return Tried(command.thing_id)

    def tried(self, event: Tried) -> Thing:
        return self

    def _method(self, how: str) -> None:
        if how == "method":
            raise Rejected("METHOD")

    @staticmethod
    def is_refused(how: str) -> bool:
        if how == "static":
            raise Rejected("STATIC")
        return False


@refusals.after_decide(Calm)
def veto(command: Calm, decision: Any) -> None:
    if command.thing_id == UUID(int=0):
        raise Rejected("VETO")
