"""The figures of the whole system, for operators."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from commander.resolvers.request_context import RequestContext
from commander.resolvers.services import Services
from commander.streaming.system.figures import System


async def system_now(context: RequestContext[Services]) -> System:
    """The figures of now. Raises Forbidden, and Unavailable."""
    context.must_operate()
    return await context.services.system.now()


def follow_system(context: RequestContext[Services]) -> AsyncGenerator[System, None]:
    """The figures, once a second. Raises Forbidden at once, and Unavailable later."""
    context.must_operate()
    return context.services.system.follow()
