"""Reads JSON from an issuer over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

_SECONDS = 5.0
_MOST_BYTES = 512 * 1024


class FetchFailed(Exception):
    """The issuer does not answer, or its answer is not a JSON object. The message names the URL."""


async def fetched(url: str) -> Mapping[str, Any]:
    """The JSON object at a URL. It takes at most some seconds. Raises FetchFailed."""
    try:
        async with asyncio.timeout(2 * _SECONDS):
            return await asyncio.to_thread(_read, url)
    except TimeoutError:
        raise FetchFailed(f"{url} does not answer in time") from None


def _read(url: str) -> Mapping[str, Any]:
    """Follows no redirect: keys come from the host that was named, and from no other."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise FetchFailed(f"{url} is not a URL of HTTP")
    opener = OpenerDirector()
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    try:
        with opener.open(Request(url, headers={"accept": "application/json"}), timeout=_SECONDS) as answer:
            if answer.status != 200:
                raise FetchFailed(f"{url} answers with status {answer.status}")
            body = answer.read(_MOST_BYTES + 1)
    except (OSError, HTTPException, ValueError) as error:
        raise FetchFailed(f"{url} cannot be read: {error}") from error
    if len(body) > _MOST_BYTES:
        raise FetchFailed(f"the answer of {url} is longer than {_MOST_BYTES} bytes")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FetchFailed(f"the answer of {url} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FetchFailed(f"the answer of {url} is not a JSON object")
    return value
