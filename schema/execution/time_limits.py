"""The limit of time of an operation, and of an item of a subscription."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from commander.resolvers.allowances import TimedOut
from commander.resolvers.time_limits import within
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
        return await within(seconds, work, remedy)
    except TimedOut as error:
        return PreExecutionError(data=None, errors=[typed(coerced(error))])


async def item_in_time(context: Context, work: Awaitable[T]) -> T:
    """The fields of one item of a subscription. Raises TimedOut."""
    return await within(context.services.limits.operation_seconds, work)
