"""Whether a page of another site may have made a browser send a request: cross-site request forgery.

A browser asks the API first (a preflight, see CORS) before it sends a request of another origin that has a
header or a content type of its own choice. POST needs such a content type. An operation by GET must show
with another header that its sender was allowed, or that it is not from a page of another origin. The headers
are those that clients of Apollo send. https://www.apollographql.com/docs/graphos/routing/security/csrf
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from strawberry.http.websocket_origin import is_same_origin, normalize_origin

from commander.schema.http.wire import HttpError

_ASKED_FIRST = ("apollo-require-preflight", "x-apollo-operation-name")
_SENT_WITHOUT_ASKING = ("", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
"""https://fetch.spec.whatwg.org/#cors-safelisted-request-header"""
_OWN = ("same-origin", "none")
"""https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header; none: the user has typed the URL."""


class Forged(HttpError):
    """A page of another origin may have sent this operation."""

    code = "FORBIDDEN"

    def __init__(self) -> None:
        names = ", ".join(_ASKED_FIRST)
        super().__init__(
            403,
            "an operation by GET that may come from a page of another site is refused; send the header "
            f"content-type: application/json, or with one of these: {names}",
        )


def must_not_be_forged(headers: Mapping[str, str], origins: Collection[str], *, strict: bool) -> None:
    """Raises Forged for an operation by GET that a page of another origin may have made a browser send.

    origins: whose pages may. strict: the request must have a header that browsers ask for first; otherwise
    one without any sign of a browser passes.
    """
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in _SENT_WITHOUT_ASKING or any(headers.get(name) for name in _ASKED_FIRST):
        return
    if strict or not _is_own(headers, origins):
        raise Forged


def _is_own(headers: Mapping[str, str], origins: Collection[str]) -> bool:
    origin = headers.get("origin")
    if origin is not None and ("*" in origins or normalize_origin(origin) in origins):
        return True
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in _OWN
    return origin is None or is_same_origin(origin, headers.get("host"))
