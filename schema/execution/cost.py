"""What an operation can cost, in points, computed from its document and its variables before it is executed.

A point is an object of the answer. A field that is a list counts as often as it can have items: as `first`,
`last`, or the list in an argument says. So nested lists multiply. A field with a plain value costs nothing,
except those in _WORK.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

UNPAGED_ITEMS = 10
"""How many items a list without pages is taken to have. Most such lists have fewer."""
_WORK: Mapping[str, int] = {"totalCount": 100, "__schema": 100, "__type": 100, "_service": 100}
"""Fields that cost so much themselves: to count reads all rows, and introspection has a bounded size."""
_PAGES = ("first", "last")
_GIVEN = ("ids", "commands", "representations")
"""Arguments with a list. The field has an item for each of its items."""
_KEPT = 64


class PageSizes(NamedTuple):
    """How many items a page has by default, and at most."""

    default: int
    most: int


@dataclass(frozen=True, slots=True)
class _Size:
    """How many items a field has. given: as the document says; None: by default. variable: that says it."""

    given: int | None = None
    variable: str | None = None
    is_page: bool = True

    def items(self, values: Mapping[str, int | None], pages: PageSizes) -> int:
        given = self.given if self.variable is None else values.get(self.variable, self.given)
        if not self.is_page:
            return UNPAGED_ITEMS if given is None else given
        return min(max(pages.default if given is None else given, 0), pages.most)


_ONE = _Size(1, is_page=False)
_UNPAGED = _Size(is_page=False)


@dataclass(frozen=True, eq=False, slots=True)
class _Part:
    """The cost of a selection: own, and for each part below it, size times its cost. key: its name."""

    own: int
    below: tuple[tuple[str, _Size, _Part], ...]


class Price:
    """The cost of one operation, as a function of its variables."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
    ) -> None:
        root = schema.get_root_type(operation.operation)
        assert root is not None, "validation refuses an operation of a type that the schema does not have"
        reading = _Reading(schema, fragments, operation)
        self._part = reading.selections(operation.selection_set, root, _UNPAGED)
        self._roots = tuple(_fields(self._part, set()))
        self._fixed = all(size is _ONE for size in self._roots)
        self._variables = tuple(reading.variables)
        self._known: dict[tuple[object, ...], int] = {}

    def of(self, variables: Mapping[str, Any] | None, pages: PageSizes) -> int:
        """The most points that the operation costs with these variables. Invalid ones count as left out."""
        key = (pages, *(_number(variables, name) for name in self._variables))
        cost = self._known.get(key)
        if cost is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            cost = self._known[key] = _evaluated(self._part, self._values(variables), pages, {})
        return cost

    def items(self, variables: Mapping[str, Any] | None, pages: PageSizes) -> int:
        """How many fields the operation has at its root. One with a list in an argument counts as often."""
        if self._fixed:
            return len(self._roots)
        values = self._values(variables)
        return sum(size.items(values, pages) for size in self._roots)

    def most(self, variables: Mapping[str, Any] | None, pages: PageSizes) -> str:
        """The path of fields that costs most."""
        values, known = self._values(variables), dict[_Part, int]()
        path: list[str] = []
        part = self._part
        while part.below:
            costs = [
                size.items(values, pages) * _evaluated(below, values, pages, known)
                for _, size, below in part.below
            ]
            key, _, part = part.below[costs.index(max(costs))]
            path += [key] if key else []
        return ".".join(path[:8])

    def _values(self, variables: Mapping[str, Any] | None) -> dict[str, int | None]:
        found = {name: _number(variables, name) for name in self._variables}
        return {name: value for name, value in found.items() if value is not Undefined}


def _number(variables: Mapping[str, Any] | None, name: str) -> Any:
    """The size that a variable gives. None: null or invalid. Undefined: it is left out."""
    value = Undefined if variables is None else variables.get(name, Undefined)
    if isinstance(value, list):
        return len(value)
    if value is Undefined or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    return 1 if isinstance(value, dict | str) else None


def _fields(part: _Part, visited: set[_Part]) -> Iterator[_Size]:
    """The sizes of the fields of a selection, also of those in fragments, each once."""
    for key, size, below in part.below:
        if key:
            yield size
        elif below not in visited:
            visited.add(below)
            yield from _fields(below, visited)


def _evaluated(
    part: _Part, values: Mapping[str, int | None], pages: PageSizes, known: dict[_Part, int]
) -> int:
    """Visits each part once: fragments that spread one another twice would otherwise take 2^n steps."""
    cost = known.get(part)
    if cost is None:
        below = (size.items(values, pages) * _evaluated(b, values, pages, known) for _, size, b in part.below)
        cost = known[part] = part.own + sum(below)
    return cost


class _Reading:
    """Reads the parts of a valid operation from its document. variables: those that say sizes."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        operation: OperationDefinitionNode,
    ) -> None:
        self.variables: list[str] = []
        self._schema = schema
        self._root = schema.get_root_type(operation.operation)
        self._fragments = fragments
        self._read: dict[tuple[str, _Size], _Part] = {}
        self._defaults = {
            one.variable.name.value: one.default_value for one in operation.variable_definitions or ()
        }

    def selections(self, node: SelectionSetNode, parent: Any, page: _Size) -> _Part:
        """page: of a list directly below, if the field that has this selection has pages."""
        below: list[tuple[str, _Size, _Part]] = []
        own = 0
        for selection in node.selections:
            match selection:
                case FieldNode():
                    found = self._field(selection, parent, page)
                    if isinstance(found, int):
                        own += found
                    else:
                        below.append(found)
                case FragmentSpreadNode(name=name):
                    below.append(("", _ONE, self._fragment(name.value, page)))
                case InlineFragmentNode(type_condition=condition, selection_set=inner):
                    type_ = parent if condition is None else self._schema.get_type(condition.name.value)
                    below.append(("", _ONE, self.selections(inner, type_, page)))
                case _:
                    raise AssertionError(f"GraphQL has no selection of the kind {selection.kind}")
        return _Part(own, tuple(below))

    def _fragment(self, name: str, page: _Size) -> _Part:
        part = self._read.get((name, page))
        if part is None:
            fragment = self._fragments[name]
            type_ = self._schema.get_type(fragment.type_condition.name.value)
            part = self._read[name, page] = self.selections(fragment.selection_set, type_, page)
        return part

    def _field(self, node: FieldNode, parent: Any, page: _Size) -> int | tuple[str, _Size, _Part]:
        """The cost of a plain value, or the part of an object. At the root each field is a part."""
        name = node.name.value
        field: GraphQLField | None = self._schema.get_field(parent, name)
        assert field is not None, "validation refuses a field that the type does not have"
        work = _WORK.get(name, 0)
        if name.startswith("__"):
            return work
        size, inner = self._sizes(node, field, page, parent)
        if node.selection_set is None:
            return (name, size, _Part(work, ())) if parent is self._root else work
        part = self.selections(node.selection_set, get_named_type(field.type), inner)
        return name, size, _Part(part.own + 1 + work, part.below)

    def _sizes(self, node: FieldNode, field: GraphQLField, page: _Size, parent: Any) -> tuple[_Size, _Size]:
        """How many items the field has, and how many a list directly below has."""
        is_list = is_list_type(get_nullable_type(field.type))
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        asked = [name for name in _PAGES if name in field.args and name in given]
        if any(name in field.args for name in _PAGES):
            # Both can be variables of which one is null, so the page may have any size.
            size = self._size(field, asked, given) if len(asked) < 2 else _LARGEST
            return (size, _UNPAGED) if is_list else (_ONE, size)
        if not is_list:
            return _ONE, _Size() if parent is self._schema.subscription_type else _UNPAGED
        for name in _GIVEN:
            if name in field.args and name in given:
                return self._stated(given[name], is_page=False), _UNPAGED
        return page, _UNPAGED

    def _size(self, field: GraphQLField, asked: list[str], given: Mapping[str, ValueNode]) -> _Size:
        if asked:
            return self._stated(given[asked[0]], is_page=True)
        declared = next((field.args[name].default_value for name in _PAGES if name in field.args), None)
        return _Size(declared if isinstance(declared, int) else None)

    def _stated(self, value: ValueNode | None, *, is_page: bool) -> _Size:
        """The size that an argument, or the default of a variable, says."""
        match value:
            case IntValueNode(value=text):
                return _Size(int(text), is_page=is_page)
            case ListValueNode(values=values):
                return _Size(len(values), is_page=is_page)
            case VariableNode(name=name):
                if name.value not in self.variables:
                    self.variables.append(name.value)
                default = self._stated(self._defaults.get(name.value), is_page=is_page)
                return _Size(default.given, name.value, is_page)
            case None | NullValueNode():
                return _Size(is_page=is_page)
        return _Size(None if is_page else 1, is_page=is_page)  # one item stands for a list of one


_LARGEST = _Size(2**31)
