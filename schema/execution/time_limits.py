"""The limit of time of an operation. Its statement in Postgres ends with it: the driver cancels that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from commander.resolvers.allowances import TimedOut
from commander.schema.context import Context
from commander.schema.errors import coerced, typed
from commander.schema.execution.gate import Admitted

T = TypeVar("T")


async def ended_in_time(admitted: Admitted, work: Awaitable[ExecutionResult]) -> ExecutionResult:
    """The answer, or the error TIMED_OUT. A mutation has the longest time that it may wait in addition."""
    limits = admitted.context.services.limits
    seconds, remedy = limits.operation_seconds, "ask for less"
    if admitted.operation.type is OperationType.MUTATION:
        seconds += limits.max_wait_seconds
        remedy = "its commands may have been stored; send them again under the same commandId"
    try:
        return await _within(seconds, work, remedy)
    except TimedOut as error:
        return PreExecutionError(data=None, errors=[typed(coerced(error))])


async def item_in_time(context: Context, work: Awaitable[T]) -> T:
    """The fields of one item of a subscription. Raises TimedOut."""
    seconds = context.services.limits.operation_seconds
    return await (_within(seconds, work, "ask for less") if seconds else work)


async def _within(seconds: float, work: Awaitable[T], remedy: str) -> T:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if limit.expired():
            raise TimedOut(seconds, remedy) from None
        raise
