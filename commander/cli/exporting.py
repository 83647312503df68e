"""`commander export`: write the log to a file or to standard output."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import BinaryIO

import asyncpg
from rich.console import Console
from rich.progress import Progress

from commander.cli.joining import join
from commander.domain.errors import CommanderError, NotFound
from commander.eventstore.archive.exporting import exported, header_of
from commander.eventstore.archive.format import ExportFilter, Header
from commander.eventstore.database import Database
from commander.eventstore.log.identity import identity_of
from commander.eventstore.reactions.handled import completed_positions
from commander.parts.process import given_url
from commander.settings import read_settings
from commander.streaming.commands.pending_by_id import until_decided
from commander.streaming.nats.connection import Nats

console = Console(stderr=True, highlight=False)


class CannotWrite(CommanderError):
    """The export cannot be written. The message names the file and the reason."""


def run_export(file: Path | None, where: ExportFilter, wait_seconds: float) -> None:
    """Writes an export to a file or to standard output. The file appears only when it is complete.

    Raises CannotWrite, SettingsError, StillPending, InvalidRequest, LogBroken, Unavailable.
    """
    settings = read_settings()
    postgres_url = given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL")

    async def run(to: BinaryIO) -> Header:
        database = Database(postgres_url, command_timeout_seconds=3600)
        try:
            header = await _header(database, where, settings.nats_url, wait_seconds)
            await _write(database, header, to)
        finally:
            await database.close()
        return header

    if file is None:
        try:
            asyncio.run(run(sys.stdout.buffer))
            sys.stdout.buffer.flush()
        except OSError as error:
            # The buffered rest has no reader.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise CannotWrite(f"standard output: {error.strerror}") from error
        return
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as to:
            header = asyncio.run(run(to))
            to.flush()
            os.fsync(to.fileno())
        part.replace(file)
    except OSError as error:
        raise CannotWrite(f"{file}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    console.print(f"exported the log up to position {header.position} to {file}")


async def _header(
    database: Database, where: ExportFilter, nats_url: str | None, wait_seconds: float
) -> Header:
    """The header of the export. Reads the reactors' checkpoints, then waits until their commands are decided.

    A checkpoint means that the commands of a reactor are queued, not that they are decided. The system that
    imports has an empty queue, so it would lose the reactions that have no outcome in the export.
    """
    try:
        reactors = await completed_positions(database)
    except asyncpg.UndefinedTableError as error:
        raise NotFound("this database has no log: no part of Commander was started on it yet") from error
    if where == ExportFilter():
        if await identity_of(database) is None:
            pass  # no part has started, so nothing is queued
        elif nats_url is None:
            console.print("COMMANDER_NATS_URL is not set: the export does not wait for queued commands")
        else:
            nats = Nats(nats_url)
            await nats.connect("commander export")
            try:
                await join(nats, database)
                await until_decided(nats, database, wait_seconds)
            finally:
                await nats.close()
    return await header_of(database, where, reactors)


async def _write(database: Database, header: Header, to: BinaryIO) -> None:
    total = header.position + header.commands if header.filter is None else None
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("exporting", total=total)
        async for line in exported(database, header):
            to.write(line)
            progress.advance(task)
