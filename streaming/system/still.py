"""The sentences about what stands still: why, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from commander.eventstore.projections.folding import Stopped
from commander.eventstore.projections.serving import BUILDING, TableRecord
from commander.eventstore.reactions.reactors import ReactorStatus
from commander.eventstore.sharing import Refusal, undecided_before
from commander.streaming.projections.abandoned import not_kept_up
from commander.streaming.standstill import Followed
from commander.streaming.system.figures import Partition


def stays(followed: Followed, head: int) -> str | None:
    """Why something that follows the log is behind, if it does not move and nothing else is known."""
    if not followed.stands_still:
        return None
    return (
        f"it has stayed at position {followed.position} since {followed.seen_at:%H:%M:%S} UTC; "
        f"the log ends at {head}"
    )


def of_partition(holder: str | None, refusal: Refusal | None) -> str | None:
    """refusal: the newest one that is not settled."""
    if holder is not None:
        return None
    return "nobody holds it" if refusal is None else undecided_before(refusal)


def of_processing(partitions: Sequence[Partition], queued: int, followed: Followed) -> str | None:
    """queued: how many commands wait. followed: the outcomes, behind while commands wait."""
    waiting = [one for one in partitions if one.problem is not None]
    if len(waiting) == len(partitions):
        return f"no processor decides; {queued} commands wait: start `commander processor`"
    if waiting:
        numbers = ", ".join(str(one.partition) for one in waiting)
        return f"nobody decides the partitions {numbers}: {waiting[0].problem}"
    if followed.stands_still:
        return f"none of {queued} commands has been decided since {followed.seen_at:%H:%M:%S} UTC"
    return None


def of_mirror(running: bool, followed: Followed, head: int) -> str | None:
    if not running:
        return f"no relay runs; the log ends at {head}: start `commander relay`"
    return stays(followed, head)


def of_table(table: TableRecord, kept_up: bool, stopped: Stopped | None, stays: str | None) -> str | None:
    """stays: that it does not move, if so. A table that neither serves nor is being built may stay."""
    if stopped is not None:
        return f"it has stopped: {stopped.error}"
    if table.is_held:
        return table.held_because
    building = table.state == BUILDING
    if not kept_up and building:
        return f"no process fills {table.table_name}: run `commander projections` with the code that made it"
    if not kept_up and table.serving:
        return not_kept_up(table.name, table.table_name)
    return stays if table.serving or building else None


def of_reactor(
    status: ReactorStatus, held: int, refusal: Refusal | None, stopped: Stopped | None, stays: str | None
) -> str | None:
    """held: how many of its partitions somebody handles."""
    if stopped is not None:
        return f"it has {stopped}"
    if held < status.partitions and refusal is not None:
        return f"{refusal.needs}; no code that runs does: start the part reactors with code that knows it"
    if held < status.partitions or not status.partitions:
        nobody = f"{status.partitions - held} of its {status.partitions} partitions"
        return f"nobody handles {nobody if status.partitions else 'it'}: start `commander reactors`"
    if status.parked:
        return f"keys that wait because an event of theirs failed: {status.parked}; retry or skip the events"
    return stays


def of_effect(running: bool, failed: int, stays: str | None) -> str | None:
    if not running:
        return "no process calls it: start `commander effects`"
    if failed:
        return f"calls that failed for good: {failed}; retry or drop them"
    return stays


def of_schedule(is_set: bool, is_late: bool, running: bool) -> str | None:
    """is_late: its tick has passed. running: whether a process sets ticks."""
    if not running:
        return "no process sets its ticks: start `commander reactors`"
    if not is_set:
        return "its next tick is not set: its code has failed, see the log of `commander reactors`"
    return "its tick has passed, and the next one is not set" if is_late else None
