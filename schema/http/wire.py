"""JSON, and the HTTP answer to a request that has no result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from commander.schema.errors import BAD_REQUEST, message_and_extensions
from commander.schema.http.negotiation import GRAPHQL_JSON, JSON, Accept

_STATUS: Mapping[str, int] = {"UNAVAILABLE": 503, "OVERLOADED": 503, "INTERNAL": 500}
_RETRY_AFTER_SECONDS = 5


class HttpError(HTTPException):
    """A request that is refused with an HTTP status. allow: the allowed methods."""

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


def request_in_body(data: str | bytes) -> dict[str, Any]:
    """The request in a body. Raises HttpError."""
    try:
        parsed = decoded_json(data)
    except json.JSONDecodeError as error:
        raise HttpError(400, f"the request is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        hint = "; submit takes many commands" if isinstance(parsed, list) else ""
        raise HttpError(400, f"the request must be a JSON object with a query{hint}")
    return parsed


def encoded_json(data: object) -> str:
    """The value as JSON on one line."""
    try:
        return msgspec.json.encode(data).decode()
    except UnicodeEncodeError:  # an error message with lone surrogates from a client
        return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace").decode()


def http_status_of(code: str) -> int:
    """The HTTP status for an error with this code, for an operation that was not executed."""
    return _STATUS.get(code, 400)


def error_response(request: Request, error: Exception) -> Response:
    """The error answer to a request without a result, in a JSON media type that the client accepts."""
    headers = {"vary": "accept"}
    if isinstance(error, HTTPException):
        status, message, extensions = error.status_code, error.reason, {"code": BAD_REQUEST}
        headers |= getattr(error, "headers", {})
    else:
        message, extensions = message_and_extensions(error)
        status = http_status_of(extensions["code"])
    if status == 503:
        headers["retry-after"] = str(extensions.get("retryAfterSeconds", _RETRY_AFTER_SECONDS))
    media_type = Accept(request.headers.get("accept")).best((JSON, GRAPHQL_JSON)) or JSON
    body = {"errors": [{"message": message, "extensions": extensions}]}
    return JSONResponse(body, status_code=status, headers=headers, media_type=f"{media_type}; charset=utf-8")
