"""`commander export`: the log as a file, or into a pipe."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import BinaryIO

import asyncpg
from rich.console import Console
from rich.progress import Progress

from commander.domain.errors import CommanderError, NotFound
from commander.eventstore.archive.exporting import exported, header_of
from commander.eventstore.archive.format import ExportFilter, Header
from commander.eventstore.database import Database
from commander.eventstore.reactions.reactors import reactor_positions
from commander.parts.process import given_url
from commander.settings import read_settings
from commander.streaming.commands.pending_by_id import until_decided
from commander.streaming.nats.connection import Nats

console = Console(stderr=True, highlight=False)


class CannotWrite(CommanderError):
    """The file cannot be written; the message says which and why."""


def run_export(file: Path | None, where: ExportFilter, wait_seconds: float) -> None:
    """Writes an export to a file, which is there once it is whole, or to standard output.

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
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # what is still buffered has no reader
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
    """Where the export ends. The reactors' checkpoints are read first, and then what they sent is waited for.

    A checkpoint says that a reactor's commands are queued, not that they are decided. Imported elsewhere,
    a checkpoint ahead of the outcomes would lose reactions: there the queue is empty.
    """
    try:
        reactors = await reactor_positions(database)
    except asyncpg.UndefinedTableError as error:
        raise NotFound("there is no log in this database: nothing of Commander was started on it") from error
    if where == ExportFilter():
        if nats_url is None:
            console.print("COMMANDER_NATS_URL is not set: commands that are still queued are not waited for")
        else:
            nats = Nats(nats_url)
            await nats.connect("commander export")
            try:
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
