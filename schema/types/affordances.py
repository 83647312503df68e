"""The field `availableCommands` of a row: which commands the viewer may send to the aggregate behind it."""

from __future__ import annotations

from typing import Any

import strawberry
from graphql import GraphQLResolveInfo

from commander.domain import AggregateType, Domain, ProjectionType
from commander.domain.affordances import Affordances
from commander.resolvers.affordances import Asked
from commander.schema.context import Context
from commander.schema.names import uncapitalized
from commander.schema.types.direct_field import DirectField

AVAILABLE_COMMANDS = "availableCommands"


@strawberry.type(description="A command that clients send to the aggregate of a row, and whether you may.")
class AvailableCommand:
    name: str = strawberry.field(description="The name of its mutation.")
    allowed: bool = strawberry.field(
        description="False: the command would be refused now, whatever its input is. True: nothing that is "
        "known before the input refuses it."
    )
    code: str | None = strawberry.field(
        description="FORBIDDEN if you may not send it, else the code of the rejection. Null if `allowed`."
    )
    reason: str | None = strawberry.field(description="The message with the code. Null if `allowed`.")


def available_commands(
    of: str, type_: ProjectionType, aggregate: AggregateType, domain: Domain
) -> list[DirectField]:
    """The field of a row. of: the name of its type.

    Empty if clients send no command to the aggregate, or if a column of the row has the name of the field.
    """
    taken = any(field.graphql_name == AVAILABLE_COMMANDS for field in type_.fields)
    if taken or not len(Affordances(domain, aggregate)):
        return []

    def declared() -> Any: ...

    declared.__annotations__["return"] = list[AvailableCommand] | None

    async def resolve(row: Any, info: GraphQLResolveInfo[Context], /) -> list[AvailableCommand]:
        asked = Asked(aggregate.stored_name, getattr(row, type_.key))
        found = await info.context.batching.available_commands.load(asked)
        return [
            AvailableCommand(
                name=uncapitalized(one.command),
                allowed=one.code is None,
                code=one.code,
                reason=one.reason,
            )
            for one in found
        ]

    description = (
        "The commands that clients send to the aggregate of this row, in the order of their definition, and "
        "whether you may send them now. By the newest state, which the row may not show yet. Null, with an "
        "error, if that cannot be read."
    )
    field = strawberry.field(declared, name=AVAILABLE_COMMANDS, description=description)
    return [DirectField(field, resolve, of)]
