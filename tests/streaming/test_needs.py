"""What a decision needs, found once for each command: the command too, if nothing can change it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from commander import Domain
from commander.eventstore.records import Decision
from commander.streaming.commands.basis import Across, Basis
from commander.streaming.commands.deciding import decide
from commander.streaming.commands.key_holders import KeyHolders
from commander.streaming.commands.models import Models
from commander.streaming.commands.needs import needs_of
from commander.streaming.commands.stream_states import initial_state
from tests.streaming.conftest import submitted

ONE, TWO = UUID(int=1), UUID(int=2)
desks = Domain("desks")


@desks.command
@dataclass(frozen=True)
class Swap:
    one: UUID
    other: UUID


@desks.command
@dataclass(frozen=True)
class Share:
    one: UUID
    other: UUID
    names: list[str]


@desks.event
@dataclass(frozen=True)
class Given:
    desk_id: UUID
    name: str = ""


@desks.aggregate(key="desk_id")
@dataclass(frozen=True)
class Desk:
    name: str = ""

    def given(self, event: Given) -> Desk:
        return Desk(event.name)


@desks.decider(one="one", other="other")
def swap(command: Swap, one: Desk, other: Desk) -> tuple[Given, Given]:
    return Given(command.one, other.name), Given(command.other, one.name)


@desks.decider(one="one", other="other")
def share(command: Share, one: Desk, other: Desk) -> tuple[Given, Given]:
    return Given(command.one, command.names.pop()), Given(command.other, command.names.pop())


desks.check()


def test_a_decider_that_changes_its_command_is_given_it_unchanged_each_time() -> None:
    command = submitted(Share(ONE, TWO, ["Ada", "Bob"]), desks)
    states = {stream: initial_state(desks, stream) for stream in needs_of(desks, command).streams}
    basis = Basis(desks, Across(), states, KeyHolders(), Models(desks))

    def decided() -> Decision:
        return decide(desks, command, states[command.stream], datetime.now(UTC), basis)[0]

    first = decided()
    basis.undo()
    assert [event.data for event in decided().events] == [event.data for event in first.events]
    assert len(first.events) == 2


def test_a_command_that_nothing_can_change_is_decoded_once() -> None:
    assert needs_of(desks, submitted(Swap(ONE, TWO), desks)).instance == Swap(ONE, TWO)
