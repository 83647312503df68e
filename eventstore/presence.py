"""A process's presence in Postgres. When a process falls silent, the others end its sessions.

A session lock lives as long as its session. Postgres keeps the session of a process that is stopped, or
cut off from the network, with all its locks: for hours, in a transaction too. So a process with session
locks has one more session, its presence, which says something every second. Each session with locks is
bound to it, by a shared lock on the presence's key.

    present ─► silent: Postgres ends the presence ─► other processes end the bound sessions
    present ─► the presence alone is lost ─► present …     (sooner than others end the bound sessions)

A presence that has just begun ends nobody: if Postgres itself was stopped, all presences have to begin again.

A thread speaks for the process. So neither a long call of the domain's code nor a busy event loop makes a
process silent. What does: a signal that stops it, a frozen machine, a lost network, and C code that does
not let other threads run.

Fencing is as before: whoever writes through the session that holds the lock cannot write after its end. So it
does no harm if a session is ended by mistake.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from contextlib import suppress

import asyncpg

from commander.domain.errors import Unavailable
from commander.eventstore.sessions import Connection, begin_session
from commander.eventstore.sockets import SILENT_SECONDS
from commander.eventstore.sql import statement

logger = logging.getLogger("commander.postgres")

PRESENCES = 0x434D20
"""The first key of the lock that a presence holds. See `Lock` for the others."""
BOUND = 0x434D21
"""The first key of the lock that bound sessions share."""
_RETRY_SECONDS = 0.25
_CONNECT_SECONDS = 3.0
_BIND_SECONDS = 5.0
_END_SILENT = statement("end_silent_sessions")


class Presence:
    """The presence of this process in one database. It begins with the first bound session.

    pause_seconds: between two words. silent_seconds: the longest pause before Postgres ends the presence.
    """

    def __init__(
        self, url: str, *, pause_seconds: float = 1.0, silent_seconds: float = SILENT_SECONDS
    ) -> None:
        self._url = url
        self._pause_seconds = pause_seconds
        self._silent_seconds = silent_seconds
        self._key = secrets.randbits(31)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._is_present = self._is_closed = False
        self._absent_because = "it did not answer"
        self._spoke_at = 0.0

    async def bind(self, connection: Connection) -> None:
        """Binds a session to the presence.

        Raises Unavailable if the presence does not begin within a few seconds, and the driver's errors.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
            self._thread.start()
        try:
            async with asyncio.timeout(_BIND_SECONDS):
                while not self._is_present:  # noqa: ASYNC110  # it is set in the other thread
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise Unavailable("Postgres", self._absent_because) from None
        await connection.execute("select pg_advisory_lock_shared($1, $2)", BOUND, self._key)

    def close(self) -> None:
        """Ends the presence. Call it when the bound sessions have ended."""
        self._is_closed = True
        loop, speaking = self._loop, self._speaking
        if loop is not None and speaking is not None and not loop.is_closed():
            loop.call_soon_threadsafe(speaking.cancel)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._speak_always())

    async def _speak_always(self) -> None:
        self._loop, self._speaking = asyncio.get_running_loop(), asyncio.current_task()
        while not self._is_closed:
            try:
                await self._speak()
            except Exception as error:  # the driver has errors of many kinds, and the presence must go on
                self._absent_because = str(error) or type(error).__name__
            finally:
                self._is_present = False
            await asyncio.sleep(_RETRY_SECONDS)

    async def _speak(self) -> None:
        """Is present until the session is lost."""
        connection: Connection = await asyncpg.connect(
            self._url,
            timeout=_CONNECT_SECONDS,
            command_timeout=self._silent_seconds,
            server_settings={"application_name": "commander presence"},
        )
        try:
            await begin_session(connection)
            await connection.execute(f"set idle_session_timeout = {round(self._silent_seconds * 1000)}")
            await connection.execute("select pg_advisory_lock($1, $2)", PRESENCES, self._key)
            self._was_answered()
            self._is_present = True
            may_end_at = time.monotonic() + self._silent_seconds  # see the top
            found: list[int] = []
            while True:
                silent = await connection.fetch(_END_SILENT, PRESENCES, BOUND, found)
                self._was_answered()
                for pid, application, ended in silent:
                    if ended:
                        logger.warning("ended the session %d (%s): its process is silent", pid, application)
                may_end = time.monotonic() >= may_end_at
                found = [pid for pid, _, ended in silent if may_end and not ended]
                await asyncio.sleep(self._pause_seconds)
        finally:
            connection.terminate()

    def _was_answered(self) -> None:
        """Notes that Postgres has answered. Logs a silence after which others may have ended sessions."""
        now = time.monotonic()
        if self._spoke_at and now > self._spoke_at + self._silent_seconds:
            text = "this process was stopped, or cut off from Postgres, for %.0f s; it may have lost locks"
            logger.warning(text, now - self._spoke_at)
        self._spoke_at = now
