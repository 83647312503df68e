"""Content negotiation: the media type of an answer, and whether the media type of a request can be read.

https://graphql.github.io/graphql-over-http/draft/ and RFC 9110, section 12.5.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from strawberry.types.graphql import OperationType

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
MULTIPART = "multipart/mixed"

_STREAMS = (EVENT_STREAM, MULTIPART)
_CARRIERS: Mapping[OperationType | None, Sequence[str]] = {
    OperationType.QUERY: (JSON, GRAPHQL_JSON, EVENT_STREAM),
    OperationType.MUTATION: (JSON, GRAPHQL_JSON, EVENT_STREAM),
    OperationType.SUBSCRIPTION: _STREAMS,
    None: (JSON, GRAPHQL_JSON, EVENT_STREAM, MULTIPART),
}
_QUALITY = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True)
class _Range:
    """One part of an Accept header. place: its index in the header."""

    media: str
    parameters: Mapping[str, str]
    quality: float
    place: int

    def precision(self, media: str) -> int:
        """How exactly this range names a media type. 0 if it does not. A stream must be named in full."""
        if self.media == media:
            return 3 if media != MULTIPART or _is_subscription(self.parameters) else 0
        if media in _STREAMS:
            return 0
        if self.media == f"{media.partition('/')[0]}/*":
            return 2
        return 1 if self.media == "*/*" else 0


class Accept:
    """The media types that a client accepts. Without the header, or with an empty one: JSON."""

    def __init__(self, header: str | None) -> None:
        parts = [part for part in (header or "").split(",") if part.strip()] or [JSON]
        self._ranges = [_range(part, place) for place, part in enumerate(parts)]

    def best(self, media_types: Sequence[str]) -> str | None:
        """The media type that the client prefers. None if it accepts none of these.

        Among types of equal quality, a named type comes before one that a wildcard matches. Then the order in
        the header decides, then the order of the argument.
        """
        ranked = [
            (found.quality, found.precision(media), -found.place, -n, media)
            for n, media in enumerate(media_types)
            if (found := self._matching(media)) is not None and found.quality > 0
        ]
        return max(ranked)[-1] if ranked else None

    def _matching(self, media: str) -> _Range | None:
        """The range that names this media type most exactly. Its quality counts."""
        matching = [found for found in self._ranges if found.precision(media)]
        return max(matching, key=lambda found: (found.precision(media), -found.place), default=None)


@lru_cache(maxsize=256)  # clients send few different ones
def carrier(accept: str | None, operation: OperationType | None) -> str | None:
    """The best media type for the results of an operation, by this header. operation: None if unknown."""
    return Accept(accept).best(_CARRIERS[operation])


@lru_cache(maxsize=256)
def is_json(content_type: str | None) -> bool:
    """Whether a request of this content type can be read: application/json, in UTF-8."""
    media, parameters = _parsed(content_type or "")
    return media == JSON and parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8")


def _is_subscription(parameters: Mapping[str, str]) -> bool:
    """Whether these are the parameters of Apollo's multipart protocol for subscriptions."""
    boundary = parameters.get("boundary", "graphql")
    return parameters.get("subscriptionspec", "").startswith("1.0") and boundary == "graphql"


def _range(part: str, place: int) -> _Range:
    media, parameters = _parsed(part)
    quality = parameters.get("q", "")
    return _Range(media, parameters, float(quality) if _QUALITY.fullmatch(quality) else 1.0, place)


def _parsed(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = text.split(";")
    pairs = (parameter.partition("=") for parameter in rest)
    return media.strip().lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
