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

    parent: the type that the document selects it on. Through `... on MoneyDeposited` that is MoneyDeposited;
    on a field of the interface Event that is Event, whatever the type of the event is then. So a rule about a
    field that an interface declares must look at the interface and at each type that implements it. A union
    has `__typename` alone.
    name: the field's, not its alias.
    path: the keys in the answer that lead to it, without the places in lists. A fragment that is spread more
    than once is walked once: its fields have the path of the first spread.
    node: where it stands, with its arguments and its directives.
    """

    parent: str
    name: str
    path: tuple[str, ...]
    node: FieldNode


def selected_fields(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> tuple[SelectedField, ...]:
    """All fields that a valid operation selects, in the document's order; those of introspection too.

    Whether `@skip` or `@include` leaves a field out does not count: the result holds for all variables.
    """
    root = schema.get_root_type(operation.operation)
    assert root is not None, "validation refuses an operation whose type the schema lacks"
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    walk = _Walk(schema, fragments)
    walk.selections(operation.selection_set, root, ())
    return tuple(walk.found)


class _Walk:
    """Visits each field node once, so its steps are as many as the document has nodes.

    What a fragment selects depends on its type condition alone, so one visit is enough; a visit per spread
    takes 2^n steps where n fragments each spread the next one twice.
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
            assert field is not None, "validation refuses a field that a type lacks"
            type_ = get_named_type(field.type)
            assert is_composite_type(type_), "validation refuses a selection on a scalar"
            self.selections(node.selection_set, type_, below)

    def _type(self, condition: NamedTypeNode) -> GraphQLCompositeType:
        type_ = self._schema.get_type(condition.name.value)
        assert is_composite_type(type_), "validation refuses a condition of another kind"
        return type_
