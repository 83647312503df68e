"""`commander import`: store a whole export in an empty store."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import BinaryIO

from rich.console import Console

from commander.cli.progress import LongWork
from commander.domain.errors import CommanderError
from commander.eventstore.archive.format import ArchiveReader, Header
from commander.eventstore.archive.importing import NotEmpty, import_all
from commander.eventstore.database import Database
from commander.eventstore.log.identity import identity_of
from commander.eventstore.migrate import migrate
from commander.parts.process import given_url
from commander.settings import read_settings
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import Names
from commander.streaming.nats.streams import mirrored_position

console = Console(stderr=True, highlight=False)


class CannotRead(CommanderError):
    """The export cannot be read. The message names the file and the reason."""


def run_import(file: Path | None, *, as_json: bool) -> None:
    """Stores a whole export in the empty store that the settings name.

    Raises CannotRead, SettingsError, NotEmpty, NotImportable, ExportBroken, Unavailable.
    """
    with LongWork("import", "nothing was stored: run it again", as_json=as_json, results=console) as work:
        if file is None:
            header = asyncio.run(_import(work, sys.stdin.buffer))
        else:
            try:
                with file.open("rb") as source:
                    header = asyncio.run(_import(work, source))
            except OSError as error:
                raise CannotRead(f"{file}: {error.strerror}") from error
        work.say(f"imported {header.commands} commands and {header.position} events")


async def _import(work: LongWork, source: BinaryIO) -> Header:
    settings = read_settings()
    postgres_url = given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL")
    if settings.nats_url is None:
        work.warn("COMMANDER_NATS_URL is not set: it is not checked whether the stream EVENTS is empty")
    database = Database(postgres_url, command_timeout_seconds=3600)
    step = work.step("importing", "records")
    try:
        await migrate(database)
        if settings.nats_url is not None:
            await _mirror_must_be_empty(settings.nats_url, database)
        header = await import_all(
            database,
            ArchiveReader(source),
            lambda header, records: step.update(records, header.commands + header.position),
        )
        step.end()
        return header
    finally:
        await database.close()


async def _mirror_must_be_empty(url: str, database: Database) -> None:
    """Raises NotEmpty if the mirror has events: they would be taken for the first events of this log.

    A system that was never started has no mirror. If its name is another system's too, its parts refuse to
    start.
    """
    identity = await identity_of(database)
    if identity is None:
        return
    nats = Nats(url, Names(identity))
    await nats.connect("commander import")
    try:
        mirrored = await mirrored_position(nats)
    finally:
        await nats.close()
    if mirrored:
        raise NotEmpty(
            f"the stream {nats.names.events} holds {mirrored} events: use a NATS without it, or delete the "
            "stream if its log is not in use"
        )
