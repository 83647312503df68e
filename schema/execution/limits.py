"""The limits of a document and of a request body. They are checked before the work is done."""

from __future__ import annotations

import json
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Token,
    TokenKind,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_NESTING = 64
"""The deepest nesting of brackets in a document, also through its fragments: executing it recurses."""
MAX_TOKENS = 2000
"""The most tokens, and the most comments: some validation rules compare each field with every other."""
MAX_DEPTH = 20
"""The deepest nesting of fields in fields."""
MAX_ALIASES = 100
"""The most aliases of an operation. An alias in a fragment counts once per spread."""

MAX_NAME = 200
"""The longest name, in characters: an error about an unknown name compares it with all that are known."""

_OPENING = frozenset({TokenKind.BRACE_L, TokenKind.PAREN_L, TokenKind.BRACKET_L})
_CLOSING = frozenset({TokenKind.BRACE_R, TokenKind.PAREN_R, TokenKind.BRACKET_R})


def excess_of_tokens(document: DocumentNode) -> str | None:
    """The limit that the tokens of this document exceed, as a message. None if there is none."""
    assert document.loc is not None, "the parser records locations"
    token: Token | None = document.loc.start_token
    depth = 0
    while token is not None:
        if token.kind in _OPENING:
            depth += 1
            if depth > MAX_NESTING:
                return f"the document is nested more than {MAX_NESTING} deep"
        elif token.kind in _CLOSING:
            depth -= 1
        elif token.kind is TokenKind.NAME and (length := token.end - token.start) > MAX_NAME:
            return f"line {token.line} has a name of {length} characters; {MAX_NAME} is the limit"
        token = token.next
    return None


@dataclass(frozen=True)
class _Cost:
    """The cost of a selection set: nesting of brackets, nesting of fields, aliases."""

    nesting: int = 0
    depth: int = 0
    aliases: int = 0


class _TooDeep(Exception):
    """The document is nested deeper than MAX_NESTING through its fragments."""


def excess_of(document: DocumentNode) -> str | None:
    """The limit that an operation of this document exceeds, as a message. None if there is none."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    walk = _Walk(fragments)
    for operation in document.definitions:
        if not isinstance(operation, OperationDefinitionNode):
            continue
        try:
            cost = walk.selections(operation.selection_set, 1)
        except _TooDeep:
            return f"the document is nested more than {MAX_NESTING} deep through its fragments"
        if cost.depth > MAX_DEPTH:
            return f"fields are nested {cost.depth} deep; {MAX_DEPTH} is the limit"
        if cost.aliases > MAX_ALIASES:
            return f"the operation has more than {MAX_ALIASES} aliases"
    return None


class _Walk:
    """Adds up costs. It visits each fragment once, however often the fragment is spread.

    One visit per spread would take 2^n steps for n fragments that each spread the next one twice.
    """

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._costs: dict[str, _Cost] = {}

    def selections(self, node: SelectionSetNode | None, level: int) -> _Cost:
        if node is None:
            return _Cost()
        if level > MAX_NESTING:
            raise _TooDeep
        nesting = depth = aliases = 0
        for selection in node.selections:
            match selection:
                case FieldNode(alias=alias, selection_set=inner):
                    cost = self.selections(inner, level + 1)
                    cost = _Cost(cost.nesting, cost.depth + (inner is not None), cost.aliases)
                    aliases += alias is not None
                case FragmentSpreadNode(name=name):
                    cost = self._fragment(name.value, level + 1)
                case InlineFragmentNode(selection_set=inner):
                    cost = self.selections(inner, level + 1)
                case _:
                    raise AssertionError(f"GraphQL has no selection of the kind {selection.kind}")
            nesting = max(nesting, cost.nesting)
            depth = max(depth, cost.depth)
            aliases += cost.aliases
        return _Cost(nesting + 1, depth, aliases)

    def _fragment(self, name: str, level: int) -> _Cost:
        if name not in self._costs:
            fragment = self._fragments.get(name)
            self._costs[name] = _Cost()  # for a cycle or an unknown name; validation refuses both
            if fragment is not None:
                self._costs[name] = self.selections(fragment.selection_set, level)
        cost = self._costs[name]
        if level + cost.nesting > MAX_NESTING + 1:
            raise _TooDeep
        return cost


class BodyLimit:
    """Answers 413 to a request body above the limit, without reading all of it."""

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
        if body["type"] != "http.request":
            return  # the client has gone
        await self._app(scope, _replayed(body, receive), send)

    async def _body(self, receive: Receive) -> Message | None:
        """The whole body as one message. None if it exceeds the limit. Another message if the client goes."""
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
    """A receive that returns the body that was read, then the next messages (a disconnect)."""
    returned = False

    async def replay() -> Message:
        nonlocal returned
        if returned:
            return await receive()
        returned = True
        return body

    return replay
