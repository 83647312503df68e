"""Which projections do not show an event, and why. And their names, for a mutation that chooses some."""

from __future__ import annotations

from enum import Enum
from typing import Any

import strawberry

from commander.domain import DefinitionError, Domain
from commander.domain.names import camel
from commander.eventstore.projections.folding import Stopped
from commander.resolvers.read_your_writes import Late, ProjectionStopped
from commander.schema.types.field_types import TypeMap
from commander.schema.types.scalars import Position

_NAMES = "ProjectionName"


@strawberry.enum(description="Why a projection does not show an event.")
class ProjectionTrouble(Enum):
    PROJECTION_BEHIND = "PROJECTION_BEHIND"
    """It is late."""
    PROJECTION_STOPPED = "PROJECTION_STOPPED"
    """It cannot fold an event, and goes on when its code is fixed."""


@strawberry.type(description="The event that a projection cannot fold.")
class StoppedAt:
    position: Position
    type: str
    error: str = strawberry.field(description="What the code of the domain raised, with file and line.")
    traceback: str | None = strawberry.field(description="Null if no code raised it, and for a reactor.")


@strawberry.type(description="A projection that does not show an event, and why.")
class ProjectionBehind:
    projection: str = strawberry.field(description="The name of its query.")
    code: ProjectionTrouble
    message: str
    position: Position = strawberry.field(description="The position that it has reached.")
    wanted: Position = strawberry.field(description="The position of the event.")
    stopped: StoppedAt | None = strawberry.field(
        description="Null if it is only late, and for those who are no operators."
    )


def projection_behind(late: Late, operates: bool) -> ProjectionBehind:
    """The GraphQL type for a projection that does not show an event. operates: an operator sees it."""
    has_stopped = isinstance(late, ProjectionStopped)
    stopped = late.stopped if isinstance(late, ProjectionStopped) and operates else None
    trouble = ProjectionTrouble
    return ProjectionBehind(
        projection=camel(late.projection),
        code=trouble.PROJECTION_STOPPED if has_stopped else trouble.PROJECTION_BEHIND,
        message=late.message_for(operates) if isinstance(late, ProjectionStopped) else str(late),
        position=Position(late.position),
        wanted=Position(late.wanted),
        stopped=None if stopped is None else stopped_at(stopped),
    )


def stopped_at(stopped: Stopped) -> StoppedAt:
    """The GraphQL type for the event that a projection cannot fold."""
    return StoppedAt(
        position=Position(stopped.position),
        type=stopped.type,
        error=stopped.error,
        traceback=stopped.traceback,
    )


def projection_names(domain: Domain, types: TypeMap) -> Any | None:
    """The enum of the projections, by their queries; None if there are none.

    Raises DefinitionError if two of them, or a type of the domain, would have the same name.
    """
    if not domain.projections:
        return None
    types.claim(_NAMES, domain.where)
    names: dict[str, str] = {}
    for projection in domain.projections.values():
        shown = projection.query.upper()
        if shown in names:
            problem = f"the projections {projection.query} and {names[shown]} must differ in more than case"
            raise DefinitionError(projection.where, problem)
        names[shown] = projection.name
    made: Any = Enum(_NAMES, names)  # type: ignore[misc]
    return strawberry.enum(made, description="The projections, by the names of their queries.")
