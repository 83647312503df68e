"""What a document or a body may cost, told before it is paid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from graphql import GraphQLError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from strawberry.extensions import SchemaExtension

MAX_NESTING = 64
"""How deep brackets may nest in a document's text; the parser descends once for each."""

_SKIPPED = re.compile(r'"""(?:\\"""|.)*?"""|"(?:\\.|[^"\\\n])*"|#[^\n]*|([{(\[])|([})\]])', re.DOTALL)


class NestingLimit(SchemaExtension):
    """Refuses a document nested too deep before it is parsed."""

    def on_operation(self) -> Iterator[None]:
        depth = nesting_of(self.execution_context.query or "")
        if depth > MAX_NESTING:
            raise GraphQLError(
                f"the document is nested {depth} deep; {MAX_NESTING} is the limit",
                extensions={"code": "BAD_REQUEST"},
            )
        yield


def nesting_of(document: str) -> int:
    """How deep the brackets of a document nest, outside of strings and comments."""
    depth = deepest = 0
    for match in _SKIPPED.finditer(document):
        if match.group(1):
            depth += 1
            deepest = max(deepest, depth)
        elif match.group(2):
            depth -= 1
    return deepest


class BodyLimit:
    """Answers 413 to a request body above the limit, without reading it to its end."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > self._max_bytes:
            await self._refuse(send)
            return
        body = await self._body(receive)
        if body is None:
            await self._refuse(send)
            return
        await self._app(scope, _replayed(body, receive), send)

    async def _body(self, receive: Receive) -> Message | None:
        """The whole body as one message; None when it is above the limit."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_bytes:
                return None
            if not message.get("more_body", False):
                return {"type": "http.request", "body": b"".join(parts), "more_body": False}

    async def _refuse(self, send: Send) -> None:
        text = f"the request body is larger than {self._max_bytes} bytes"
        body = json.dumps({"errors": [{"message": text, "extensions": {"code": "BAD_REQUEST"}}]}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _replayed(body: Message, receive: Receive) -> Receive:
    """A receive that gives the body that was read, then what comes after it (a disconnect)."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return body

    return replay
