"""The trusted documents in the memory of an API process, as Postgres has them."""

from __future__ import annotations

import asyncio
from hashlib import sha256

from commander.domain.errors import CommanderError, Unavailable
from commander.eventstore.database import Database
from commander.eventstore.trusted_documents import State, state_of, trusted_documents

_POLL_SECONDS = 2.0
_SHA_256 = "sha256:"


class UntrustedDocument(CommanderError):
    """This process runs only trusted documents, and this is none."""

    def __init__(self) -> None:
        super().__init__(
            "this API runs only documents that were added to it (commander documents add); this one was not"
        )


class TrustedDocuments:
    """Finds documents by their ids. only: whether no other documents are run.

    An id is the one under which a document was added, or the SHA-256 of its text, with or without `sha256:`.
    """

    def __init__(self, *, only: bool = False) -> None:
        self.only = only
        self._by_id: dict[str, str] = {}
        self._texts: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._texts)

    def text_of(self, id: str) -> str | None:
        """The document with this id. None if there is none."""
        found = self._by_id.get(id)
        return self._by_id.get(id.removeprefix(_SHA_256)) if found is None else found

    def must_trust(self, text: object) -> None:
        """Raises UntrustedDocument if only trusted documents are run, and this is none."""
        if self.only and text not in self._texts:
            raise UntrustedDocument

    async def load(self, database: Database) -> State:
        """Takes over what Postgres has. Returns the state before. Raises Unavailable."""
        state = await state_of(database)
        stored = await trusted_documents(database)
        self._by_id = {sha256(one.text.encode()).hexdigest(): one.text for one in stored}
        self._by_id |= {one.id: one.text for one in stored}
        self._texts = frozenset(self._by_id.values())
        return state

    async def run(self, database: Database) -> None:
        """Follows what is added and removed, until it is cancelled. Keeps what it has during an outage."""
        loaded: State | None = None
        while True:
            try:
                if loaded is None or await state_of(database) != loaded:
                    loaded = await self.load(database)
            except Unavailable:
                pass
            await asyncio.sleep(_POLL_SECONDS)
