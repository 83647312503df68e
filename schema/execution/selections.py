"""The fields that an operation selects, each with the type that it is selected on."""

from __future__ import annotations

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_composite_type,
)


@dataclass(frozen=True, eq=False)
class SelectedField:
    """One place in a document where a field is selected.

    parent: the type that the document selects it on. In `... on MoneyDeposited` that is MoneyDeposited. On a
    field of the interface Event that is Event, whatever type the event has at run time. So a rule about a
    field that an interface declares must check the interface and each type that implements it. A union has
    only `__typename`.
    name: of the field, not its alias.
    path: the keys in the answer that lead to it, without list indexes. A fragment that is spread more than
    once is visited once: its fields have the path of the first spread.
    node: the field in the document, with its arguments and directives.
    """

    parent: str
    name: str
    path: tuple[str, ...]
    node: FieldNode


def selected_fields(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> tuple[SelectedField, ...]:
    """All fields that a valid operation selects, in the order of the document, including introspection.

    `@skip` and `@include` are ignored, so the result holds for all variables.
    """
    root = schema.get_root_type(operation.operation)
    assert root is not None, "validation refuses an operation of a type that the schema does not have"
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    walk = _Walk(schema, fragments)
    walk.selections(operation.selection_set, root, ())
    return tuple(walk.found)


class _Walk:
    """Visits each field node once, so the number of steps is the number of nodes.

    The fields of a fragment depend only on its type condition, so one visit is enough. One visit per spread
    would take 2^n steps for n fragments that each spread the next one twice.
    """

    def __init__(self, schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self.found: list[SelectedField] = []
        self._schema = schema
        self._left = fragments

    def selections(self, node: SelectionSetNode, parent: GraphQLCompositeType, path: tuple[str, ...]) -> None:
        for selection in node.selections:
            match selection:
                case FieldNode():
                    self._field(selection, parent, path)
                case FragmentSpreadNode(name=name):
                    fragment = self._left.pop(name.value, None)
                    if fragment is not None:
                        self.selections(fragment.selection_set, self._type(fragment.type_condition), path)
                case InlineFragmentNode(type_condition=condition, selection_set=inner):
                    self.selections(inner, parent if condition is None else self._type(condition), path)
                case _:
                    raise AssertionError(f"GraphQL has no selection of the kind {selection.kind}")

    def _field(self, node: FieldNode, parent: GraphQLCompositeType, path: tuple[str, ...]) -> None:
        name = node.name.value
        below = (*path, node.alias.value if node.alias else name)
        self.found.append(SelectedField(parent.name, name, below, node))
        if node.selection_set is not None:
            field = self._schema.get_field(parent, name)
            assert field is not None, "validation refuses a field that the type does not have"
            type_ = get_named_type(field.type)
            assert is_composite_type(type_), "validation refuses a selection on a scalar"
            self.selections(node.selection_set, type_, below)

    def _type(self, condition: NamedTypeNode) -> GraphQLCompositeType:
        type_ = self._schema.get_type(condition.name.value)
        assert is_composite_type(type_), "validation refuses a condition of another kind"
        return type_
