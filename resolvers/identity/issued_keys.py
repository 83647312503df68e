"""The keys that an issuer publishes: fetched, kept, renewed.

(none) ─► fetched ─► renewed, each time its keys are some minutes old ─► …
             ├─ an unknown key id: fetched again, once for that id
             └─ the issuer does not answer: the kept keys go on

Anybody can send tokens with new key ids, so ids are asked for at a bounded rate.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from commander.domain.errors import Unavailable
from commander.resolvers.identity.fetching import FetchFailed, fetched
from commander.resolvers.identity.keys import UnusableKey, VerifyingKey, published_key

logger = logging.getLogger("commander.api")

_DISCOVERY = "/.well-known/openid-configuration"
_MOST_KEYS = 100
_MOST_UNKNOWN = 1000
_BURST = 5
_SECONDS_PER_QUESTION = 10.0
_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0

Fetch = Callable[[str], Awaitable[Mapping[str, Any]]]


class IssuedKeys:
    """The keys at a URL, or of an issuer that OpenID Connect Discovery finds.

    jwks_url: None: the issuer's own document names it. renew_seconds: how old the keys may get.
    on_removal: called after a key has gone or changed, so that what it verified is verified again.
    """

    def __init__(
        self,
        jwks_url: str | None,
        issuer: str | None,
        renew_seconds: float = 300,
        *,
        fetch: Fetch = fetched,
        clock: Callable[[], float] = time.monotonic,
        on_removal: Callable[[], None] = lambda: None,
    ) -> None:
        assert jwks_url is not None or issuer is not None, "the settings name one of both"
        self._jwks_url = jwks_url
        self._issuer = issuer
        self._renew_seconds = renew_seconds
        self._fetch = fetch
        self._clock = clock
        self.on_removal = on_removal
        self._keys: Mapping[str | None, VerifyingKey] = {}
        self._only: VerifyingKey | None = None  # the key for a token that names none
        self._fetching: asyncio.Task[None] | None = None
        self._unknown: dict[str | None, float] = {}  # key ids that were asked for, and when
        self._questions = float(_BURST)
        self._counted_at = clock()
        self.problem: str | None = None

    def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        key = self._only if kid is None else self._keys.get(kid)
        return key if key is not None and algorithm in key.algorithms else None

    async def learn(self, kid: str | None) -> None:
        """Fetches the keys if this id is new and none of its kind was asked for lately. Raises Unavailable.

        All who ask at the same time share one fetch.
        """
        if self._may_ask(kid):
            self._unknown[kid] = self._clock()
            await self._renewed()
        if not self._keys:
            raise Unavailable("the issuer of tokens", self.problem or "its keys were not fetched yet")

    async def run(self) -> None:
        """Renews the keys until it is cancelled."""
        failures = 0
        while True:
            await self._renewed()
            failures = 0 if self.problem is None else failures + 1
            pause = min(_LONGEST_RETRY_SECONDS, _RETRY_SECONDS * 2 ** min(failures - 1, 10))
            await asyncio.sleep(min(pause, self._renew_seconds) if failures else self._renew_seconds)

    def _may_ask(self, kid: str | None) -> bool:
        if kid in self._keys:  # it is known, and not for this algorithm
            return False
        if self._fetching is not None:
            return True
        now = self._clock()
        asked = self._unknown.get(kid)
        if asked is not None and now - asked < self._renew_seconds:
            return False
        self._questions = min(_BURST, self._questions + (now - self._counted_at) / _SECONDS_PER_QUESTION)
        self._counted_at = now
        if self._questions < 1:
            return False
        self._questions -= 1
        if len(self._unknown) >= _MOST_UNKNOWN:
            self._unknown.clear()
        return True

    async def _renewed(self) -> None:
        """Fetches the keys, or waits for a fetch that has begun. `problem` says how it ended."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch_keys())
            self._fetching.add_done_callback(self._fetch_ended)
        await asyncio.shield(self._fetching)

    def _fetch_ended(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch_keys(self) -> None:
        try:
            keys = _usable(await self._fetch(await self._place()))
        except FetchFailed as error:
            if self.problem is None:
                kept = f"; the {len(self._keys)} known keys stay in use" if self._keys else ""
                logger.warning("the keys of tokens cannot be fetched: %s%s", error, kept)
            self.problem = str(error)
            return
        if self.problem is not None:
            logger.info("the keys of tokens are fetched again")
        self.problem = None
        before, self._keys = self._keys, keys
        self._only = next(iter(keys.values())) if len(keys) == 1 else None
        if any(kid not in keys or keys[kid].published != key.published for kid, key in before.items()):
            self.on_removal()

    async def _place(self) -> str:
        """The URL of the keys. Raises FetchFailed."""
        if self._jwks_url is not None:
            return self._jwks_url
        assert self._issuer is not None, "the settings name it where they name no URL"
        found = await self._fetch(self._issuer.rstrip("/") + _DISCOVERY)
        if found.get("issuer") != self._issuer:
            raise FetchFailed(f"{self._issuer} says that it is the issuer {found.get('issuer')!r:.200}")
        url = found.get("jwks_uri")
        if not isinstance(url, str) or urlsplit(url).scheme not in ("https", urlsplit(self._issuer).scheme):
            raise FetchFailed(f"{self._issuer} names no usable jwks_uri, but {url!r:.200}")
        return url


def _usable(found: Mapping[str, Any]) -> Mapping[str | None, VerifyingKey]:
    """The keys of a set that can verify tokens, by their ids. Raises FetchFailed if there is none."""
    listed = found.get("keys")
    if not isinstance(listed, list):
        raise FetchFailed("the answer has no list of keys")
    usable: dict[str | None, VerifyingKey] = {}
    problems = []
    for jwk in listed[:_MOST_KEYS]:
        if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str | None):
            problems.append("a key is not an object with a text as its kid")
            continue
        try:
            usable[jwk.get("kid")] = published_key(jwk)
        except UnusableKey as error:
            problems.append(str(error))
    if not usable:
        raise FetchFailed(f"the key set has no usable key: {'; '.join(problems[:3]) or 'it is empty'}")
    return usable
