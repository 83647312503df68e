"""One page of a list: the Relay type PageInfo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from commander.resolvers.events import Answer, Page


async def _more(root: PageInfo) -> bool:
    return root.more if isinstance(root.more, bool) else await root.more()


async def _earlier(root: PageInfo) -> bool:
    return root.earlier if isinstance(root.earlier, bool) else await root.earlier()


@strawberry.type
class PageInfo:
    """more, earlier: see Page. They are computed only if the document selects their fields."""

    more: strawberry.Private[Answer]
    earlier: strawberry.Private[Answer]
    has_next_page: bool = strawberry.field(
        resolver=_more, description="Whether the list has items after this page."
    )
    has_previous_page: bool = strawberry.field(
        resolver=_earlier, description="Whether the list has items before this page."
    )
    start_cursor: str | None
    end_cursor: str | None


def page_info(page: Page[Any], cursors: Sequence[str]) -> PageInfo:
    """The PageInfo of a page. cursors: those of its items, in order."""
    start, end = (cursors[0], cursors[-1]) if cursors else (None, None)
    return PageInfo(more=page.more, earlier=page.earlier, start_cursor=start, end_cursor=end)
