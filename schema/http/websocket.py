"""WebSockets with both protocols, graphql-transport-ws and the legacy graphql-ws: checks and limits.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md: an invalid message ends the connection with
code 4400. The legacy protocol defines no such codes, so it uses the same ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from json import JSONDecodeError
from typing import Any

from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage as TransportInitMessage,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import SubscribeMessage
from strawberry.subscriptions.protocols.graphql_ws.handlers import BaseGraphQLWSHandler
from strawberry.subscriptions.protocols.graphql_ws.types import ConnectionInitMessage, StartMessage
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from commander.domain.errors import CommanderError
from commander.schema.context import Context
from commander.schema.execution.following import Followed, FollowedRows
from commander.schema.execution.gate import OperationRejected
from commander.schema.execution.operations import CommanderSchema
from commander.schema.execution.rendered import Rendered
from commander.schema.http.frames import WRITE_FRAMES, NextMessages
from commander.schema.http.messages import (
    NOTHING,
    closing_reason,
    is_longer,
    problem_of,
    refusal_of,
    refused,
    with_document,
)
from commander.schema.http.signing_in import SigningIn, ended_error
from commander.schema.http.wire import decoded_json

LARGEST_MESSAGE = 4
"""A message may be so many times as large as allowed, and only its operation is refused."""
_BAD_MESSAGE = 4400
_TOO_LARGE = 1009
_NO_INIT_IN_TIME = (4408, "Connection initialisation timeout")
_SECOND_INIT = (4429, "Too many initialisation requests")


class CheckedWebSocket(ASGIWebSocketAdapter):
    """Ends the connection on an invalid message. The reason says what is wrong with it.

    A message that begins an operation and is too large is given without it, with a reason that `refusal_of`
    finds.
    """

    view: Any
    _ended = False

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        limit = self.view.max_message_bytes
        while self.ws.application_state is not WebSocketState.DISCONNECTED:
            try:
                text = await self.ws.receive_text()
                message = decoded_json(text) if not is_longer(text, limit) else refused(text, limit)
                message = with_document(message, self.view.schema.gate.trusted)
            except WebSocketDisconnect:
                return
            except KeyError:
                await self.close(_BAD_MESSAGE, "a message must be text, not binary")
                return
            except JSONDecodeError as error:
                await self.close(_BAD_MESSAGE, f"the message is not JSON: {error}")
                return
            if message is NOTHING:
                await self.close(_TOO_LARGE, f"the message is larger than {limit} bytes")
                return
            if problem := problem_of(message):
                await self.close(_BAD_MESSAGE, problem)
                return
            if not self._ended:
                yield message

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Raises WebSocketDisconnected after either end has closed. That ends the sending operation."""
        if self._ended or self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        await super().send_json(message)

    async def send_page(self, messages: NextMessages, page: Sequence[Rendered]) -> None:
        """Sends rendered items. Returns when the client has taken most of them. Raises as send_json does."""
        if self._ended or self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        write = self.ws.scope.get("extensions", {}).get(WRITE_FRAMES)
        try:
            if write is None:
                for rendered in page:
                    await self.ws.send_text(messages.text(rendered))
            else:
                for frames in messages.frames(page):
                    await write(frames)
        except (WebSocketDisconnect, OSError) as error:
            raise WebSocketDisconnected from error

    async def end(self, messages: Iterable[Mapping[str, object]], code: int, reason: str) -> None:
        """Sends these messages, and nothing after them, and closes the connection."""
        self._ended = True
        with suppress(WebSocketDisconnected):
            for message in messages:
                if self.ws.application_state is WebSocketState.DISCONNECTED:
                    return
                await super().send_json(message)
            await self.close(code, reason)

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            await super().close(code, closing_reason(reason))


class TransportProtocol(BaseGraphQLTransportWSHandler[Context, None]):
    """graphql-transport-ws. Its errors have codes, and its rendered items are shared."""

    schema: CommanderSchema
    websocket: CheckedWebSocket

    async def handle(self) -> None:
        self._signing_in = SigningIn(self.websocket)
        with self._signing_in.until:
            await super().handle()

    async def handle_connection_init(self, message: TransportInitMessage) -> None:
        if not self.connection_init_received and not self.connection_timed_out:
            signed = await self._signing_in.signed_in(self.context, message.get("payload"), self._last)
            if isinstance(signed, CommanderError):
                await self._signing_in.refuse(signed)
                return
            self.context = signed
        await super().handle_connection_init(message)

    def _last(self, error: dict[str, Any]) -> Iterator[Mapping[str, object]]:
        """The error for each open operation. It is not an `error`, after which clients do not come back."""
        for id in tuple(self.operations):
            yield {"id": id, "type": "next", "payload": {"data": None, "errors": [error]}}

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        """Sends the answers until they end, the client completes, or the client leaves."""
        try:
            admitted = self.schema.gate.admit(
                operation.query, operation.variables, operation.operation_name, self.context
            )
            followed = self.schema.followed(admitted)
            if followed is not None:
                await self._follow(operation, followed)
            elif admitted.operation.type is OperationType.SUBSCRIPTION:
                await self._send(operation, self.schema.subscribed(admitted))
            else:
                await self._send_one(operation, await self.schema.executed(admitted))
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except OperationRejected as rejected:
            await operation.send_initial_errors(rejected.errors)
        except Exception as error:
            await self.handle_task_exception(error)
            with suppress(WebSocketDisconnected):
                await operation.send_operation_message({"id": operation.id, "type": "complete"})

    async def _follow(self, operation: Operation[Context, None], followed: Followed | FollowedRows) -> None:
        """Sends items as they come, as frames if the server accepts them. Raises OperationRejected."""
        messages = NextMessages(operation.id)
        began = False
        try:
            async with aclosing(followed.pages()) as pages:
                async for page in pages:
                    began = True
                    await self.websocket.send_page(messages, page)
        except OperationRejected as ended:
            if not began:
                raise
            await operation.send_next(ExecutionResult(data=None, errors=ended.errors))

    async def _send(
        self, operation: Operation[Context, None], answers: AsyncGenerator[ExecutionResult, None]
    ) -> None:
        async with aclosing(answers):
            async for answer in answers:
                await self._send_one(operation, answer)

    async def _send_one(self, operation: Operation[Context, None], answer: ExecutionResult) -> None:
        """Raises OperationRejected for the answer to an operation that was not executed."""
        if isinstance(answer, PreExecutionError):
            raise OperationRejected(answer.errors or ())
        await operation.send_next(answer)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        limit = self.max_subscriptions_per_connection
        is_new = self.connection_acknowledged and message["id"] not in self.operations
        if is_new and (why := refusal_of(message)) is not None:
            await self.send_message({"id": message["id"], "type": "error", "payload": [why]})
        elif is_new and limit is not None and len(self.operations) >= limit:
            await self.send_message({"id": message["id"], "type": "error", "payload": [_at_limit(limit)]})
        else:
            await super().handle_subscribe(message)

    async def handle_task_exception(self, error: Exception) -> None:
        """Does not log a client that leaves while something is sent to it."""
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)


class LegacyProtocol(BaseGraphQLWSHandler[Context, None]):
    """graphql-ws, the protocol of subscriptions-transport-ws, with the limits of graphql-transport-ws."""

    websocket: CheckedWebSocket

    async def handle(self) -> None:
        waiting = asyncio.create_task(self._expect_init())
        self._signing_in = SigningIn(self.websocket)
        try:
            with self._signing_in.until:
                await super().handle()
        finally:
            waiting.cancel()

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        if self.connection_acknowledged:
            await self.websocket.close(*_SECOND_INIT)
            return
        signed = await self._signing_in.signed_in(self.context, message.get("payload"), self._last)
        if isinstance(signed, CommanderError):
            await self.send_message({"type": "connection_error", "payload": ended_error(signed)})
            await self._signing_in.refuse(signed)
            return
        self.context = signed
        await super().handle_connection_init(message)

    def _last(self, error: dict[str, Any]) -> Iterator[Mapping[str, object]]:
        """The error for each open operation."""
        for id in tuple(self.tasks):
            yield {"id": id, "type": "data", "payload": {"data": None, "errors": [error]}}

    async def handle_start(self, message: StartMessage) -> None:
        limit = self.max_subscriptions_per_connection
        is_new = self.connection_acknowledged and message["id"] not in self.tasks
        if is_new and (why := refusal_of(message)) is not None:
            await self.send_message({"id": message["id"], "type": "error", "payload": why})
        elif is_new and limit is not None and len(self.tasks) >= limit:
            await self.send_message({"id": message["id"], "type": "error", "payload": _at_limit(limit)})
        else:
            await super().handle_start(message)

    async def handle_async_results(self, *args: Any, **kwargs: Any) -> None:
        """Does not log a client that leaves while an operation sends to it."""
        with suppress(WebSocketDisconnected):
            await super().handle_async_results(*args, **kwargs)

    async def _expect_init(self) -> None:
        await asyncio.sleep(self.view.connection_init_wait_timeout.total_seconds())
        if not self.connection_acknowledged:
            await self.websocket.close(*_NO_INIT_IN_TIME)


def _at_limit(limit: int) -> Any:
    message = f"this connection has {limit} open operations, which is its limit"
    return {"message": message, "extensions": {"code": "OVERLOADED"}}
