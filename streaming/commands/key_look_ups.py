"""Look-ups by unique keys: which streams hold the keys by which the deciders of a batch find states.

Who holds a key is what the processor knows of it. It asks Postgres for the others before the batch is
decided. What has changed since is found at the commit: the holder of each key that was looked up, or that
nobody holds it, is a condition of the append.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence

from commander.domain.deciders import Source, StreamSource
from commander.domain.look_ups import KeySource
from commander.domain.unique import UniqueRule
from commander.eventstore.database import Database
from commander.eventstore.log.conditions import Change, Key
from commander.eventstore.log.indexes import holders_of
from commander.streaming.commands.needs import Needs
from commander.streaming.commands.stream_states import StreamState

NOBODY = StreamState(None, 0)
"""In the place of a state that was not found."""


class KeyLookUps:
    """rules, holders: see Across and KeyHolders.

    changes: those that a batch makes. They get the holder of each key that is looked up, as a condition.
    """

    def __init__(
        self,
        rules: Mapping[str, Sequence[tuple[int, UniqueRule]]],
        holders: MutableMapping[Key, str | None],
        changes: MutableMapping[Key, Change],
    ) -> None:
        self._indexes = {rule.stored_name: index for known in rules.values() for index, rule in known}
        self._holders = holders
        self._changes = changes

    def missing(self, needed: Needs) -> str | None:
        """The stored name of a rule whose keys nobody can be asked for: its index is not active yet."""
        return next((one.rule for one in needed.keys if one.rule not in self._indexes), None)

    def _keys_of(self, needed: Iterable[Needs]) -> set[Key]:
        """The keys that these decisions look up."""
        return {key for one in needed for source in one.keys if (key := self._key(source)) is not None}

    async def find(self, needed: Iterable[Needs], database: Database) -> set[str]:
        """The streams that hold these keys. Asks Postgres, in one statement, for those that are not known.

        What was decided meanwhile is newer than the answer.
        """
        keys = self._keys_of(needed)
        if unknown := [key for key in keys if key not in self._holders]:
            async with database.connection() as connection:
                found = await holders_of(connection, unknown)
            for key in unknown:
                self._holders.setdefault(key, found.get(key))
        return {stream for key in keys if (stream := self._holders.get(key)) is not None}

    def resolved(self, needed: Needs) -> Sequence[Source]:
        """The sources, with the stream that holds the key in the place of each key that one holds.

        Call it after `find`. Who holds a key, or that no stream does, is a condition from then on.
        """
        if not needed.keys:
            return needed.sources
        return [self._resolved(one) if isinstance(one, KeySource) else one for one in needed.sources]

    def _resolved(self, source: KeySource) -> Source:
        if (key := self._key(source)) is None:
            return source
        holder = self._holders[key]
        self._changes.setdefault(key, Change(holder, holder))
        return source if holder is None else StreamSource(holder)

    def _key(self, source: KeySource) -> Key | None:
        return None if source.key is None else (self._indexes[source.rule], source.key)
