"""Subscriptions as Server-Sent Events, one request each.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import httpx

from commander.schema.python.runtime.errors import Interrupted, failure, status_failure
from commander.schema.python.runtime.transport import Http, Request, Result, result_in
from commander.schema.python.runtime.waiting import unless_silent


class ServerSentEvents:
    """A transport that needs only HTTP. A slow reader slows the API down; no buffer grows without bound."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def subscribe(self, request: Request, silence_seconds: float) -> AsyncGenerator[Result, None]:
        try:
            opened = self._http.opened(request, "text/event-stream", silence_seconds)
            response = await unless_silent(opened, silence_seconds)
            try:
                if not _is_stream(response):
                    text = (await unless_silent(response.aread(), silence_seconds)).decode("utf-8", "replace")
                    errors = (result_in(text) or {}).get("errors")
                    raise (
                        failure(errors)
                        if errors
                        else status_failure(response.status_code, response.headers, text)
                    )
                async for result in _results(response, silence_seconds):
                    yield result
            finally:
                await response.aclose()
        except TimeoutError as silence:
            raise Interrupted(str(silence)) from None
        except httpx.HTTPError as error:
            raise Interrupted(f"{type(error).__name__}: {error}") from error


def _is_stream(response: httpx.Response) -> bool:
    return response.is_success and response.headers.get("content-type", "").startswith("text/event-stream")


async def _results(response: httpx.Response, silence_seconds: float) -> AsyncGenerator[Result, None]:
    """Until the stream ends or says that it is complete. Raises TimeoutError if it is silent.

    Lines end with LF or CR LF alone. httpx's reader of lines also ends one at U+2028, which JSON may have.
    """
    rest, name, data = b"", b"", list[bytes]()
    parts = response.aiter_bytes()
    while (part := await unless_silent(_next(parts), silence_seconds)) is not None:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif line.startswith(b"event:"):
                name = line[6:].strip()
            elif not line:
                if name == b"complete":
                    return
                if name == b"next":
                    result = result_in(b"\n".join(data).decode("utf-8", "replace"))
                    if result is None:
                        raise Interrupted("an event of the stream is no GraphQL answer")
                    yield result
                name, data = b"", []


async def _next(parts: AsyncIterator[bytes]) -> bytes | None:
    """The next part. None at the end."""
    return await anext(parts, None)
