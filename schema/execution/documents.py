"""From a document's text to what may be executed: parsed, held to the limits, validated, once per text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    validate,
    visit,
)
from strawberry.types.graphql import OperationType

from commander.schema.errors import BAD_REQUEST
from commander.schema.execution.limits import MAX_NESTING, MAX_TOKENS, excess_of, nesting_of

_KEPT = 128
"""How many documents are kept; one may take a megabyte."""
_KEEP_UP_TO = 16 * 1024
"""Longer texts than this are not kept: they carry their values inside and will hardly come again."""


@dataclass(frozen=True, eq=False)
class Document:
    """errors: why it must not be executed; without them there is a tree."""

    tree: DocumentNode | None
    errors: tuple[GraphQLError, ...] = ()
    text: str = ""

    @cached_property
    def _operations(self) -> dict[str | None, OperationType]:
        definitions = self.tree.definitions if self.tree else ()
        return {
            definition.name.value if definition.name else None: OperationType(definition.operation.value)
            for definition in definitions
            if isinstance(definition, OperationDefinitionNode)
        }

    def refusal(self, operation_name: object) -> list[GraphQLError]:
        """Why the operation of this name must not be executed; empty if it may."""
        if self.errors or self.tree is None:
            return list(self.errors)
        names = list(self._operations)
        if operation_name is None:
            if len(names) == 1:
                return []
            return [_refused("the document has no operation" if not names else _name_one(names))]
        if operation_name in names:
            return []
        return [_refused(f"the document has no operation of the name {operation_name!r:.100}")]

    def operation_type(self, operation_name: str | None) -> OperationType:
        """The type of an operation that is not refused."""
        if operation_name is None:
            return next(iter(self._operations.values()))
        return self._operations[operation_name]

    def uses_of(self, variable: str) -> int:
        """In how many places a variable is used, its definitions aside."""
        return self._uses[variable]

    @cached_property
    def _uses(self) -> Counter[str]:
        uses: Counter[str] = Counter()
        if self.tree is not None:
            visit(self.tree, _CountVariables(uses))
        return uses


class _CountVariables(Visitor):
    def __init__(self, uses: Counter[str]) -> None:
        super().__init__()
        self._uses = uses

    def enter_variable(self, node: VariableNode, _key: object, parent: object, *_: object) -> None:
        if not isinstance(parent, VariableDefinitionNode):
            self._uses[node.name.value] += 1


class Documents:
    """Reads documents for one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._kept = lru_cache(maxsize=_KEPT)(self._read)

    def read(self, text: object) -> Document:
        """The document of this text; never raises."""
        if not isinstance(text, str) or not text:
            return Document(None, (_refused("the request has no query"),))
        return self._kept(text) if len(text) <= _KEEP_UP_TO else self._read(text)

    def _read(self, text: str) -> Document:
        nesting = nesting_of(text)
        if nesting > MAX_NESTING:
            message = f"the document is nested {nesting} deep; {MAX_NESTING} is the limit"
            return Document(None, (_refused(message),))
        try:
            tree = parse(text, max_tokens=MAX_TOKENS)
        except GraphQLError as error:
            return Document(None, (_coded(error),))
        excess = excess_of(tree)
        if excess is not None:
            return Document(None, (_refused(excess),))
        return Document(tree, tuple(_coded(error) for error in validate(self._schema, tree)), text)


def _refused(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": BAD_REQUEST})


def _coded(error: GraphQLError) -> GraphQLError:
    """The error with its code, and plain: Strawberry ends a whole WebSocket over a GraphQLSyntaxError."""
    return GraphQLError(
        error.message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        extensions={"code": BAD_REQUEST},
    )


def _name_one(names: list[str | None]) -> str:
    told = ", ".join(name or "one without a name" for name in names)
    return f"the document has {len(names)} operations; operationName must name one of {told:.200}"
