"""`commander export`: write the log to a file or to standard output."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import asyncpg
from rich.console import Console

from commander.cli.joining import join
from commander.cli.progress import LongWork
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

_SHOWN_EVERY = 100


class CannotWrite(CommanderError):
    """The export cannot be written. The message names the file and the reason."""


def run_export(file: Path | None, where: ExportFilter, wait_seconds: float, *, as_json: bool) -> None:
    """Writes an export to a file or to standard output. The file appears only when it is complete.

    Raises CannotWrite, SettingsError, StillPending, InvalidRequest, LogBroken, Unavailable.
    """
    settings = read_settings()
    postgres_url = given_url(settings.postgres_url, "COMMANDER_POSTGRES_URL")
    go_on = "what was written is not complete" if file is None else "nothing was written"

    async def export(to: BinaryIO) -> Header:
        database = Database(postgres_url, command_timeout_seconds=3600)
        try:
            header = await _header(work, database, where, settings.nats_url, wait_seconds)
            await _write(work, database, header, to)
        finally:
            await database.close()
        return header

    with LongWork("export", f"{go_on}: run it again", as_json=as_json, results=console) as work:
        if file is None:
            _to_standard_output(lambda: asyncio.run(export(sys.stdout.buffer)))
        else:
            header = _to_file(file, lambda to: asyncio.run(export(to)))
            work.say(f"exported the log up to position {header.position} to {file}")


def _to_standard_output(write: Callable[[], Header]) -> None:
    try:
        write()
        sys.stdout.buffer.flush()
    except OSError as error:
        # The buffered rest has no reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise CannotWrite(f"standard output: {error.strerror}") from error


def _to_file(file: Path, write: Callable[[BinaryIO], Header]) -> Header:
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as to:
            header = write(to)
            to.flush()
            os.fsync(to.fileno())
        part.replace(file)
    except OSError as error:
        raise CannotWrite(f"{file}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return header


async def _header(
    work: LongWork, database: Database, where: ExportFilter, nats_url: str | None, wait_seconds: float
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
            work.warn("COMMANDER_NATS_URL is not set: the export does not wait for queued commands")
        else:
            nats = Nats(nats_url)
            await nats.connect("commander export")
            try:
                await join(nats, database)
                async with work.step("waiting for queued commands").shown():
                    await until_decided(nats, database, wait_seconds)
            finally:
                await nats.close()
    return await header_of(database, where, reactors)


async def _write(work: LongWork, database: Database, header: Header, to: BinaryIO) -> None:
    total = header.position + header.commands if header.filter is None else None
    step = work.step("exporting", "records", total)
    lines = 0
    async for line in exported(database, header):
        to.write(line)
        lines += 1
        if lines % _SHOWN_EVERY == 0:
            step.update(lines)
    step.end()
