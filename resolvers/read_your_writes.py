"""Read your writes: waiting until a projection shows a position."""

from __future__ import annotations

from commander.domain.errors import CommanderError, InvalidRequest
from commander.eventstore.log.event_log import head_position
from commander.eventstore.projections.tables import Table
from commander.resolvers.services import Services
from commander.streaming.projections.progress import Reached

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


async def reached(services: Services, table: Table, at_least: int | None, timeout_ms: int) -> Reached:
    """Waits until a projection is at least at this position. Returns the position that it has then.

    Raises AheadOfLog at once for a position beyond the log, ProjectionBehind after `timeout_ms`.
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
    in_time = await services.progress.reach([name], at_least, timeout_ms / 1000)
    now = await services.progress.reached(name)
    if not in_time:
        raise ProjectionBehind(name, now.position, at_least, error_of(services, table))
    return now


def error_of(services: Services, table: Table) -> str | None:
    """Why a projection is behind for good; None if it is not."""
    return NOT_KEPT_UP if table.projection.name in services.table_errors() else None
