"""Reading a request: its form, the media type of its answer, and arrays of requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from strawberry.http import GraphQLRequestData, GraphQLRequestProtocol
from strawberry.types.graphql import OperationType

from commander.schema.execution.gate import Gate
from commander.schema.http.document_ids import text_for
from commander.schema.http.negotiation import EVENT_STREAM, JSON, MULTIPART, carrier, is_json
from commander.schema.http.wire import HttpError, value_in_body

MAX_BATCH = 10
"""The most requests in an array. Apollo's link for arrays sends at most as many."""
_MAX_REFUSALS = 100
"""An array that is too long, but not longer than this, has the refusal once for each request.

If there are not as many answers as requests, Apollo's link tells its user their numbers, and no message.
"""
_NEEDS_STREAM = (
    "a subscription needs a stream: a WebSocket with the subprotocol graphql-transport-ws, or the header "
    "Accept: text/event-stream, or Accept: multipart/mixed;subscriptionSpec=1.0"
)
_STREAM_PROTOCOLS: Mapping[str, GraphQLRequestProtocol] = {
    EVENT_STREAM: "sse",
    MULTIPART: "multipart-subscription",
}


@dataclass
class GivenRequest(GraphQLRequestData):
    """A request, the media type of its answer, and whether it is a mutation."""

    media_type: str = JSON
    is_mutation: bool = False


Batch = Sequence[GivenRequest | HttpError]
"""The requests of an array. An HttpError stands for one that is refused; the others are answered."""


def posted(gate: Gate, headers: Mapping[str, str], body: bytes | str) -> GivenRequest | Batch:
    """The request in a body, or the requests of an array. Raises HttpError for a wrong form."""
    if not is_json(headers.get("content-type")):
        raise HttpError(415, "the request's content-type must be application/json, in UTF-8")
    given = value_in_body(body)
    if not isinstance(given, list):
        return checked(gate, given, "POST", headers)
    if not 1 <= len(given) <= MAX_BATCH:
        refused = HttpError(400, f"an array must have from 1 to {MAX_BATCH} requests, got {len(given)}")
        if not 1 <= len(given) <= _MAX_REFUSALS:
            raise refused
        return [refused] * len(given)
    return [_of_batch(gate, one, headers) for one in given]


def _of_batch(gate: Gate, given: object, headers: Mapping[str, str]) -> GivenRequest | HttpError:
    try:
        read = checked(gate, given, "POST", headers)
    except HttpError as error:
        return error
    return read if read.protocol == "http" else HttpError(406, "a request in an array cannot have a stream")


def checked(gate: Gate, data: object, method: str, headers: Mapping[str, str]) -> GivenRequest:
    """The request, with the media type of its answer. Raises HttpError for a wrong form."""
    if not isinstance(data, dict):
        raise HttpError(400, "the request must be a JSON object with a query")
    query, name = data.get("query"), data.get("operationName")
    if not query:
        query = text_for(data, gate.trusted)
    if not isinstance(query, str) or not query:
        raise HttpError(400, "the request has no query" if not query else "query must be a string")
    if not isinstance(name, str | None):
        raise HttpError(400, "operationName must be a string")
    for part in ("variables", "extensions"):
        if not isinstance(data.get(part), dict | None):
            raise HttpError(400, f"{part} must be an object")
    operation = gate.operation_type(query, name)
    if operation is OperationType.MUTATION and method == "GET":
        raise HttpError(405, "mutations are not allowed when using GET", "POST")
    media_type = carrier(headers.get("accept"), operation)
    if media_type is None:
        needs_stream = operation is OperationType.SUBSCRIPTION
        raise HttpError(
            406, _NEEDS_STREAM if needs_stream else "the Accept header must allow application/json"
        )
    return GivenRequest(
        query=query,
        variables=data.get("variables"),
        operation_name=name,
        extensions=data.get("extensions"),
        protocol=_STREAM_PROTOCOLS.get(media_type, "http"),
        media_type=media_type,
        is_mutation=operation is OperationType.MUTATION,
    )
