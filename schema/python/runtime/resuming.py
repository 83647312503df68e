"""One subscription through whatever happens to its connections."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from commander.schema.python.runtime.errors import Interrupted, RequestRefused, failure
from commander.schema.python.runtime.transport import Request, Transport
from commander.schema.python.runtime.waiting import Closing, Patience, backoff


async def subscribed(
    transport: Transport, request: Callable[[], Request], patience: Patience, closing: Closing
) -> AsyncGenerator[dict[str, Any], None]:
    """The data of each answer. Subscribes again and again until the client is closed.

    request: asked before each attempt, so that it can have the newest cursor.

    Raises CursorLost and RequestRefused.
    """
    ever_lived = False
    failed = 0
    while not closing.closed:
        lived = False
        error = Interrupted("the stream was ended")
        try:
            async with aclosing(transport.subscribe(request(), patience.silence_seconds)) as results:
                while True:
                    result = await closing.unless_closed(anext(results))
                    data = result.get("data")
                    if not data or all(value is None for value in data.values()):
                        raise failure(result.get("errors") or [])
                    lived = ever_lived = True
                    yield data
        except StopAsyncIteration:
            pass
        except TimeoutError:
            assert closing.closed, "a transport raises Interrupted"
        except Interrupted as interrupted:
            error = interrupted
        if closing.closed:
            return
        if (error.access and not lived) or (error.suspect and not ever_lived):
            raise RequestRefused(str(error), error.code) from error
        failed = 0 if lived else failed + 1
        patience.on_break(error)
        await closing.pause(backoff(failed, patience.longest_pause_seconds, error.retry_after_seconds))
