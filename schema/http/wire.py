"""JSON, and the HTTP answer to a request that has no result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from strawberry.types import ExecutionResult

from commander.schema.errors import BAD_REQUEST, is_request_error, message_and_extensions
from commander.schema.http.negotiation import GRAPHQL_JSON, JSON, Accept

_STATUS: Mapping[str, int] = {
    "UNAVAILABLE": 503,
    "OVERLOADED": 503,
    "INTERNAL": 500,
    "UNAUTHENTICATED": 401,
    "TOKEN_EXPIRED": 401,
}
_RETRY_AFTER_SECONDS = 5


class HttpError(HTTPException):
    """A request that is refused with an HTTP status. allow: the allowed methods."""

    code = BAD_REQUEST

    def __init__(self, status_code: int, reason: str, allow: str | None = None) -> None:
        super().__init__(status_code, reason)
        self.headers = {} if allow is None else {"allow": allow}


class PersistedQueryNotSupported(HttpError):
    """A client that sent only the hash of a document sends the document after this, and no hash again.

    Status, message and code are those of Apollo Server: clients know them.
    """

    code = "PERSISTED_QUERY_NOT_SUPPORTED"

    def __init__(self) -> None:
        super().__init__(200, "PersistedQueryNotSupported")
        self.headers = {"cache-control": "private, no-cache, must-revalidate"}


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
        if status == 503:
            headers["retry-after"] = str(extensions.get("retryAfterSeconds", _RETRY_AFTER_SECONDS))
        elif status == 401:
            headers["www-authenticate"] = (
                f'Bearer error="invalid_token", error_description="{_quotable(message)}"'
            )
    media_type = Accept(request.headers.get("accept")).best((JSON, GRAPHQL_JSON)) or JSON
    return JSONResponse(body, status_code=status, headers=headers, media_type=f"{media_type}; charset=utf-8")
