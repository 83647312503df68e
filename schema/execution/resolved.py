"""Subscriptions that a resolver serves: graphql-core resolves the fields of each item."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from graphql import ExecutionResult, GraphQLSchema, create_source_event_stream, map_source_to_response_event
from graphql.execution import Executor, execute_subscription_event
from graphql.pyutils import AwaitableOrValue

from commander.schema.context import Context
from commander.schema.errors import MAX_ERRORS
from commander.schema.execution.following import Subscriber
from commander.schema.execution.gate import Admitted, OperationRejected
from commander.schema.execution.time_limits import item_in_time


@dataclass(frozen=True)
class Resolved(Subscriber[ExecutionResult]):
    """A subscription whose items graphql-core resolves."""

    results: AsyncIterator[ExecutionResult]

    def _source(self) -> AsyncGenerator[ExecutionResult, None]:
        assert isinstance(self.results, AsyncGenerator), (
            "graphql-core returns an async generator for a subscription"
        )
        return self.results


async def resolved(
    schema: GraphQLSchema, executor_class: type[Executor[Any]], admitted: Admitted
) -> Resolved:
    """The subscriber of an operation. Raises OperationRejected if its variables or arguments are invalid."""
    operation = admitted.operation
    executor = executor_class.build(
        schema,
        operation.tree,
        context_value=admitted.context,
        raw_variable_values=admitted.variables,
        operation_name=operation.name,
        max_coercion_errors=MAX_ERRORS,
        hide_suggestions=True,
    )
    if isinstance(executor, list):
        raise OperationRejected(operation.suggesting(executor, admitted.variables))
    source = create_source_event_stream(executor)
    if inspect.isawaitable(source):
        source = await source
    if isinstance(source, ExecutionResult):
        raise OperationRejected(source.errors or (), admitted.context.operates)
    in_time = partial(_item, admitted.context)
    return Resolved(admitted, map_source_to_response_event(executor, source, in_time))


def _item(context: Context, executor: Executor[Any]) -> AwaitableOrValue[ExecutionResult]:
    """The fields of one item, within its limit of time."""
    result = execute_subscription_event(executor)
    return item_in_time(context, result) if inspect.isawaitable(result) else result
