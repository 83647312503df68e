"""What the generated client of a domain calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx

from commander.schema.python.runtime.asking import PATIENCE_SECONDS, answered
from commander.schema.python.runtime.codec import camel, decoder, encoded
from commander.schema.python.runtime.commands import DEFAULT_TIMEOUT_MS, send
from commander.schema.python.runtime.errors import Cursor, RequestRefused
from commander.schema.python.runtime.feed import Feed
from commander.schema.python.runtime.live import Following, live_row, live_rows
from commander.schema.python.runtime.pages import page_of
from commander.schema.python.runtime.sse import ServerSentEvents
from commander.schema.python.runtime.transport import Headers, Http, Transport
from commander.schema.python.runtime.waiting import Closing, Patience


class Core:
    """One client's connections, and the highest position that it has written.

    answer_seconds: how long an answer may take beyond the time that the API is asked to wait.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Headers | None,
        transport: Transport | None,
        http: httpx.AsyncClient | None,
        patience: Patience,
        answer_seconds: float,
    ) -> None:
        self.written: int | None = None
        self._own = None if http else httpx.AsyncClient(limits=httpx.Limits(max_connections=None))
        self._http = Http(url, headers, http or self._own)  # type: ignore[arg-type]  # one of them is there
        self._transport = transport or ServerSentEvents(self._http)
        self._patience = patience
        self._answer_seconds = answer_seconds
        self._closing = Closing()

    async def command(
        self, field: str, document: str, given: object, options: Mapping[str, Any], outcome: Any
    ) -> Any:
        """The outcome of a command. options: of the API in snake case, and patience_seconds. See `send`."""
        of_api = {
            camel(name): encoded(value) for name, value in options.items() if name != "patience_seconds"
        }
        found = await send(
            self._http,
            field,
            document,
            encoded(given),
            of_api,
            answer_seconds=self._answer_seconds,
            on_break=self._patience.on_break,
            patience_seconds=options.get("patience_seconds", PATIENCE_SECONDS),
        )
        position = (found.get("settled") or {}).get("position") or found.get("position")
        if found["__typename"] == "CommandApplied" and position:
            self.written = max(self.written or 0, int(position))
        return decoder(outcome)(found)

    async def row(
        self, field: str, document: str, given: Mapping[str, Any], row: Any, patience: float
    ) -> Any:
        """The row, or None. It shows at least what this client has written."""
        return decoder(row)(await self._read(field, document, given, patience))

    async def page(
        self, field: str, document: str, given: Mapping[str, Any], row: Any, patience: float
    ) -> Any:
        """A page of rows, which shows at least what this client has written."""
        return page_of(await self._read(field, document, given, patience), decoder(row))

    async def query(
        self, document: str, variables: Mapping[str, Any], attempt_ms: float, patience_seconds: float
    ) -> dict[str, Any]:
        """The data of an answer, as JSON. See `answered`."""
        return await answered(
            self._http,
            {"query": document, "variables": variables},
            attempt_seconds=attempt_ms / 1000 + self._answer_seconds,
            patience_seconds=patience_seconds,
            on_break=self._patience.on_break,
        )

    async def _read(self, field: str, document: str, given: Mapping[str, Any], patience: float) -> Any:
        wanted = encoded(given)
        attempt_ms = wanted.get("timeoutMs", DEFAULT_TIMEOUT_MS)

        def variables() -> dict[str, Any]:
            shown = {} if self.written is None else {"atLeast": str(self.written)}
            return {**shown, **wanted}

        try:
            return (await self.query(document, variables(), attempt_ms, patience))[field]
        except RequestRefused as refused:
            if self.written is None or not _is_beyond_the_log(refused):
                raise
        self.written = None  # the log was set back
        return (await self.query(document, variables(), attempt_ms, patience))[field]

    def follow(self, document: str, item: Any, after: Cursor | int | None, filter: object) -> Feed[Any]:
        wanted = None if filter is None else encoded(filter)
        return Feed(self._transport, document, decoder(item), after, wanted, self._patience, self._closing)

    def live_row(self, document: str, given: Mapping[str, Any], row: Any) -> AsyncGenerator[Any, None]:
        return live_row(self._following(document, given), decoder(row))

    def live_rows(
        self, document: str, given: Mapping[str, Any], key: str, key_type: Any, row: Any
    ) -> AsyncGenerator[Any, None]:
        return live_rows(self._following(document, given), key, decoder(key_type), decoder(row))

    def _following(self, document: str, given: Mapping[str, Any]) -> Following:
        return Following(
            self._transport, document, encoded(given), lambda: self.written, self._patience, self._closing
        )

    async def close(self) -> None:
        """Ends all feeds and live rows, and closes what this client has opened."""
        self._closing.close()
        if self._own:
            await self._own.aclose()


def _is_beyond_the_log(refused: RequestRefused) -> bool:
    """Whether a read was refused because it asked for a position that the log does not have."""
    first: Mapping[str, Any] = refused.errors[0] if refused.errors else {}
    return (first.get("extensions") or {}).get("head") is not None
