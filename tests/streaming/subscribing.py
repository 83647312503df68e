"""A subscriber of the feed that shares with nobody: the items themselves, one by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from commander.eventstore.records import EventFilter
from commander.streaming.feed.fan_out import FeedItem
from commander.streaming.feed.feed import Feed


async def subscribe(
    feed: Feed, after: int | None = None, where: EventFilter | None = None
) -> AsyncGenerator[FeedItem, None]:
    async with aclosing(feed.follow(object(), after, where or EventFilter(), _as_it_is)) as pages:
        async for page in pages:
            for item in page:
                yield item


def _as_it_is(item: FeedItem) -> FeedItem:
    return item
