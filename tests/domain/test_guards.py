"""Guards: methods of an aggregate that refuse commands by the state alone, before the decider."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from commander import CommandContext, Domain, Origin, Rejected, guards
from commander.domain import InvalidDecision, RuleFailed
from commander.testing import given
from tests.domain.shop import Open, Opened
from tests.domain.tickets import (
    AnswerTicket,
    CloseTicket,
    ExpireTicket,
    PurgeTicket,
    TicketAnswered,
    TicketClosed,
    TicketOpened,
    tickets,
)

ID = UUID(int=2)
OPENED, ANSWERED, CLOSED = TicketOpened(ID, "ada"), TicketAnswered(ID, "try again"), TicketClosed(ID)


def test_a_guard_refuses_each_of_its_commands_before_the_decider() -> None:
    for command in (AnswerTicket(ID), CloseTicket(ID)):
        given().when(command).then(Rejected("TICKET_NOT_FOUND", "there is no such ticket"))
        given(OPENED, CLOSED).when(command).then(Rejected("TICKET_CLOSED", "the ticket is closed"))
    given(OPENED).when(AnswerTicket(ID)).then(Rejected("EMPTY"))
    given(OPENED).when(AnswerTicket(ID, "yes")).then(TicketAnswered(ID, "yes"))


def test_the_guards_of_a_command_run_in_the_order_of_the_source() -> None:
    given(OPENED, CLOSED).when(CloseTicket(ID)).then(Rejected("TICKET_CLOSED"))
    given(OPENED).when(CloseTicket(ID)).then(Rejected("UNANSWERED"))
    given(OPENED, ANSWERED).when(CloseTicket(ID)).then(CLOSED)


def test_a_command_that_no_guard_names_passes() -> None:
    given(OPENED, CLOSED).when(PurgeTicket(ID)).then(CLOSED)


def test_guards_hold_for_what_the_system_sends() -> None:
    given(OPENED, CLOSED).when(ExpireTicket(ID), origin=Origin.REACTOR).then(Rejected("TICKET_CLOSED"))


def test_the_codes_of_guards_are_codes_of_the_command() -> None:
    assert tickets.rejection_codes["OpenTicket"] == {"TICKET_EXISTS": "the ticket was opened before"}
    assert tickets.rejection_codes["CloseTicket"].keys() == {
        "TICKET_NOT_FOUND",
        "TICKET_CLOSED",
        "UNANSWERED",
    }
    assert tickets.rejection_codes["AnswerTicket"].keys() == {"EMPTY", "TICKET_NOT_FOUND", "TICKET_CLOSED"}


class Guarded:
    """A domain with one guard, which does what `act` says."""

    def __init__(self, domain: Domain, act: Any, seen: list[Any]) -> None:

        @domain.aggregate(key="account_id")
        @dataclass(frozen=True)
        class Account:
            @guards(Open)
            def is_new(self) -> None:
                act(self)

            def decide(self, command: Open) -> Opened:
                seen.append(command)
                return Opened(command.account_id)

            def evolve(self, event: Opened) -> "Account":
                return self

        self.aggregate = domain.aggregates["account"]
        self.guard = self.aggregate.guards[Open][0]


def test_after_a_refusal_the_decider_does_not_run(domain: Domain) -> None:
    def refuse(state: Any) -> None:
        raise Rejected("NO")

    seen: list[Any] = []
    Guarded(domain, refuse, seen)
    heard: list[Any] = []

    @domain.after_decide
    def hear(command: Any, decision: tuple[Any, ...] | Rejected, context: CommandContext) -> None:
        heard.append(decision)

    given().when(Open(ID)).then(Rejected("NO"))
    assert seen == []
    assert [one.code for one in heard] == ["NO"], "a hook hears of it as of a decider's"


def test_a_guard_that_fails_is_no_refusal(domain: Domain) -> None:
    def fail(state: Any) -> None:
        raise ZeroDivisionError("by zero")

    made = Guarded(domain, fail, [])
    with pytest.raises(ZeroDivisionError):
        given().when(Open(ID))
    with pytest.raises(RuleFailed, match=r"the guard Account.is_new raised ZeroDivisionError: by zero"):
        made.guard.refusal(made.aggregate.initial())


def test_a_guard_that_returns_a_value_fails_the_command(domain: Domain) -> None:
    made = Guarded(domain, lambda state: None, [])
    returning = type(made.guard)("Account.is_new", lambda state: False, made.guard.where)
    with pytest.raises(InvalidDecision, match=r"Account.is_new returned False; a guard returns None, or"):
        returning(made.aggregate.initial())
