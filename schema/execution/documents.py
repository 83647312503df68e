"""From the text of a document to operations: parse, check the limits, validate. Done once per text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    Source,
    SourceLocation,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_variable_values,
    parse,
    validate,
    visit,
)
from strawberry.types.graphql import OperationType

from commander.schema.errors import BAD_REQUEST, MAX_ERRORS, bounded, shortened, suggesting
from commander.schema.execution.cost import Price
from commander.schema.execution.limits import MAX_TOKENS, excess_of, excess_of_tokens
from commander.schema.execution.selections import SelectedField, selected_fields
from commander.schema.naming import PLAIN, Naming

_KEPT = 128
"""How many documents are cached. One can take a megabyte."""
_IN_PARTS = {
    "defer": "an answer comes in one piece; remove the directive, or ask for the fields in a second query",
    "stream": "an answer comes in one piece; remove the directive, and ask for pages with `first`",
}
"""The directives for answers in several parts, and what to do without them."""
_KEEP_UP_TO = 16 * 1024
"""The longest text that is cached. Longer texts usually contain values and do not come again."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation of a document that is valid and within the limits. tree, text: of the whole document."""

    schema: GraphQLSchema
    tree: DocumentNode
    text: str
    definition: OperationDefinitionNode
    type: OperationType
    naming: Naming = PLAIN

    @cached_property
    def name(self) -> str | None:
        return self.definition.name.value if self.definition.name else None

    @cached_property
    def fields(self) -> tuple[SelectedField, ...]:
        """All fields that the operation selects. Computed once."""
        return selected_fields(self.schema, self.tree, self.definition)

    @cached_property
    def price(self) -> Price:
        """What it can cost. Computed once."""
        definitions = self.tree.definitions
        fragments = {d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)}
        return Price(self.schema, fragments, self.definition)

    @cached_property
    def parts_of_outcomes(self) -> frozenset[str]:
        """The fields of CommandApplied with fields of their own, such as rows, that it selects anywhere."""
        applied = self.naming.type("CommandApplied")
        return frozenset(
            field.name
            for field in self.fields
            if field.parent == applied and field.node.selection_set is not None
        )

    def uses_of(self, variable: str) -> int:
        """In how many places a variable is used. Its definition does not count."""
        return self._uses[variable]

    def suggesting(
        self, errors: Sequence[GraphQLError], variables: dict[str, Any] | None
    ) -> list[GraphQLError]:
        """These errors of the variables, which suggest no names. The first few do."""

        def again(most: int) -> Sequence[GraphQLError]:
            definitions = self.definition.variable_definitions or ()
            found = get_variable_values(self.schema, definitions, variables or {}, max_errors=most)
            return found if isinstance(found, list) else errors

        return suggesting(errors, again)

    @cached_property
    def introspects(self) -> bool:
        """Whether it selects `__schema` or `__type`."""
        return any(field.name in ("__schema", "__type") for field in self.fields)

    def wrong_variables(self, variables: dict[str, Any] | None) -> list[GraphQLError]:
        """What is wrong with the variables, by the schema of the document."""
        definitions = self.definition.variable_definitions or ()
        found = get_variable_values(
            self.schema, definitions, variables or {}, max_errors=MAX_ERRORS, hide_suggestions=True
        )
        return self.suggesting(found, variables) if isinstance(found, list) else []

    @cached_property
    def _uses(self) -> Counter[str]:
        uses: Counter[str] = Counter()
        visit(self.tree, _CountVariables(uses))
        return uses


class Document:
    """A document. It has either operations, or the errors that forbid to execute it."""

    def __init__(
        self,
        operations: Sequence[Operation] = (),
        errors: Sequence[GraphQLError] = (),
        definitions: Sequence[OperationDefinitionNode] = (),
    ) -> None:
        """definitions: of its operations, also if it is invalid."""
        self.errors = tuple(errors)
        self._types = {
            one.name.value if one.name else None: OperationType(one.operation.value) for one in definitions
        }
        self._by_name = {operation.name: operation for operation in operations}
        self._only = operations[0] if len(operations) == 1 else None

    @property
    def names(self) -> list[str | None]:
        """The names of its operations. None stands for one without a name."""
        return list(self._by_name)

    def type_by_text(self, name: str | None) -> OperationType | None:
        """The type of the operation of this name, also of an invalid one. Without a name: of the only one."""
        if name is None and len(self._types) == 1:
            return next(iter(self._types.values()))
        return self._types.get(name)

    def operation(self, name: object) -> Operation | list[GraphQLError]:
        """The operation of this name, or the errors. Without a name: the only operation."""
        if self.errors:
            return list(self.errors)
        if name is None:
            return self._only or [_bad_request(_name_one(list(self._by_name)))]
        found = self._by_name.get(name) if isinstance(name, str) else None
        return found or [_bad_request(f"the document has no operation with the name {name!r:.100}")]


class _CountVariables(Visitor):
    def __init__(self, uses: Counter[str]) -> None:
        super().__init__()
        self._uses = uses

    def enter_variable(self, node: VariableNode, _key: object, parent: object, *_: object) -> None:
        if not isinstance(parent, VariableDefinitionNode):
            self._uses[node.name.value] += 1


class _IndexedSource(Source):
    """A text that finds its lines once. graphql-core searches all of it for the place of each error."""

    @cached_property
    def _lines(self) -> list[int]:
        """Where each line begins."""
        return [0, *(match.end() for match in re.finditer(r"\r\n|[\n\r]", self.body))]

    def get_location(self, position: int) -> SourceLocation:
        line = bisect_right(self._lines, position)
        return SourceLocation(line, position + 1 - self._lines[line - 1])


class Documents:
    """Reads documents for one schema."""

    def __init__(self, schema: GraphQLSchema, naming: Naming = PLAIN) -> None:
        self._schema = schema
        self._naming = naming
        self._kept = lru_cache(maxsize=_KEPT)(self._read)

    def read(self, text: object, schema: GraphQLSchema | None = None) -> Document:
        """The document of this text. Never raises. schema: the one that it is of, if that is another."""
        if not isinstance(text, str) or not text:
            return Document(errors=[_bad_request("the request has no query")])
        read = self._kept if len(text) <= _KEEP_UP_TO else self._read
        return read(text, schema or self._schema)

    def _read(self, text: str, schema: GraphQLSchema) -> Document:
        try:
            tree = parse(_IndexedSource(text), max_lexical_tokens=MAX_TOKENS, max_comments=MAX_TOKENS)
        except GraphQLError as error:
            return Document(errors=[_coded(error)])
        excess = excess_of_tokens(tree) or excess_of(tree)
        if excess is not None:
            return Document(errors=[_bad_request(excess)])
        definitions = [d for d in tree.definitions if isinstance(d, OperationDefinitionNode)]
        if errors := validate(schema, tree, max_errors=MAX_ERRORS, hide_suggestions=True):
            shown = suggesting(errors, lambda most: validate(schema, tree, max_errors=most))
            return Document(errors=bounded([_coded(error) for error in shown]), definitions=definitions)
        return Document(
            [
                Operation(schema, tree, text, d, OperationType(d.operation.value), self._naming)
                for d in definitions
            ],
            definitions=definitions,
        )


def _bad_request(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": BAD_REQUEST})


def _coded(error: GraphQLError) -> GraphQLError:
    """The error with its code, as a plain GraphQLError: Strawberry closes the socket on a syntax error."""
    node = error.nodes[0] if error.nodes else None
    if isinstance(node, DirectiveNode) and node.name.value in _IN_PARTS:
        name = node.name.value
        extensions = {"code": BAD_REQUEST, "directive": name}
        return GraphQLError(f"@{name} is not offered: {_IN_PARTS[name]}", nodes=node, extensions=extensions)
    return GraphQLError(
        shortened(error.message),
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        extensions={"code": BAD_REQUEST},
    )


def _name_one(names: list[str | None]) -> str:
    if not names:
        return "the document has no operation"
    shown = ", ".join(name or "one without a name" for name in names)
    return f"the document has {len(names)} operations; operationName must name one of {shown:.200}"
