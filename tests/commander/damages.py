"""Every kind of damage that verify knows, made by hand. A new check adds its damage here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from msgspec.structs import replace

from commander.eventstore.audit.findings import Kind
from commander.eventstore.database import Database
from commander.eventstore.log.pending import Sent, remember
from commander.eventstore.log.ranges import read_log
from commander.streaming.commands.messages import all_scheduled
from commander.streaming.log.event_codec import message_of
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.publishing import publish
from commander.streaming.nats.streams import ensure_streams
from tests.commander.yard import Inspect, yard
from tests.streaming.conftest import submitted


@dataclass(frozen=True)
class Place:
    """A system, and what is worth damaging in it.

    first: the position of an event that the projection folds. several: the command of a decision with two
    events. rejected: a command that was rejected. table: that of the projection.
    """

    database: Database
    nats: Nats
    first: int
    several: UUID
    rejected: UUID
    table: str


Hurt = Callable[[Place], Awaitable[object]]


@dataclass(frozen=True)
class Damage:
    """kinds: what verify must find, and may find besides. lost: it cannot be mended."""

    hurt: Hurt
    kind: Kind
    besides: frozenset[Kind] = frozenset()
    lost: bool = False


async def forced(database: Database, statement: str, *binds: object) -> None:
    """Past the triggers that keep the log as it is."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(statement, *binds)


def sql(statement: str) -> Hurt:
    """The names with a colon stand for what is in the Place."""

    async def run(place: Place) -> None:
        filled = (
            statement.replace(":first", str(place.first))
            .replace(":several", f"command_id = '{place.several}'")
            .replace(":rejected", f"command_id = '{place.rejected}'")
            .replace(":table", f'"{place.table}"')
        )
        await forced(place.database, filled)

    return run


async def purged_to_two(place: Place) -> None:
    await place.nats.jetstream.purge_stream(place.nats.names.events, keep=2)


async def deleted(place: Place) -> None:
    await place.nats.jetstream.delete_stream(place.nats.names.events)


async def purged_inside(place: Place) -> None:
    subject = f"{place.nats.names.prefix}events.ship.Boarded.>"
    await place.nats.jetstream.purge_stream(place.nats.names.events, subject=subject)


async def foreign_at_the_end(place: Place) -> None:
    await place.nats.jetstream.publish(f"{place.nats.names.prefix}events.ship.Boarded.ship-1", b"{}")


async def foreign_inside(place: Place) -> None:
    """The stream is published again, with another message in the place of an event."""
    await deleted(place)
    await ensure_streams(place.nats, 1)
    messages = [message_of(place.nats.names, one) for one in await read_log(place.database, 0, 1000)]
    messages[place.first - 1] = messages[place.first - 1]._replace(payload=b"{}", headers={})
    await publish(place.nats, messages, expected_last=0)


async def limited(place: Place) -> None:
    config = (await place.nats.jetstream.stream_info(place.nats.names.events)).config
    config.max_age = 365 * 24 * 3600
    config.max_msgs = 1_000_000
    await place.nats.jetstream.update_stream(config)


async def schedules_purged(place: Place) -> None:
    await place.nats.jetstream.purge_stream(
        place.nats.names.commands, subject=all_scheduled(place.nats.names)
    )


async def lost_from_the_queue(place: Place) -> None:
    """A reactor has sent it, and COMMANDS does not have it."""
    command = replace(submitted(Inspect(UUID(int=1)), yard), reactor="voyage")
    async with place.database.connection() as connection:
        await remember(connection, Sent(datetime.now(UTC), [command]))


_FAILS = frozenset({Kind.PROJECTION_FAILS, Kind.STATE_FAILS, Kind.SNAPSHOT_DIFFERS})
_FOLDS = _FAILS | {Kind.PROJECTION_DIFFERS, Kind.STATE_DIFFERS, Kind.SNAPSHOT_BEYOND}
_LOG = frozenset({Kind.VERSIONS, Kind.EVENT_DIFFERS, Kind.OUTCOME_DIFFERS, Kind.NAMES})

DAMAGES = {
    "an event is gone": Damage(
        sql("delete from events where position = :first"), Kind.EVENT_MISSING, _FOLDS | _LOG
    ),
    "the last event is gone": Damage(
        sql("delete from events where position = (select max(position) from events)"),
        Kind.EVENT_MISSING,
        _FOLDS | _LOG | {Kind.PROJECTION_BEYOND, Kind.EFFECT_BEYOND, Kind.REACTOR_BEYOND},
    ),
    "an event has another version": Damage(
        sql("update events set version = 99 where position = :first"), Kind.EVENT_DIFFERS, _FOLDS | _LOG
    ),
    "a stream has a gap": Damage(
        sql("update events set version = 99 where position = :first"), Kind.VERSIONS, _FOLDS | _LOG
    ),
    "an event has another time": Damage(
        sql("update events set recorded_at = recorded_at + interval '1 hour' where position = :first"),
        Kind.EVENT_DIFFERS,
        frozenset({Kind.STATE_DIFFERS}),
    ),
    "an event has another correlation": Damage(
        sql("update events set correlation_id = gen_random_uuid() where position = :first"),
        Kind.EVENT_DIFFERS,
    ),
    "an event cannot be read": Damage(
        sql("""update events set data = '{"x": 1}' where position = :first"""), Kind.EVENT_DIFFERS, _FAILS
    ),
    "an event fails a projection": Damage(
        sql("""update events set data = '{"x": 1}' where position = :first"""),
        Kind.PROJECTION_FAILS,
        _FAILS | _LOG,
    ),
    "an event fails a reactor": Damage(
        sql("""update events set data = '{"x": 1}' where position = :first"""),
        Kind.STATE_FAILS,
        _FAILS | _LOG,
    ),
    "an event says something else": Damage(
        sql(
            """update events set data = replace(data::text, '"crew":3', '"crew":4')::json
               where position = :first"""
        ),
        Kind.MIRROR_DIFFERS,
        _FOLDS,
    ),
    "an applied command is rejected": Damage(
        sql("update commands set status = 'REJECTED', code = 'NO', message = '' where :several"),
        Kind.OUTCOME_DIFFERS,
        _LOG,
    ),
    "an applied command has failed without a code": Damage(
        sql("update commands set status = 'FAILED' where number = 1"), Kind.OUTCOME_DIFFERS, _LOG
    ),
    "a rejected command is applied": Damage(
        sql("update commands set status = 'APPLIED' where :rejected"), Kind.OUTCOME_DIFFERS
    ),
    "a reactor's rejected command is applied": Damage(
        sql("update commands set status = 'APPLIED', code = null, message = null where reactor is not null"),
        Kind.OUTCOME_DIFFERS,
        _LOG,
    ),
    "an outcome has another position": Damage(
        sql("update commands set position = position + 1 where :several"), Kind.OUTCOME_DIFFERS, _LOG
    ),
    "an outcome without events has another position": Damage(
        sql("update commands set position = position - 1 where :rejected"), Kind.OUTCOME_DIFFERS, _LOG
    ),
    "an outcome has another count": Damage(
        sql("update commands set event_count = 1 where :several"), Kind.OUTCOME_DIFFERS, _LOG
    ),
    "an outcome has another version": Damage(
        sql("update commands set version = version + 1 where :several"), Kind.EVENT_DIFFERS
    ),
    "an outcome without events has another version": Damage(
        sql("update commands set version = version + 1 where :rejected"), Kind.OUTCOME_DIFFERS
    ),
    "an outcome has another time": Damage(
        sql("update commands set decided_at = decided_at - interval '1 day' where :several"),
        Kind.OUTCOME_DIFFERS,
        _LOG,
    ),
    "an outcome is gone": Damage(
        sql("delete from commands where :several"), Kind.OUTCOME_MISSING, _LOG, lost=True
    ),
    "a command has other data": Damage(
        sql(
            """update commands set data = replace(data::text, '"people":2', '"people":1')::json
               where :several"""
        ),
        Kind.DIGEST,
        lost=True,
    ),
    "a command has another digest": Damage(
        sql("update commands set digest = set_byte(digest, 5, 255 - get_byte(digest, 5)) where number = 1"),
        Kind.DIGEST,
        lost=True,
    ),
    "a name is counted twice": Damage(
        sql("update stored_names set count = count * 2 where name = 'Boarded'"), Kind.NAMES
    ),
    "names are counted beyond the log": Damage(
        sql("update stored_names_counted set position = position + 1000"), Kind.NAMES
    ),
    "a row is changed": Damage(sql("update :table set people = people + 1"), Kind.PROJECTION_DIFFERS),
    "a row is gone": Damage(
        sql("delete from :table where people = (select max(people) from :table)"), Kind.PROJECTION_DIFFERS
    ),
    "a projection is ahead": Damage(
        sql("update positions_of_projections set position = position + 100"), Kind.PROJECTION_BEYOND
    ),
    "an effect is ahead": Damage(sql("update effects set position = position + 100"), Kind.EFFECT_BEYOND),
    "a partition of a reactor is ahead": Damage(
        sql("update reactor_partitions set position = position + 100 where partition = 1"),
        Kind.REACTOR_BEYOND,
    ),
    "a reactor is ahead": Damage(
        sql(
            "update reactor_partitions set position = position + 100, folded_position = folded_position + 100"
        ),
        Kind.REACTOR_BEYOND,
    ),
    "a state is changed": Damage(
        sql("""update reactor_states set state = '{"boardings":77}'"""), Kind.STATE_DIFFERS
    ),
    "a state is gone": Damage(
        sql("delete from reactor_states"), Kind.STATE_DIFFERS, frozenset({Kind.DEADLINE_ORPHANED})
    ),
    "a deadline is of no state": Damage(
        sql("delete from reactor_states"), Kind.DEADLINE_ORPHANED, frozenset({Kind.STATE_DIFFERS})
    ),
    "a snapshot decides wrongly": Damage(
        sql("""update snapshots set state = '{"aboard":1000}'"""), Kind.SNAPSHOT_DIFFERS
    ),
    "a snapshot is ahead": Damage(sql("update snapshots set version = version + 100"), Kind.SNAPSHOT_BEYOND),
    "a key is held by a stream whose state does not have it": Damage(
        sql(
            """insert into unique_keys
               select id, '[1]', 'ship-1' from log_indexes where name = 'unique ship.berth'"""
        ),
        Kind.INDEX_DIFFERS,
    ),
    "progress is ahead": Damage(
        sql("update progress set sequence = sequence + 1000000 where sequence > 0"), Kind.PROGRESS_BEYOND
    ),
    "a stream is of another epoch": Damage(
        sql("insert into epochs (epoch, first_position) select max(epoch) + 1, 1000 from epochs"), Kind.EPOCH
    ),
    "a deadline is not scheduled": Damage(
        schedules_purged, Kind.DEADLINE_MISSING, frozenset({Kind.TICK_MISSING, Kind.PENDING_MISSING})
    ),
    "a tick is not scheduled": Damage(
        schedules_purged, Kind.TICK_MISSING, frozenset({Kind.DEADLINE_MISSING, Kind.PENDING_MISSING})
    ),
    "the mirror is purged": Damage(purged_to_two, Kind.MIRROR_GAP),
    "the mirror has holes": Damage(purged_inside, Kind.MIRROR_GAP),
    "the mirror is gone": Damage(deleted, Kind.MIRROR_MISSING),
    "the mirror is ahead": Damage(foreign_at_the_end, Kind.MIRROR_BEYOND),
    "the mirror has a foreign message": Damage(foreign_inside, Kind.MIRROR_DIFFERS),
    "the mirror forgets": Damage(limited, Kind.MIRROR_LIMITED),
    "a pending command is not queued": Damage(lost_from_the_queue, Kind.PENDING_MISSING),
}
