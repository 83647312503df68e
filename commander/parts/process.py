"""Running one part as a process: HTTP from the start, work once Postgres and NATS answer, a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal

from commander.domain import Domain
from commander.domain.errors import Unavailable
from commander.eventstore.database import Database
from commander.eventstore.log.checkpoints import settle_partitions
from commander.eventstore.log.identity import settle_identity
from commander.eventstore.migrate import migrate
from commander.eventstore.watching import watch_postgres
from commander.parts.hold import until_released
from commander.parts.part import Part, run_all
from commander.settings import Settings, SettingsError, system_name_of
from commander.streaming.log.agreement import Agreement
from commander.streaming.nats.connection import Nats
from commander.streaming.nats.names import Names, StoresDiffer
from commander.streaming.nats.streams import ensure_streams
from commander.streaming.nats.watching import watch_nats
from commander.streaming.watchdog import Check, Watchdog, start_timer

logger = logging.getLogger("commander")

_RETRY_SECONDS = 1.0


def run(part: Part) -> None:
    """Runs a part until SIGTERM or SIGINT. Raises the error of a part that fails."""
    gc.set_threshold(*part.garbage_thresholds)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_run(part))


def loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """The event loop of a process: uvloop where it is installed, else None: the one of asyncio."""
    try:
        import uvloop
    except ImportError:  # not on Windows
        return None
    loop: type[asyncio.AbstractEventLoop] = uvloop.Loop
    return loop


async def _run(part: Part) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    servers = part.servers()
    gc.collect()
    gc.freeze()  # the garbage collector then ignores the objects made so far, which stay
    checks: list[Check] = [part.loop_watch]
    if part.watched:
        checks.append(Watchdog(part.domain, part.settings.handler_seconds))
    part.loop_watch.start()
    start_timer(*checks)
    work = asyncio.create_task(_work(part))
    serving = [asyncio.create_task(server.serve()) for server in servers]
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({work, stopping, *serving}, return_when=asyncio.FIRST_COMPLETED)
    part.stop()
    for server in servers:
        server.stop()
    await asyncio.gather(*serving, return_exceptions=True)
    stopping.cancel()
    failed = work.done()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    for served in serving:
        served.result()
    if failed or not stop.is_set():
        raise RuntimeError(f"the part {part.name} ended without a signal")


async def _work(part: Part) -> None:
    await until_released()
    database = Database(
        given_url(part.settings.postgres_url, "COMMANDER_POSTGRES_URL"),
        max_connections=part.settings.postgres_connections,
    )
    nats = Nats(given_url(part.settings.nats_url, "COMMANDER_NATS_URL"))
    part.will_use(database, nats)
    try:
        await run_all(_started(part, database, nats), watch_postgres(database), watch_nats(nats))
    finally:
        await nats.close()
        await database.close()


async def _started(part: Part, database: Database, nats: Nats) -> None:
    await asyncio.gather(nats.connect(f"commander {part.name}"), database.until_reachable())
    agreement = Agreement(database, nats, strict=part.mirrors)
    while True:
        try:
            await _prepare(part, agreement, database, nats)
            await run_all(part.start(database, nats), agreement.watch())
            raise RuntimeError(f"the part {part.name} ended by itself")
        except Unavailable as error:
            logger.warning("%s; retrying", error)
            await asyncio.sleep(_RETRY_SECONDS)


async def _prepare(part: Part, agreement: Agreement, database: Database, nats: Nats) -> None:
    """Creates the tables and streams, if no other process has. While Postgres and NATS differ it waits.

    Raises AnotherName and AnotherSystem if the database or the streams are not this system's, and
    Unavailable: try again.
    """
    while True:
        try:
            await _settle(part.settings, part.domain, database, nats)
            await agreement.compare()
            part.waits_for = None
            return
        except StoresDiffer as error:
            if part.waits_for != str(error):
                logger.error("%s", error)
            part.waits_for = str(error)
        await asyncio.sleep(_RETRY_SECONDS)


async def _settle(settings: Settings, domain: Domain, database: Database, nats: Nats) -> None:
    await database.must_have_sessions()
    await migrate(database)
    identity = await settle_identity(database, settings.system, system_name_of(domain.name))
    nats.use(Names(identity))
    await settle_partitions(database, settings.partitions)
    await ensure_streams(nats, settings.nats_replicas)


def given_url(url: str | None, variable: str) -> str:
    """The URL. Raises SettingsError if it is not set."""
    if url is None:
        raise SettingsError(f"{variable} is not set (commander dev starts its own server)")
    return url
