"""Revocations by events of the log, as the domain declares them (`@domain.revokes`).

Each API process follows these events, from where the last one had come to. So an event that was stored while
no API process ran counts too.
"""

from __future__ import annotations

import logging
from contextlib import aclosing

from commander.domain import Domain
from commander.domain.errors import UndecodableEvent, UnknownEvent
from commander.domain.revoking import RevokingFailed
from commander.eventstore.database import Database
from commander.eventstore.log.event_log import head_position
from commander.eventstore.log.revocations import followed_for_revocations, note_followed
from commander.eventstore.records import EventFilter, RecordedEvent
from commander.resolvers.identity.shared_revocations import SharedRevocations
from commander.streaming.feed.feed import Feed, FeedItem
from commander.streaming.running import keep_running

logger = logging.getLogger("commander.api")

_KEY = "commander.revoking"


class RevokingEvents:
    """Follows the events that revoke, in one process."""

    def __init__(self, domain: Domain, database: Database, feed: Feed, shared: SharedRevocations) -> None:
        self._domain = domain
        self._database = database
        self._feed = feed
        self._shared = shared
        self._position: int | None = None
        self._unknown_from: int | None = None  # only newer code can tell what this event revokes

    async def run(self) -> None:
        """Follows until it is cancelled. It ends at once if the domain declares nothing."""
        if self._domain.revoking:
            await keep_running(self._follow, logger)

    async def _follow(self) -> None:
        if self._position is None:
            head = await head_position(self._database)
            self._position = min(await followed_for_revocations(self._database), head)
        where = EventFilter(types=self._domain.event_names(self._domain.revoking))
        pages = self._feed.follow(_KEY, self._position, where, _as_it_is)
        async with aclosing(pages):
            async for page in pages:
                for item in page:
                    if isinstance(item, RecordedEvent):
                        self._revoke(item)
                    self._position = max(self._position, item.position)
                if self._unknown_from is None or self._position < self._unknown_from:
                    await note_followed(self._database, self._position)

    def _revoke(self, event: RecordedEvent) -> None:
        try:
            decoded = self._domain.decode(event.type, event.schema_version, event.data, event.position)
            type_ = self._domain.event_type(event.type)
            assert type_ is not None, "it was decoded"
            subject = self._domain.revoking[type_.name].subject(decoded)
        except UnknownEvent:
            self._unknown_from = self._unknown_from or event.position
        except (UndecodableEvent, RevokingFailed) as error:
            logger.error("the event at position %d revokes nothing: %s", event.position, error)
        else:
            if subject is not None:
                self._shared.revoke([subject], event.recorded_at.timestamp())


def _as_it_is(item: FeedItem) -> FeedItem:
    return item
