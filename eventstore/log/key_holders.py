"""Which streams hold unique keys, for who does not append."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from commander.eventstore.database import Database
from commander.eventstore.sql import statement

_FIND_KEY_HOLDERS = statement("find_key_holders")


class IndexedKey(NamedTuple):
    """A unique key. index_name: of its index. fingerprint: of the code that derives its keys."""

    index_name: str
    fingerprint: str
    key: str


class KeyHolder(NamedTuple):
    """active: whether an index that this code derives is active. stream: None if no stream has the key."""

    active: bool
    stream: str | None


async def key_holders(database: Database, keys: Sequence[IndexedKey]) -> list[KeyHolder]:
    """The holder of each of these keys, all at one moment."""
    binds = [list(column) for column in zip(*keys, strict=True)] or [[], [], []]
    return [KeyHolder(*row) for row in await database.fetch(_FIND_KEY_HOLDERS, *binds)]
