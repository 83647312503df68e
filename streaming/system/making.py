"""Figures from what was read. Rates, and what stands still, come from one reading to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from commander.domain import Domain
from commander.eventstore.locks import Lock, lock_key
from commander.eventstore.projections.folding import Stopped
from commander.eventstore.projections.serving import TableRecord
from commander.eventstore.reactions.reactors import ReactorStatus
from commander.eventstore.records import Status
from commander.eventstore.sharing import Refusal, Session
from commander.streaming.commands.queue_watch import QueueWatch
from commander.streaming.leases import DECIDING, reactor_leases
from commander.streaming.standstill import Followed, polled
from commander.streaming.system import still
from commander.streaming.system.figures import (
    Api,
    ApiProcess,
    DeadLetters,
    Effect,
    Log,
    Mirror,
    Movement,
    Partition,
    Processing,
    ProcessorProcess,
    ProjectionTable,
    Queue,
    Reactor,
    Schedule,
    System,
)
from commander.streaming.system.reading import Found

_LATE = timedelta(seconds=10)
"""A tick that passed so long ago is late: the next one should have been set at once."""


@dataclass(frozen=True)
class _Moved:
    """Something that follows the log, after a reading. stays: that it does not move, if so."""

    movement: Movement
    followed: Followed
    stays: str | None


class Making:
    """Makes figures, reading by reading. domain: whose reactors, effects and recurring commands must run."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._values: dict[str, tuple[float, float]] = {}
        self._followed: dict[str, Followed] = {}

    def system(self, found: Found, queue: QueueWatch, processes: Sequence[ApiProcess]) -> System:
        """The figures of this reading. queue: as this process watches it."""
        decided = self._rate("ended", found.log.commands, found.clock)
        return System(
            at=found.now,
            outage=None,
            api=Api(processes),
            queue=self._queue(found, queue),
            processing=self._processing(found, queue, decided),
            log=Log(
                position=found.log.position,
                per_second=self._rate("log", found.log.position, found.clock),
                bytes=found.log_bytes,
                newest_at=found.log.newest_at,
            ),
            mirror=self._mirror(found),
            projections=[self._table(found, one) for one in found.tables],
            reactors=[self._reactor(found, one) for one in _reactors(found, self._domain)],
            effects=[self._effect(found, name) for name in self._domain.effects],
            schedules=[_schedule(found, self._domain, name) for name in self._domain.recurring],
            dead_letters=DeadLetters(*found.dead_letters),
        )

    def _queue(self, found: Found, queue: QueueWatch) -> Queue:
        waiting = _waiting(found, queue)
        return Queue(
            commands=waiting,
            bytes=0 if queue.last is None else queue.last.bytes,
            age_seconds=queue.age_seconds if waiting else 0.0,
            full=queue.problem is not None,
            messages_per_second=self._rate("queue", found.queue_sequence, found.clock),
            problem=queue.warnings.get("queue"),
        )

    def _processing(self, found: Found, queue: QueueWatch, decided: float | None) -> Processing:
        processors = [one for one in found.sessions if one.application == DECIDING.application]
        refusals = _newest(found.refusals, DECIDING.application)
        named = {one.pid: f"{one.host} {one.process}" for one in processors}
        partitions = []
        for number, lag in found.lags.items():
            pid = found.holders.get((Lock.PARTITION, number))
            holder = None if pid is None else named.get(pid, f"session {pid}")
            problem = still.of_partition(holder, refusals.get(number))
            partitions.append(Partition(number, lag, holder, problem))
        waiting = _waiting(found, queue)
        followed = self._poll("ended", found.log.commands, found.log.commands + waiting, found)
        counted = sum(found.ended.values())

        def rate(status: Status) -> float | None:
            if decided is None:
                return None
            return decided * found.ended.get(status, 0) / counted if counted else 0.0

        return Processing(
            decided=found.log.commands,
            decided_per_second=decided,
            applied_per_second=rate(Status.APPLIED),
            rejected_per_second=rate(Status.REJECTED),
            failed_per_second=rate(Status.FAILED),
            partitions=partitions,
            processors=[
                ProcessorProcess(one.host, one.process, one.fingerprint, one.owned) for one in processors
            ],
            problem=still.of_processing(partitions, waiting, followed),
        )

    def _mirror(self, found: Found) -> Mirror:
        moved = self._move("mirror", found.mirrored, found)
        running = (Lock.RELAY, 0) in found.holders
        problem = still.of_mirror(running, moved.followed, found.log.position)
        return Mirror(moved.movement, running, problem)

    def _table(self, found: Found, table: TableRecord) -> ProjectionTable:
        moved = self._move(f"projection {table.table_name}", table.position, found)
        kept_up = table.table_name in found.kept
        stopped = _stopped(found, table)
        return ProjectionTable(
            name=table.name,
            table=table.table_name,
            code=table.fingerprint,
            state=table.state,
            serving=table.serving,
            served_at=table.served_at,
            inline=table.inline,
            kept_up=kept_up,
            movement=moved.movement,
            stopped=stopped,
            problem=still.of_table(table, kept_up, stopped, moved.stays),
        )

    def _reactor(self, found: Found, status: ReactorStatus) -> Reactor:
        moved = self._move(f"reactor {status.name}", status.position, found)
        application = reactor_leases(status.name).application
        held = _held(found.sessions, application)
        stopped = _stopped(found, status)
        refusal = next(iter(_newest(found.refusals, application).values()), None)
        return Reactor(
            name=status.name,
            movement=moved.movement,
            partitions=status.partitions,
            held=held,
            parked=status.parked,
            rebuilding=status.folded_position < status.position,
            stopped=stopped,
            problem=still.of_reactor(status, held, refusal, stopped, moved.stays),
        )

    def _effect(self, found: Found, name: str) -> Effect:
        moved = self._move(f"effect {name}", found.effects.get(name, 0), found)
        running = (Lock.EFFECT, lock_key(name)) in found.holders
        failed = found.effect_failures.get(name, 0)
        return Effect(name, moved.movement, running, failed, still.of_effect(running, failed, moved.stays))

    def _move(self, name: str, position: int, found: Found) -> _Moved:
        """What follows the log, at its position now."""
        head = found.log.position
        rate, lag = self._rate(name, position, found.clock), max(0, head - position)
        seconds = lag / rate if lag and rate else None
        followed = self._poll(name, position, head, found)
        return _Moved(Movement(position, lag, rate, seconds), followed, still.stays(followed, head))

    def _poll(self, name: str, position: int, head: int, found: Found) -> Followed:
        self._followed[name] = polled(self._followed.get(name), position, head, found.now)
        return self._followed[name]

    def _rate(self, name: str, value: float, clock: float) -> float | None:
        """By how much a value grows in a second. None at its first reading."""
        before, self._values[name] = self._values.get(name), (value, clock)
        if before is None or clock <= before[1]:
            return None
        return max(0.0, (value - before[0]) / (clock - before[1]))


def _waiting(found: Found, queue: QueueWatch) -> int:
    """How many commands wait. The queue also has those that are decided and not removed yet."""
    return queue.last.commands if queue.last is not None and any(found.lags.values()) else 0


def _stopped(found: Found, one: TableRecord | ReactorStatus) -> Stopped | None:
    """The event that a table or a reactor has stopped before."""
    position = one.failed_position
    if position is None:
        return None
    traceback = one.traceback if isinstance(one, TableRecord) else None
    return Stopped(position, found.types.get(position, ""), one.error or "", traceback)


def _reactors(found: Found, domain: Domain) -> list[ReactorStatus]:
    """Those of this domain, also if one has never run, and others that run."""
    known = {one.name: one for one in found.reactors}
    others = [name for name in known if _held(found.sessions, reactor_leases(name).application)]
    names = dict.fromkeys([*domain.reactors, *others])
    return [known.get(name) or ReactorStatus(name, 0, 0, None, None, None, 0, 0, 0) for name in names]


def _schedule(found: Found, domain: Domain, name: str) -> Schedule:
    tick = found.ticks.get(name)
    running = (Lock.RECURRING, 0) in found.holders
    late = tick is not None and tick.tick + _LATE < found.now
    return Schedule(
        name=name,
        cron="" if tick is None else tick.cron,
        next_at=None if tick is None else tick.tick,
        commands=0 if tick is None else len(tick.commands),
        problem=still.of_schedule(tick is not None, late, running),
    )


def _held(sessions: Sequence[Session], application: str) -> int:
    """How many partitions the sessions of a group hold."""
    return sum(one.owned for one in sessions if one.application == application)


def _newest(refusals: Sequence[Refusal], application: str) -> Mapping[int, Refusal]:
    """The newest refusal of each partition."""
    return {one.partition: one for one in refusals if one.application == application}
