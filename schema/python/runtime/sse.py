"""Subscriptions as Server-Sent Events, one request each.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx

from commander.schema.python.runtime.errors import Interrupted, failure, status_failure
from commander.schema.python.runtime.transport import Http, Request, Result, result_in


class ServerSentEvents:
    """A transport that needs only HTTP. A slow reader slows the API down; no buffer grows without bound."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def subscribe(self, request: Request, silence_seconds: float) -> AsyncGenerator[Result, None]:
        try:
            response = await self._http.opened(request, "text/event-stream", silence_seconds)
            try:
                if not _is_stream(response):
                    text = (await response.aread()).decode("utf-8", "replace")
                    errors = (result_in(text) or {}).get("errors")
                    raise (
                        failure(errors)
                        if errors
                        else status_failure(response.status_code, response.headers, text)
                    )
                async for result in _results(response):
                    yield result
            finally:
                await response.aclose()
        except httpx.ReadTimeout:
            raise Interrupted(f"nothing came for {silence_seconds:g} s") from None
        except httpx.HTTPError as error:
            raise Interrupted(f"{type(error).__name__}: {error}") from error


def _is_stream(response: httpx.Response) -> bool:
    return response.is_success and response.headers.get("content-type", "").startswith("text/event-stream")


async def _results(response: httpx.Response) -> AsyncGenerator[Result, None]:
    """Until the stream ends or says that it is complete.

    Lines end with LF or CR LF alone. httpx's reader of lines also ends one at U+2028, which JSON may have.
    """
    rest, name, data = b"", b"", list[bytes]()
    async for part in response.aiter_bytes():
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
