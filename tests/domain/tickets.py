"""A domain with guards, and with rules that need more or less of a command: tickets of a help desk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from commander import Domain, Rejected, Viewer, any_of, anyone, guards, where

tickets = Domain("tickets")


def opens_its_own(viewer: Viewer, command: OpenTicket) -> bool:
    return viewer.subject == command.owner


def owns(viewer: Viewer, command: object, state: Ticket) -> bool:
    return viewer.subject is not None and state.owner == viewer.subject


def gives_away_its_own(viewer: Viewer, command: GiveTicket, state: Ticket) -> bool:
    return state.owner == viewer.subject and command.owner != viewer.subject


def is_not_the_first(viewer: Viewer, command: RateTicket) -> bool:
    return command.ticket_id != UUID(int=1)


@tickets.command(allow=opens_its_own)
@dataclass(frozen=True)
class OpenTicket:
    ticket_id: UUID
    owner: str


@tickets.command(allow={"agent"})
@dataclass(frozen=True)
class AnswerTicket:
    ticket_id: UUID
    text: str = ""


@tickets.command(allow=any_of({"agent"}, owns))
@dataclass(frozen=True)
class CloseTicket:
    ticket_id: UUID


@tickets.command(allow=gives_away_its_own)
@dataclass(frozen=True)
class GiveTicket:
    ticket_id: UUID
    owner: str


@tickets.command(allow=is_not_the_first)
@dataclass(frozen=True)
class RateTicket:
    ticket_id: UUID
    stars: int = 5


@tickets.command
@dataclass(frozen=True)
class PurgeTicket:
    """Without a rule: for operators."""

    ticket_id: UUID


@tickets.command(internal=True)
@dataclass(frozen=True)
class ExpireTicket:
    ticket_id: UUID


@tickets.event(visible=anyone)
@dataclass(frozen=True)
class TicketOpened:
    ticket_id: UUID
    owner: str


@tickets.event(visible=anyone)
@dataclass(frozen=True)
class TicketAnswered:
    ticket_id: UUID
    text: str


@tickets.event(visible=anyone)
@dataclass(frozen=True)
class TicketClosed:
    ticket_id: UUID


@tickets.event(visible=anyone)
@dataclass(frozen=True)
class TicketGiven:
    ticket_id: UUID
    owner: str


@tickets.aggregate(key="ticket_id")
@dataclass(frozen=True)
class Ticket:
    owner: str | None = None
    answers: int = 0
    closed: bool = False

    @guards(OpenTicket)
    def is_new(self) -> None:
        if self.owner is not None:
            raise Rejected("TICKET_EXISTS", "the ticket was opened before")

    @guards(AnswerTicket, CloseTicket, GiveTicket, RateTicket, ExpireTicket)
    def is_open(self) -> None:
        if self.owner is None:
            raise Rejected("TICKET_NOT_FOUND", "there is no such ticket")
        if self.closed:
            raise Rejected("TICKET_CLOSED", "the ticket is closed")

    @guards(CloseTicket)
    def is_answered(self) -> None:
        if not self.answers:
            raise Rejected("UNANSWERED", "nobody has answered the ticket")

    def open(self, command: OpenTicket) -> TicketOpened:
        return TicketOpened(command.ticket_id, command.owner)

    def answer(self, command: AnswerTicket) -> TicketAnswered:
        if not command.text:
            raise Rejected("EMPTY", "an answer has a text")
        return TicketAnswered(command.ticket_id, command.text)

    def close(self, command: CloseTicket) -> TicketClosed:
        return TicketClosed(command.ticket_id)

    def give(self, command: GiveTicket) -> TicketGiven:
        return TicketGiven(command.ticket_id, command.owner)

    def rate(self, command: RateTicket) -> None: ...

    def purge(self, command: PurgeTicket) -> TicketClosed:
        return TicketClosed(command.ticket_id)

    def expire(self, command: ExpireTicket) -> TicketClosed:
        return TicketClosed(command.ticket_id)

    def opened(self, event: TicketOpened) -> Ticket:
        return Ticket(event.owner)

    def answered(self, event: TicketAnswered) -> Ticket:
        return replace(self, answers=self.answers + 1)

    def given(self, event: TicketGiven) -> Ticket:
        return replace(self, owner=event.owner)

    def was_closed(self, event: TicketClosed) -> Ticket:
        return replace(self, closed=True)


@tickets.projection(
    "ticket",
    key="ticket_id",
    indexes=("owner",),
    visible=any_of({"agent"}, lambda viewer: where(owner=viewer.subject)),
)
@dataclass(frozen=True)
class TicketRow:
    ticket_id: UUID
    owner: str
    answers: int = 0
    closed: bool = False

    @classmethod
    def opened(cls, event: TicketOpened) -> TicketRow:
        return cls(event.ticket_id, event.owner)

    def answered(self, event: TicketAnswered) -> TicketRow:
        return replace(self, answers=self.answers + 1)

    def given(self, event: TicketGiven) -> TicketRow:
        return replace(self, owner=event.owner)

    def was_closed(self, event: TicketClosed) -> TicketRow:
        return replace(self, closed=True)
