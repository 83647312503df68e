"""Read your writes: waiting until projections show a position."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from commander.domain import Domain, ProjectionType
from commander.domain.errors import RAISED, CommanderError, InvalidRequest
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.folding import Stopped
from commander.eventstore.projections.tables import Table
from commander.eventstore.records import RecordedEvent
from commander.resolvers.services import Services
from commander.streaming.projections.progress import Behind, Reached

BUILT_STILL = "its table is being built"
NOT_KEPT_UP = "no process keeps its table up with the log"


class AheadOfLog(InvalidRequest):
    """The requested position is beyond the log. `head` is the last position of the log."""

    def __init__(self, argument: str, position: int, head: int) -> None:
        super().__init__(argument, f"the log ends at position {head}; {position} is beyond it")
        self.head = head


class ProjectionBehind(CommanderError):
    """The projection did not reach the requested position in time. Send the query again."""

    def __init__(self, projection: str, position: int, wanted: int, reason: str | None) -> None:
        late = f"{projection} is at position {position} and did not reach {wanted} in time"
        super().__init__(late if reason is None else f"{late}: {reason}")
        self.projection = projection
        self.position = position
        self.wanted = wanted


class ProjectionStopped(CommanderError):
    """The projection cannot fold an event before the requested position. It goes on when its code is fixed.

    position: the one that it has reached. stopped: the event, and why.
    """

    def __init__(self, projection: str, position: int, wanted: int, stopped: Stopped) -> None:
        super().__init__(why_stopped(projection, stopped))
        self.projection = projection
        self.position = position
        self.wanted = wanted
        self.stopped = stopped

    def message_for(self, operates: bool) -> str:
        """The message: operators are told at which event, and what the code of the domain raised."""
        return why_stopped(self.projection, self.stopped if operates else None)


def why_stopped(projection: str, stopped: Stopped | None) -> str:
    """What is said of a projection that has stopped. stopped: None for those who are no operators."""
    return f"the projection {projection} has {stopped or 'stopped; its operators are told why'}"


Late = ProjectionStopped | ProjectionBehind
"""Why a projection does not show a position."""


async def reached(services: Services, table: Table, at_least: int | None, timeout_ms: int) -> Reached:
    """Waits until a projection is at least at this position. Returns the position that it has then.

    Raises AheadOfLog at once for a position beyond the log, ProjectionStopped at once if the projection stops
    before it, ProjectionBehind after `timeout_ms`.
    """
    most = int(services.limits.max_wait_seconds * 1000)
    if not 0 <= timeout_ms <= most:
        raise InvalidRequest("timeoutMs", f"must be from 0 to {most}, got {timeout_ms}")
    name = table.projection.name
    now = await services.progress.reached(name)
    if at_least is None or now.position >= at_least:
        return now
    head = await head_position(services.database)
    if at_least > head:
        raise AheadOfLog("atLeast", at_least, head)
    for behind in await services.progress.reach({name: at_least}, timeout_ms / 1000):
        raise error_of(services, behind)
    return await services.progress.reached(name)


@dataclass(frozen=True)
class Shown:
    """What the rows of a projection must show; see `reached`. projection: its stored name."""

    projection: str
    at_least: int | None = None
    timeout_ms: int = 0


async def shows(services: Services, wanted: Shown) -> Reached | CommanderError:
    """As `reached`. It returns its error."""
    try:
        table = services.tables[wanted.projection]
        return await reached(services, table, wanted.at_least, wanted.timeout_ms)
    except CommanderError as error:
        return error


def error_of(services: Services, behind: Behind) -> Late:
    """The error that says why a projection is behind."""
    projection = services.domain.projections[behind.projection].query
    if behind.stopped is not None:
        stopped = shown(services, behind.stopped)
        return ProjectionStopped(projection, behind.position, behind.wanted, stopped)
    return ProjectionBehind(
        projection, behind.position, behind.wanted, why_behind(services, behind.projection)
    )


def shown(services: Services, stopped: Stopped) -> Stopped:
    """With the present name of the event's type."""
    type_ = services.domain.event_type(stopped.type)
    return stopped if type_ is None else replace(stopped, type=type_.name)


def why_behind(services: Services, name: str) -> str | None:
    """Why a projection is behind for longer than a moment; None if it is not."""
    if name not in services.tables:
        return BUILT_STILL
    return NOT_KEPT_UP if name in services.table_errors() else None


async def late(
    services: Services,
    events: Sequence[RecordedEvent],
    chosen: Container[str] | None = None,
    timeout_seconds: float = 0,
) -> tuple[Late, ...]:
    """Waits until the projections show these events. Returns why each of the others does not show them.

    It returns after the timeout, and at once if one of them has stopped. chosen: of which projections; None:
    of all.
    """
    wanted = _to_wait_for(services.domain, events, chosen)
    behind = await services.progress.reach(wanted, timeout_seconds)
    return tuple(error_of(services, one) for one in behind)


def _to_wait_for(
    domain: Domain, events: Sequence[RecordedEvent], chosen: Container[str] | None
) -> dict[str, int]:
    """The projections that show these events, each with the position of the last event that it shows.

    chosen: of which projections; None: of all.
    """
    wanted: dict[str, int] = {}
    for projection in domain.projections.values():
        if chosen is None or projection.name in chosen:
            for event in events:
                if _touches_rows(domain, projection, event):
                    wanted[projection.name] = max(event.position, wanted.get(projection.name, 0))
    return wanted


def _touches_rows(domain: Domain, projection: ProjectionType, event: RecordedEvent) -> bool:
    """Whether the event may change a row. The keys of its rows are code of the domain, which may fail."""
    handler = projection.by_event.get(event.type)
    if handler is None:
        return False
    if handler.by_own_key or handler.column is not None:
        return True
    try:
        decoded = domain.decode(event.type, event.schema_version, event.data, event.position)
        return bool(handler.keys(decoded))
    except RAISED:
        return True
