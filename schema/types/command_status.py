"""The fields about the status of commands: by id, as a list, as a subscription; and dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import strawberry
from strawberry.types import Info

from commander.domain import Domain
from commander.domain.errors import InvalidRequest
from commander.eventstore.log.command_history import CommandFilter
from commander.eventstore.records import Status
from commander.resolvers import dead_letters as dead
from commander.resolvers import status as resolving
from commander.schema.context import Context
from commander.schema.types.events import EventTypes
from commander.schema.types.for_operators import FOR_OPERATORS
from commander.schema.types.paging import PageInfo, page_info
from commander.schema.types.records import Command, CommandStatus, command_of, ended
from commander.schema.types.results import CommandAccepted


@strawberry.input(name="CommandFilter", description="Selects commands. All given conditions must hold.")
class CommandFilterInput:
    statuses: list[CommandStatus] | None = None
    types: list[str] | None = None
    streams: list[str] | None = None
    correlation_id: UUID | None = None
    actor: str | None = None

    def to_filter(self, domain: Domain) -> CommandFilter:
        """Raises InvalidRequest for a status of pending commands, which the list does not have."""
        statuses = None
        if self.statuses is not None:
            if {CommandStatus.SCHEDULED, CommandStatus.ACCEPTED} & set(self.statuses):
                problem = "the list has only ended commands; use command(commandId:) for a pending one"
                raise InvalidRequest("filter.statuses", problem)
            statuses = frozenset(Status(status.value) for status in self.statuses)
        return CommandFilter(
            statuses=statuses,
            types=None if self.types is None else domain.command_names(self.types),
            streams=None if self.streams is None else frozenset(self.streams),
            correlation_id=self.correlation_id,
            actor=self.actor,
        )


@strawberry.type
class CommandEdge:
    cursor: str
    node: Command


@strawberry.type
class CommandConnection:
    edges: list[CommandEdge]
    page_info: PageInfo


def history_fields(events: EventTypes) -> tuple[list[Any], list[Any], list[Any]]:
    """The fields of Query, Mutation and Subscription about the status of commands."""

    async def command(info: Info[Context, None], command_id: UUID) -> Command:
        rights = info.context.rights
        state = await resolving.command_by_id(info.context.services, command_id, rights)
        return command_of(state, events, rights)

    async def commands(
        info: Info[Context, None],
        filter: CommandFilterInput | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> CommandConnection:
        where = (filter or CommandFilterInput()).to_filter(info.context.services.domain)
        rights = info.context.rights
        page = await resolving.commands_page(
            info.context.services, where, first=first, after=after, last=last, before=before, rights=rights
        )
        edges = [
            CommandEdge(cursor=resolving.command_cursor_of(o), node=ended(o, events, rights))
            for o in page.items
        ]
        return CommandConnection(edges=edges, page_info=page_info(page, [edge.cursor for edge in edges]))

    async def command_status(info: Info[Context, None], command_id: UUID) -> AsyncIterator[Command]:
        rights = info.context.rights
        async for state in resolving.follow_command(info.context.services, command_id, rights):
            yield command_of(state, events, rights)

    async def dead_letters(info: Info[Context, None], first: int = 100) -> list[Command]:
        info.context.must_operate()
        found = await dead.dead_letters(info.context.services.database, first)
        return [ended(outcome, events, info.context.rights) for outcome in found]

    async def retry_dead_letter(info: Info[Context, None], command_id: UUID) -> CommandAccepted:
        info.context.must_operate()
        again = await dead.retry(info.context, command_id)
        type_ = events.command_name(again.type)
        return CommandAccepted(command_id=again.command_id, type=type_, stream=again.stream)

    async def drop_dead_letter(info: Info[Context, None], command_id: UUID) -> Command:
        info.context.must_operate()
        return ended(await dead.drop(info.context, command_id), events, info.context.rights)

    queries = [
        strawberry.field(command, name="command", description="A command by its id, with its status."),
        strawberry.field(
            commands,
            name="commands",
            description="Commands that have an outcome, newest first: the `first` after "
            "`after`, or the `last` before `before`.",
        ),
        strawberry.field(
            dead_letters,
            name="deadLetters",
            metadata=FOR_OPERATORS,
            description="Failed commands that nobody has retried or dropped, oldest first.",
        ),
    ]
    mutations = [
        strawberry.mutation(
            retry_dead_letter,
            name="retryDeadLetter",
            metadata=FOR_OPERATORS,
            description="Submit a dead letter again as a new command. Returns the id of the new command.",
        ),
        strawberry.mutation(
            drop_dead_letter,
            name="dropDeadLetter",
            metadata=FOR_OPERATORS,
            description="Remove a dead letter from the list. Its outcome stays.",
        ),
    ]
    subscriptions = [
        strawberry.subscription(
            command_status,
            name="commandStatus",
            description="A command, sent at each change of its status, until it has an outcome.",
        )
    ]
    return queries, mutations, subscriptions
