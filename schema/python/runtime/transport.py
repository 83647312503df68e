"""How requests reach the API."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

import httpx

from commander.schema.python.runtime.errors import RequestRefused

Request: TypeAlias = Mapping[str, Any]
"""A GraphQL request: query and variables."""
Result: TypeAlias = Mapping[str, Any]
"""A GraphQL answer: data, errors or both."""
Headers: TypeAlias = Mapping[str, str] | Callable[[], Mapping[str, str] | Awaitable[Mapping[str, str]]]
"""Headers, or a function that gives them anew for each request, such as with a token that expires."""


class Transport(Protocol):
    """Begins subscriptions, and never repeats one."""

    def subscribe(self, request: Request, silence_seconds: float) -> AsyncGenerator[Result, None]:
        """The answers, until the stream is complete or its connection has ended.

        Raises Interrupted, also if nothing comes for so long. Raises CursorLost and RequestRefused.
        """
        ...


class Http:
    """Sends requests to one URL. client: its connections; whoever made it closes it."""

    def __init__(self, url: str, headers: Headers | None, client: httpx.AsyncClient) -> None:
        self._url = url
        self._headers = headers
        self._client = client

    async def opened(self, request: Request, accept: str, connect_seconds: float) -> httpx.Response:
        """The response, of which only the head was read. The caller closes it, and limits the time.

        Raises httpx.HTTPError. Raises RequestRefused for a URL that is none of HTTP.
        """
        given = self._headers() if callable(self._headers) else self._headers
        headers = await given if inspect.isawaitable(given) else given
        sent = self._client.build_request(
            "POST",
            self._url,
            content=json.dumps(request),
            headers={**(headers or {}), "content-type": "application/json", "accept": accept},
            timeout=httpx.Timeout(connect_seconds, read=None, pool=None),
        )
        try:
            return await self._client.send(sent, stream=True)
        except httpx.UnsupportedProtocol as error:
            raise RequestRefused(f"{self._url}: {error}") from error


def result_in(text: str) -> Result | None:
    """The answer in a text. None if it is none, such as a page of a gateway."""
    try:
        result = json.loads(text)
    except ValueError:
        return None
    if isinstance(result, dict) and ("data" in result or isinstance(result.get("errors"), list)):
        return result
    return None
