"""Answers to requests that need one answer and no stream, and to arrays of them. Nearly all are such.

Strawberry's own code, which handles every kind, takes twice as long.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from strawberry.types import ExecutionResult

from commander.schema.context import Context
from commander.schema.errors import is_request_error
from commander.schema.execution.operations import CommanderSchema
from commander.schema.http.departures import unless_gone
from commander.schema.http.negotiation import GRAPHQL_JSON, JSON, Accept
from commander.schema.http.requests import Batch, GivenRequest
from commander.schema.http.wire import HttpError, answer_of, encoded_json, error_of, status_of


class Answering:
    """Executes requests and answers them. A query ends when its client goes.

    A mutation does not: it may have done half of its work.
    """

    def __init__(self, schema: CommanderSchema) -> None:
        self._schema = schema

    async def one(self, context: Context, request: Request, data: GivenRequest) -> Response:
        """The one answer to a query or a mutation."""
        if not data.is_mutation:
            context.services.database.must_take_another()
        work = self._executed(context, data)
        result = await (work if data.is_mutation else unless_gone(request.receive, work))
        status, headers = 200, {"vary": "accept"}
        if request.method == "GET":
            headers["cache-control"] = "no-store"
        if is_request_error(result):
            status, more = status_of(result.errors or (), data.media_type)
            headers |= more
        media_type = f"{data.media_type}; charset=utf-8"
        return Response(encoded_json(answer_of(result)), status, headers, media_type)

    async def all(self, context: Context, request: Request, batch: Batch) -> Response:
        """The answers to an array of requests, in its order. Each has its own errors, and the status is 200.

        It is 429 if the client must slow down and no request was executed. Mutations run one after another,
        as their client wrote them. Queries alone run at the same time.
        """
        given = [one for one in batch if isinstance(one, GivenRequest)]
        mutates = any(one.is_mutation for one in given)
        if not mutates:
            context.services.database.must_take_another()

        async def executed() -> list[ExecutionResult]:
            if mutates:
                return [await self._executed(context, one) for one in given]
            return await asyncio.gather(*(self._executed(context, one) for one in given))

        results = await (executed() if mutates else unless_gone(request.receive, executed()))
        left = iter(results)
        answers = [error_of(one) if isinstance(one, HttpError) else answer_of(next(left)) for one in batch]
        status, headers = 200, {"vary": "accept"}
        if all(map(is_request_error, results)):
            errors = [error for result in results for error in result.errors or ()]
            status, more = status_of(errors, JSON)
            headers |= more
        media_type = Accept(request.headers.get("accept")).best((JSON, GRAPHQL_JSON)) or JSON
        return Response(encoded_json(answers), status, headers, f"{media_type}; charset=utf-8")

    async def _executed(self, context: Context, data: GivenRequest) -> ExecutionResult:
        return await self._schema.execute(
            data.query,
            variable_values=data.variables,
            context_value=context,
            operation_name=data.operation_name,
        )
