"""Which codes a command can be rejected with: found in the source, or declared, and checked in tests."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from commander import DefinitionError, Domain, Rejected
from commander.examples.bank import bank
from commander.testing import given
from tests.domain.refusals import Calm, Declare, Guess, Try, refusals

ONE = UUID(int=1)
WAYS = {
    "literal": "LITERAL",
    "constant": "CONSTANT",
    "either": "EITHER",
    "or": "OR",
    "value": "VALUE",
    "text": "TEXT",
    "own": "TOO_MANY",
    "plain": "PLAIN",
    "of the class": "LIMIT",
    "variable": "VARIABLE",
    "made before": "MADE_BEFORE",
    "not a name": "not a name",
    "method": "METHOD",
    "base": "BASE",
    "helper": "HELPER",
    "deeper": "DEEPER",
    "elsewhere": "ELSEWHERE",
    "static": "STATIC",
}


def test_the_codes_are_found_in_the_decider_and_in_what_it_calls() -> None:
    assert refusals.rejection_codes["Try"].keys() == set(WAYS.values())


@pytest.mark.parametrize("how", WAYS)
def test_each_of_them_is_raised(how: str) -> None:
    given().when(Try(ONE, how)).then(Rejected(WAYS[how]))


def test_a_code_is_described_by_the_message_that_it_is_raised_with() -> None:
    codes = refusals.rejection_codes["Try"]
    assert (codes["LITERAL"], codes["TOO_MANY"]) == ("the plain way", "… is too many")
    assert (codes["DEEPER"], codes["CONSTANT"]) == ("found two calls deep", "")


def test_the_bank_has_these() -> None:
    expected = {
        "OpenAccount": {"ACCOUNT_EXISTS"},
        "Deposit": {"ACCOUNT_NOT_FOUND", "ACCOUNT_CLOSED"},
        "Withdraw": {"ACCOUNT_NOT_FOUND", "ACCOUNT_CLOSED", "INSUFFICIENT_FUNDS"},
        "CloseAccount": {"ACCOUNT_NOT_FOUND", "ACCOUNT_CLOSED", "BALANCE_NOT_ZERO"},
        "RequestTransfer": {"TRANSFER_EXISTS", "SAME_ACCOUNT"},
    }
    public = {name for name, type_ in bank.commands.items() if not type_.internal}
    assert {name: set(bank.rejection_codes[name]) for name in public} == expected


def test_a_hook_adds_its_codes_to_its_commands() -> None:
    assert refusals.rejection_codes["Calm"].keys() == {"VETO"}
    given().when(Calm(UUID(int=0))).then(Rejected("VETO"))


def test_a_code_that_is_neither_found_nor_declared_fails_the_test_and_says_what_to_write() -> None:
    assert refusals.rejection_codes["Guess"].keys() == set()
    with pytest.raises(AssertionError, match=r'GUESSED, which is not among .*rejects=\("GUESSED",\)'):
        given().when(Guess(ONE))


def test_declared_codes_count_and_no_other() -> None:
    assert refusals.rejection_codes["Declare"].keys() == {"FIRST", "SECOND"}
    given().when(Declare(ONE, "SECOND")).then(Rejected("SECOND"))
    with pytest.raises(AssertionError, match=r'rejects=\("FIRST", "SECOND", "THIRD",\)'):
        given().when(Declare(ONE, "THIRD"))


def test_a_decider_that_raises_what_is_not_declared_is_an_error_of_the_domain() -> None:
    domain = Domain("wrong")

    @domain.event
    @dataclass(frozen=True)
    class Begun:
        thing_id: UUID

    @domain.command(rejects=("DECLARED",))
    @dataclass(frozen=True)
    class Begin:
        thing_id: UUID

    @domain.aggregate(key="thing_id")
    @dataclass(frozen=True)
    class Thing:
        def begin(self, command: Begin) -> Begun:
            raise Rejected("OTHER")

        def begun(self, event: Begun) -> Any:
            return self

    with pytest.raises(DefinitionError, match="Begin: its decider raises OTHER, which `rejects` does not"):
        domain.check()


@pytest.mark.parametrize(("rejects", "said"), [("CODE", "with a comma"), (("no name",), "may have letters")])
def test_a_declaration_is_checked(rejects: Any, said: str) -> None:
    with pytest.raises(DefinitionError, match=said):

        @Domain("wrong").command(rejects=rejects)
        class Begin:
            thing_id: UUID
