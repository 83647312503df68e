"""The open streams of tokens. A stream ends when its token does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from commander.domain.errors import TokenExpired
from commander.resolvers.identity.access import Access

logger = logging.getLogger("commander.api")

_LOOK_SECONDS = 0.25

End = Callable[[TokenExpired], None]


@dataclass(frozen=True, eq=False, slots=True)
class _Stream:
    access: Access
    end: End


class OpenStreams:
    """The streams of this process that a token has opened: WebSockets and streamed responses.

    must_stand: raises TokenExpired for the access of a token that has ended. now: seconds since 1970.
    """

    def __init__(self, must_stand: Callable[[Access], None], now: Callable[[], float]) -> None:
        self._must_stand = must_stand
        self._now = now
        self._streams: set[_Stream] = set()
        self._of_subjects: dict[str, set[_Stream]] = {}

    def __len__(self) -> int:
        return len(self._streams)

    @contextmanager
    def opened(self, access: Access, end: End) -> Iterator[None]:
        """Calls `end` once, when the token ends, as long as the stream is open. It must not block.

        Raises TokenExpired if the token has ended.
        """
        self._must_stand(access)
        subject = access.viewer.subject
        if subject is None:
            yield
            return
        stream = _Stream(access, end)
        self._streams.add(stream)
        self._of_subjects.setdefault(subject, set()).add(stream)
        try:
            yield
        finally:
            self._forget(stream)

    def look_at(self, subjects: Iterable[str]) -> None:
        """Ends the streams of these subjects whose tokens have ended."""
        for subject in subjects:
            self._end_those_of_ended_tokens(self._of_subjects.get(subject, ()))

    async def run(self) -> None:
        """Ends streams when their tokens expire, until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = self._now()
            expired = [stream for stream in self._streams if stream.access.expires_at <= now]
            self._end_those_of_ended_tokens(expired)

    def _end_those_of_ended_tokens(self, streams: Iterable[_Stream]) -> None:
        for stream in tuple(streams):
            try:
                self._must_stand(stream.access)
            except TokenExpired as ended:
                self._forget(stream)
                try:
                    stream.end(ended)
                except Exception:  # the others must end as well
                    logger.exception("a stream cannot be ended")

    def _forget(self, stream: _Stream) -> None:
        if stream not in self._streams:
            return
        self._streams.discard(stream)
        subject = stream.access.viewer.subject
        assert subject is not None, "only streams of subjects are kept"
        own = self._of_subjects[subject]
        own.discard(stream)
        if not own:
            del self._of_subjects[subject]
