"""JSON, and the HTTP answer to a request that has no result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from cross_web import HTTPException
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from strawberry.types import ExecutionResult

from commander.schema.errors import BAD_REQUEST, RATE_LIMITED, is_request_error, message_and_extensions
from commander.schema.http.negotiation import GRAPHQL_JSON, JSON, Accept

_STATUS: Mapping[str, int] = {
    "UNAVAILABLE": 503,
    "OVERLOADED": 503,
    RATE_LIMITED: 429,
    "TIMED_OUT": 504,
    "DOCUMENT_NOT_TRUSTED": 403,
    "INTERNAL": 500,
    "UNAUTHENTICATED": 401,
    "TOKEN_EXPIRED": 401,
}
_TRY_AGAIN = (429, 503)
_RETRY_AFTER_SECONDS = 5


class HttpError(HTTPException):
    """A request that is refused with an HTTP status. allow: the allowed methods."""

    code = BAD_REQUEST

    def __init__(self, status_code: int, reason: str, allow: str | None = None) -> None:
        super().__init__(status_code, reason)
        self.headers = {} if allow is None else {"allow": allow}


def decoded_json(data: str | bytes) -> object:
    """The value of a JSON text. Raises json.JSONDecodeError for any text that cannot be read."""
    try:
        return json.loads(data)
    except json.JSONDecodeError:
        raise
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("it is not UTF-8", "", error.start) from error
    except RecursionError as error:
        raise json.JSONDecodeError("it is nested too deep", "", 0) from error
    except ValueError as error:
        raise json.JSONDecodeError("a number has too many digits", "", 0) from error


def request_in_url(params: Mapping[str, str | None]) -> dict[str, Any]:
    """The request in the parameters of a URL. Raises HttpError."""
    given: dict[str, Any] = dict(params)
    for name in ("variables", "extensions"):
        if text := given.get(name):
            try:
                given[name] = decoded_json(text)
            except json.JSONDecodeError as error:
                raise HttpError(400, f"{name} is not JSON: {error}") from error
    return given


def value_in_body(data: str | bytes) -> object:
    """The JSON value in a body. Raises HttpError."""
    try:
        return decoded_json(data)
    except json.JSONDecodeError as error:
        raise HttpError(400, f"the request is not JSON: {error}") from error


def encoded_json(data: object) -> str:
    """The value as JSON on one line."""
    try:
        return msgspec.json.encode(data).decode()
    except UnicodeEncodeError:  # an error message with lone surrogates from a client
        return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace").decode()


def answer_of(result: ExecutionResult) -> dict[str, Any]:
    """A result as a GraphQL response. An operation that was not executed has no data."""
    answer: dict[str, Any] = {}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    if not is_request_error(result):
        answer["data"] = result.data
    if result.extensions:
        answer["extensions"] = result.extensions
    return answer


def http_status_of(code: str) -> int:
    """The HTTP status for an error with this code, for an operation that was not executed."""
    return _STATUS.get(code, 400)


def status_of(errors: Sequence[GraphQLError], media_type: str) -> tuple[int, dict[str, str]]:
    """The status and the headers for an operation that was not executed.

    As application/json it has status 200, except for a client that has to slow down: gateways and clients
    that know no GraphQL heed 429.
    """
    found = [(http_status_of(code), one) for one in map(_extensions, errors) if (code := one.get("code", ""))]
    status, extensions = max(found, key=lambda one: one[0], default=(400, {}))
    if media_type != GRAPHQL_JSON and status != 429:
        return 200, {}
    return status, _retry_after(status, extensions)


def _extensions(error: GraphQLError) -> dict[str, Any]:
    return error.extensions or {}


def _retry_after(status: int, extensions: Mapping[str, Any]) -> dict[str, str]:
    if status not in _TRY_AGAIN:
        return {}
    return {"retry-after": str(extensions.get("retryAfterSeconds", _RETRY_AFTER_SECONDS))}


def error_of(error: HTTPException) -> dict[str, Any]:
    """The answer to a request that is refused."""
    code = getattr(error, "code", BAD_REQUEST)
    return {"errors": [{"message": error.reason, "extensions": {"code": code}}]}


def _quotable(message: str) -> str:
    """The message as RFC 6750 allows it in a header."""
    return "".join(char if " " <= char <= "~" and char not in '"\\' else "'" for char in message)


def error_response(request: Request, error: Exception) -> Response:
    """The error answer to a request without a result, in a JSON media type that the client accepts."""
    headers = {"vary": "accept"}
    if isinstance(error, HTTPException):
        status, body = error.status_code, error_of(error)
        headers |= getattr(error, "headers", {})
    else:
        message, extensions = message_and_extensions(error)
        status = http_status_of(extensions["code"])
        body = {"errors": [{"message": message, "extensions": extensions}]}
        headers |= _retry_after(status, extensions)
        if status == 401:
            headers["www-authenticate"] = (
                f'Bearer error="invalid_token", error_description="{_quotable(message)}"'
            )
    media_type = Accept(request.headers.get("accept")).best((JSON, GRAPHQL_JSON)) or JSON
    return JSONResponse(body, status_code=status, headers=headers, media_type=f"{media_type}; charset=utf-8")
