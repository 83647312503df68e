"""Rows by unique keys: the index says which stream has the key, and the stream's key is that of the row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from commander.domain import UniqueRule
from commander.domain.errors import CommanderError
from commander.domain.time_travel import key_of_row
from commander.eventstore.log.key_holders import IndexedKey, key_holders
from commander.resolvers.links import rows_of
from commander.resolvers.services import Services
from commander.streaming.commands.indexing import index_name


class UniqueKeyBuilding(CommanderError):
    """The index of the unique key that this code derives is not active. Processors build it. Try again."""

    def __init__(self, rule: UniqueRule) -> None:
        super().__init__(f"the unique key {rule.stored_name} is being built; try again later")


class KeyedRow(NamedTuple):
    """A row by a unique key. projection, rule: their stored names. key: the text of the key."""

    projection: str
    rule: str
    key: str


async def rows_by_unique_keys(
    services: Services, asked: Sequence[KeyedRow]
) -> dict[KeyedRow, Any | CommanderError | None]:
    """The rows; None where no stream has the key, or where its row is not there, UniqueKeyBuilding for a key
    whose index is not active.

    Rows are read also if no stream has a key, so that the time does not tell whether one has it.
    """
    domain = services.domain
    rules = [domain.unique_rules[one.rule] for one in asked]
    keys = [
        IndexedKey(index_name(rule), domain.fingerprint_of_rule(rule), one.key)
        for one, rule in zip(asked, rules, strict=True)
    ]
    found: dict[KeyedRow, Any | CommanderError | None] = {}
    held = defaultdict[str, dict[KeyedRow, Any]](dict)
    for one, rule, holder in zip(asked, rules, await key_holders(services.database, keys), strict=True):
        if not holder.active:
            found[one] = UniqueKeyBuilding(rule)
            continue
        of_projection = held[one.projection]
        if holder.stream is not None:
            of_projection[one] = key_of_row(domain.projections[one.projection], holder.stream)
    for projection, keys_of_rows in held.items():
        rows = await rows_of(services, projection, keys_of_rows.values())
        found |= {one: rows.get(key) for one, key in keys_of_rows.items()}
    return {one: found.get(one) for one in asked}
