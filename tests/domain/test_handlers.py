"""What aggregates and reactors do with a domain's methods."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from commander import BigInt, CommandContext, Domain, ReactionRejected
from commander.domain import InvalidCommand, InvalidDecision
from commander.domain.aggregates import MAX_STREAM_BYTES
from tests.domain.shop import Elsewhere, Open, Opened, add_account

ID = UUID(int=7)
NOW = datetime(2000, 1, 1, tzinfo=UTC)
CONTEXT = CommandContext(uuid4(), uuid4(), NOW, "ada")


def deciding(domain: Domain, answer: Callable[[], Any]) -> tuple[Any, ...]:
    """What an aggregate makes of Open whose decider returns this answer."""

    @domain.aggregate(key="account_id")
    class Account:
        def open(self, command: Open) -> Any:
            return answer()

        def was_opened(self, event: Opened) -> Any:
            return self

    aggregate = domain.aggregates["account"]
    return aggregate.decide(aggregate.initial(), Open(ID), lambda: CONTEXT)


def yielding() -> Iterator[Opened]:
    yield Opened(ID)
    yield Opened(ID)


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        (lambda: None, 0),
        (lambda: Opened(ID), 1),
        (lambda: [Opened(ID), Opened(ID)], 2),
        (lambda: (), 0),
        (yielding, 2),
    ],
)
def test_a_decider_answers_with_none_one_or_many_events(
    domain: Domain, answer: Callable[[], Any], count: int
) -> None:
    assert deciding(domain, answer) == (Opened(ID),) * count


@dataclass(frozen=True)
class OpenedTwice(Opened):
    pass


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ("Opened", "str"),
        (b"Opened", "bytes"),
        (5, "int"),
        (Open(ID), "Open"),
        ([Opened(ID), Elsewhere(ID)], "Elsewhere"),
        ([Opened(ID), None], "NoneType"),
        (OpenedTwice(ID), "OpenedTwice"),
        ({"account_id": ID}, "str"),
        (Opened, "type"),
    ],
    ids=repr,
)
def test_a_decider_that_answers_with_something_else_is_named(domain: Domain, answer: Any, named: str) -> None:
    with pytest.raises(
        InvalidDecision, match=rf"^Account\.open returned {named}, which is not an event of its aggregate$"
    ):
        deciding(domain, lambda: answer)


def test_a_decider_cannot_make_an_event_that_could_not_be_read_back() -> None:
    domain = Domain("shop")
    domain.command(Open)

    @domain.event
    @dataclass(frozen=True)
    class Paid:
        account_id: UUID
        amount: Decimal
        moment: datetime

    @domain.aggregate(key="account_id")
    class Account:
        def open(self, command: Open) -> Paid:
            return Paid(command.account_id, Decimal("NaN"), datetime(2000, 1, 1))

        def paid(self, event: Paid) -> Any:
            return self

    with pytest.raises(InvalidDecision) as caught:
        domain.aggregates["account"].decide(Account(), Open(ID), lambda: CONTEXT)
    assert str(caught.value) == (
        "Account.open returned Paid with "
        "amount: must be a finite number, got NaN; moment: must have a time zone"
    )


def test_a_decider_that_asks_for_it_is_given_the_context(domain: Domain) -> None:
    seen = []

    @domain.aggregate(key="account_id")
    class Account:
        def open(self, command: Open, context: CommandContext) -> None:
            seen.append(context)

        def was_opened(self, event: Opened) -> Any: ...

    domain.aggregates["account"].decide(Account(), Open(ID), lambda: CONTEXT)
    assert seen == [CONTEXT]


def test_an_aggregate_folds_its_events_from_the_initial_state(domain: Domain) -> None:
    add_account(domain)
    aggregate = domain.aggregates["account"]
    assert aggregate.fold([]) == aggregate.initial() == aggregate.cls()
    assert aggregate.fold([Opened(ID)]) == aggregate.cls(opened=True)
    assert domain.aggregate_of_command("Open") is domain.aggregate_of_event("Opened") is aggregate


def test_helpers_and_methods_without_parameters_are_no_handlers(domain: Domain) -> None:
    @domain.aggregate(key="account_id")
    class Account:
        def open(self, command: Open) -> None: ...
        def was_opened(self, event: Opened) -> Any: ...
        def is_fine(self) -> bool:
            return True

        def charge(self, amount: Decimal) -> Decimal:
            return amount

        def _must_be_fine(self, unannotated):  # type: ignore[no-untyped-def]
            return unannotated

        @property
        def fine(self) -> bool:
            return True

        class Inner:
            def open(self, command: Open) -> None: ...

    aggregate = domain.aggregates["account"]
    assert (set(aggregate.deciders), set(aggregate.evolvers)) == ({Open}, {Opened})


@pytest.mark.parametrize(
    ("hint", "key", "stream"),
    [
        (UUID, ID, f"account-{ID}"),
        (str, "a-b.c ü", "account-a-b.c ü"),
        (str, "", "account-"),
        (int, -5, "account--5"),
        (BigInt, 2**62, f"account-{2**62}"),
        (date, date(2000, 1, 2), "account-2000-01-02"),
    ],
    ids=str,
)
def test_the_key_of_a_command_names_its_stream(hint: Any, key: Any, stream: str) -> None:
    assert stream_of(hint, key) == stream


def stream_of(hint: Any, key: Any) -> str:
    domain = Domain("shop")

    @domain.command
    @dataclass(frozen=True)
    class Close:
        account_id: hint

    @domain.aggregate(key="account_id")
    class Account:
        def close(self, command: Close) -> None: ...

    return domain.aggregate_of_command("Close").stream_of(Close(key))


@pytest.mark.parametrize("letter", ["a", "ü", "🏦"])
def test_a_key_too_long_for_a_stream_is_invalid_input(letter: str) -> None:
    longest = (MAX_STREAM_BYTES - len("account-")) // len(letter.encode())
    assert stream_of(str, letter * longest) == f"account-{letter * longest}"
    with pytest.raises(InvalidCommand, match="account_id: must have at most 492 bytes as UTF-8"):
        stream_of(str, letter * (longest + 1))


def test_a_reactor_answers_with_none_one_or_many_commands(domain: Domain) -> None:
    @domain.reactor
    class Clerk:
        def opened(self, event: Opened) -> list[Open] | Open | None:
            return {0: None, 1: Open(ID), 2: [Open(ID), Open(ID)]}[event.account_id.int]

        def refused(self, refusal: ReactionRejected[Open]) -> Open:
            return refusal.command

    def sent(trigger: Any) -> tuple[Any, ...] | None:
        reaction = domain.reactors["clerk"].react(None, trigger)
        return None if reaction is None else reaction.commands

    assert [sent(Opened(UUID(int=n))) for n in range(3)] == [(), (Open(ID),), (Open(ID), Open(ID))]
    assert sent(ReactionRejected(Open(ID), "NO", "")) == (Open(ID),)
    assert sent(Elsewhere(ID)) is None
    assert sent(ReactionRejected(Elsewhere(ID), "NO", "")) is None


@pytest.mark.parametrize("answer", ["Open", 5, [5], Elsewhere(ID)], ids=repr)
def test_a_reactor_that_answers_with_something_else_is_named(domain: Domain, answer: Any) -> None:
    @domain.reactor
    class Clerk:
        def opened(self, event: Opened) -> Any:
            return answer

    with pytest.raises(InvalidDecision, match=r"^the reactor clerk returned \w+, which is not a command$"):
        domain.reactors["clerk"].react(None, Opened(ID))


def test_the_type_of_a_message_is_found_in_its_own_domain_only(domain: Domain) -> None:
    assert domain.type_of(Open(ID)) is domain.commands["Open"]
    assert domain.type_of(Opened(ID)) is domain.events["Opened"]
    for message in (Elsewhere(ID), 5, Open):
        with pytest.raises(TypeError, match="is not an event or a command of the domain shop"):
            domain.type_of(message)
    with pytest.raises(TypeError):
        Domain("other").type_of(Open(ID))
