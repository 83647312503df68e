"""`commander restore`: shows what was lost when Postgres or NATS was set back, and makes the two agree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec

from commander.cli.joining import joined_with_any_epoch
from commander.cli.progress import LongWork
from commander.domain.errors import CommanderError
from commander.eventstore.database import Database
from commander.eventstore.log.pending import lost_streams
from commander.eventstore.records import RecordedEvent
from commander.parts.process import given_url
from commander.settings import Settings, read_settings
from commander.streaming.commands.sending_again import pending
from commander.streaming.log.event_codec import ForeignMessage, event_of
from commander.streaming.nats.connection import Nats
from commander.streaming.restoring.differences import Differences, differences, messages_after
from commander.streaming.restoring.restore import restore

_SHOWN = 10


def run_restore(
    *, apply: bool, new_epoch: bool, number: int | None, save: Path | None, as_json: bool
) -> None:
    """Shows the differences, and with `apply` removes them. save: the file for the events that were lost.

    new_epoch: begin a new epoch even if nothing differs. number: its number; None: the next one that the
    stores know. Raises SettingsError, Unavailable, PartsRun, AnotherSystem, and CommanderError for a number
    that is taken.
    """
    settings = read_settings()

    async def compare(database: Database, nats: Nats) -> None:
        async with work.step("comparing the log with the streams").shown():
            found = await differences(database, nats)
        await _show(work, database, nats, found, save)
        if found.exist or new_epoch:
            await _apply(work, database, nats, settings, found, number, apply=apply)

    go_on = "each step can be repeated: run it again, with --yes" if apply else "nothing was changed"
    with LongWork("restore", go_on, as_json=as_json) as work:
        asyncio.run(_with_servers(settings, compare))


async def _with_servers(settings: Settings, work: Callable[[Database, Nats], Awaitable[None]]) -> None:
    database = Database(given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL"))
    nats = Nats(given_url(settings.nats_url, "COMMANDER_NATS_URL"))
    try:
        await nats.connect("commander restore")
        await joined_with_any_epoch(nats, database)
        await work(database, nats)
    finally:
        await nats.close()
        await database.close()


async def _show(
    work: LongWork, database: Database, nats: Nats, found: Differences, save: Path | None
) -> None:
    for line in described(nats, found):
        work.say(line)
    for lost in await lost_streams(database):
        when = f"{nats.names.commands} was lost at {lost.lost_at:%Y-%m-%d %H:%M:%S}"
        seen = f"it had {lost.messages} messages at the last look, at {lost.seen_at:%H:%M:%S}"
        work.say(f"{when}: {seen}; {lost.sent_again} commands were sent again")
    if (kept := await pending(database)).count:
        work.say(f"{kept.count} pending commands are in Postgres too: {kept}")
    if save is not None:
        count = await _save(work, nats, found, save)
        work.say(f"wrote {count} events to {save}")


async def _apply(
    work: LongWork,
    database: Database,
    nats: Nats,
    settings: Settings,
    found: Differences,
    number: int | None,
    *,
    apply: bool,
) -> None:
    number = found.newest_epoch + 1 if number is None else number
    if number <= found.newest_epoch:
        raise CommanderError(f"there is an epoch {found.newest_epoch}: give --epoch a greater number")
    if not apply:
        work.say(f"nothing was changed; with --yes it begins epoch {number}")
        return
    async with work.step("restoring").shown():
        begun, sent_again = await restore(database, nats, found, settings.nats_replicas, epoch=number)
    work.say(f"{sent_again} pending commands that Postgres has are sent again")
    work.say(
        f"epoch {begun.number} of the log begins at position {begun.first_position}; start the parts, or "
        "wait until they go on"
    )


def described(nats: Nats, found: Differences) -> Iterator[str]:
    """The lines that say what differs, from where, and what was lost on which side."""
    names = nats.names
    yield f"log         epoch {found.log_epoch}, {found.head} events"
    yield f"{names.events}  epoch {found.events_epoch or '-'}, {found.mirror_end} events"
    yield (
        f"{names.commands}  epoch {found.commands_epoch or '-'}, up to message {found.queue_end}; decided up "
        f"to message {found.decided}"
    )
    if not found.exist:
        yield "no difference"
        return
    if found.mirror_differs:
        yield f"log and {names.events} are the same up to position {found.shared}"
    if found.lost:
        yield (
            f"Postgres was set back: {found.lost} events of {names.events} are not in the log, from position "
            f"{found.shared + 1} on ({_shown(found.first_lost)} to {_shown(found.last_lost)})"
        )
        yield from _described_commands(found)
    if found.foreign:
        yield f"{found.foreign} messages in {names.events} are no events: another client has published them"
    if found.mirror_differs and (unseen := found.head - found.shared):
        yield f"{unseen} events of the log are not in {names.events} yet"
    if found.queue_is_behind:
        yield (
            f"NATS was set back: {names.commands} ends at message {found.queue_end}, but message "
            f"{found.decided} was decided. Commands that were accepted since then and had no outcome are "
            "lost, unless Postgres has them too. Only the stream had the ids of the others"
        )
    elif found.epochs_differ:
        yield "a store was set back to before the last commander restore, or that did not end"
    yield f"commands to decide: {found.to_decide} of the {found.queued} in {names.commands}"
    if found.stale:
        yield f"reactions to lost events, which are taken out of the queue: in {len(found.stale)} messages"
    if found.mirror_differs:
        yield f"{names.events} is made again from the log; consumers of it on the server are deleted"


def _described_commands(found: Differences) -> Iterator[str]:
    yield f"of the commands that made them, {found.again} are still queued and are decided again"
    if found.sent_again:
        yield f"{found.sent_again} are in Postgres and are sent again"
    if found.gone:
        shown = ", ".join(map(str, found.gone[:_SHOWN])) + (", …" if len(found.gone) > _SHOWN else "")
        yield f"and {len(found.gone)} are lost: {shown}"


def _shown(event: RecordedEvent | None) -> str:
    return "" if event is None else f"{event.type} of {event.recorded_at:%Y-%m-%d %H:%M:%S}"


async def _save(work: LongWork, nats: Nats, found: Differences, file: Path) -> int:
    """Writes the events that only EVENTS has, one line of JSON for each. Returns how many."""
    count, encoder = 0, msgspec.json.Encoder()
    step = work.step("saving", "events", found.lost)
    try:
        with file.open("xb") as output:
            async for message in messages_after(nats, nats.names.events, found.shared, found.mirror_end):
                try:
                    event = event_of(message)
                except ForeignMessage:
                    continue
                fields = {name: getattr(event, name) for name in event.__struct_fields__}
                output.write(encoder.encode(fields | {"data": msgspec.Raw(event.data.encode())}) + b"\n")
                count += 1
                step.update(count)
    except OSError as error:
        raise CommanderError(f"cannot write {file}: {error.strerror}") from error
    step.end()
    return count
