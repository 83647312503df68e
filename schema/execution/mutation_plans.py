"""Mutations that submit commands, executed by a plan that is compiled once per document.

graphql-core walks the selection again for each request. That takes longer than all other work of a mutation.
A plan reads the variables, calls the resolver, and reads the selected fields of its result.

graphql-core executes what has no plan: directives, several mutations at once, objects below the result. It
also handles every error. It then gets the result of the resolver, so no command is submitted twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    Undefined,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    collect_fields,
    collect_subfields,
)
from graphql.execution.get_variable_signature import GraphQLVariableSignature, get_variable_signature
from graphql.execution.values import (
    VariableValues,
    VariableValueSource,
    get_argument_values,
    get_variable_values,
)
from graphql.language import FragmentDefinitionNode
from graphql.utilities import coerce_input_value
from strawberry.schema.name_converter import NameConverter
from strawberry.types import get_object_definition
from strawberry.types.graphql import OperationType

from commander.schema.context import Context
from commander.schema.execution.documents import Operation
from commander.schema.execution.gate import Admitted

Resolve = Callable[..., Awaitable[Any]]
"""Called with the context and the arguments of the field, as coerced by graphql-core."""
_Read = Callable[[Any], Any]


class Unplanned(Exception):
    """No plan covers this operation or its result. root: the root value for graphql-core."""

    def __init__(self, root: Settled | None = None) -> None:
        super().__init__()
        self.root = root


@dataclass(frozen=True)
class Settled:
    """The result or error of the one mutation's resolver: the root value when graphql-core completes it."""

    value: Any = None
    error: Exception | None = None

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


def as_resolver(resolve: Resolve) -> Callable[..., Awaitable[Any]]:
    """The resolver in the form that graphql-core calls. A Settled root is not resolved again."""

    async def resolver(root: Any, info: GraphQLResolveInfo[Context], **arguments: Any) -> Any:
        return root.result() if isinstance(root, Settled) else await resolve(info.context, **arguments)

    return resolver


@dataclass(frozen=True)
class _Plan:
    """The plan of one operation: a single mutation. types: the fields to read, by the type of the result."""

    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDetails]
    variables: tuple[GraphQLVariableSignature, ...]
    key: str
    declared: GraphQLField
    resolve: Resolve
    details: FieldDetailsList
    types: dict[type, list[tuple[str, _Read]] | None] = field(default_factory=dict)

    @property
    def node(self) -> FieldNode:
        return self.details[0].node


class Mutating:
    """Executes the operations of one schema by plans. resolvers: by the name of the mutation."""

    def __init__(self, schema: GraphQLSchema, names: NameConverter, resolvers: Mapping[str, Resolve]) -> None:
        self._schema = schema
        self._names = names
        self._resolvers = resolvers
        self._plans: WeakKeyDictionary[Operation, _Plan | None] = WeakKeyDictionary()

    async def executed(self, admitted: Admitted) -> dict[str, Any]:
        """The data of the operation. Raises Unplanned if graphql-core must execute it."""
        operation = admitted.operation
        try:
            plan = self._plans[operation]
        except KeyError:
            plan = self._plans[operation] = self._plan(operation)
        if plan is None:
            raise Unplanned
        arguments = self._arguments(plan, admitted.variables or {})
        try:
            value = await plan.resolve(admitted.context, **arguments)
        except Exception as error:  # graphql-core reports it, with its location
            raise Unplanned(Settled(error=error)) from None
        try:
            return {plan.key: self._shown(plan, value)}
        except Exception:  # a value that GraphQL cannot represent
            raise Unplanned(Settled(value)) from None

    def _plan(self, asked: Operation) -> _Plan | None:
        root = self._schema.mutation_type
        if asked.type is not OperationType.MUTATION or "@" in asked.text or root is None:
            return None  # a directive can select other fields in each request
        operation = asked.definition
        fragments = {
            definition.name.value: FragmentDetails(definition)
            for definition in asked.tree.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        signatures = [
            get_variable_signature(self._schema, definition)
            for definition in operation.variable_definitions or ()
        ]
        selected = collect_fields(self._schema, fragments, _NO_VARIABLES, root, operation).grouped_field_set
        if len(selected) != 1:
            return None
        [(key, details)] = selected.items()
        name = details[0].node.name.value
        if name not in self._resolvers:
            return None
        variables = tuple(s for s in signatures if not isinstance(s, GraphQLError))
        return _Plan(operation, fragments, variables, key, root.fields[name], self._resolvers[name], details)

    def _arguments(self, plan: _Plan, given: dict[str, Any]) -> dict[str, Any]:
        """Raises Unplanned for invalid variables or arguments: graphql-core reports the reason."""
        values = _read_variables(plan.variables, given)
        if values is None:
            definitions = plan.operation.variable_definitions or ()
            read = get_variable_values(self._schema, definitions, given, max_errors=0, hide_suggestions=True)
            if isinstance(read, list):
                raise Unplanned
            values = read
        try:
            return get_argument_values(plan.declared, plan.node, values, hide_suggestions=True)
        except GraphQLError:
            raise Unplanned from None

    def _shown(self, plan: _Plan, value: Any) -> Any:
        """Raises an error if no plan covers the value, or if a field of the value cannot be represented."""
        if isinstance(value, list):
            return [self._shown(plan, one) for one in value]
        cls = type(value)
        if cls not in plan.types:
            plan.types[cls] = self._type_plan(plan, cls)
        reads = plan.types[cls]
        if reads is None:
            raise LookupError(cls)
        return {key: read(value) for key, read in reads}

    def _type_plan(self, plan: _Plan, cls: type) -> list[tuple[str, _Read]] | None:
        definition = get_object_definition(cls, strict=True)
        graphql_type = self._schema.get_type(self._names.from_type(definition))
        assert isinstance(graphql_type, GraphQLObjectType), "a result is an object"
        own = {
            self._names.get_graphql_name(one): one.python_name
            for one in definition.fields
            if one.base_resolver is None
        }
        selected = collect_subfields(
            self._schema, plan.fragments, _NO_VARIABLES, plan.operation, graphql_type, plan.details
        ).grouped_field_set
        reads: list[tuple[str, _Read]] = []
        for key, details in selected.items():
            name = details[0].node.name.value
            if name == "__typename":
                reads.append((key, _constant(graphql_type.name)))
            elif name in own and is_leaf_type(get_nullable_type(graphql_type.fields[name].type)):
                reads.append((key, _leaf(own[name], graphql_type.fields[name])))
            else:
                return None
        return reads


_NO_VARIABLES = VariableValues({}, {})


def _read_variables(
    signatures: Sequence[GraphQLVariableSignature], given: Mapping[str, Any]
) -> VariableValues | None:
    """None if a default is needed, or if a value is invalid."""
    values = VariableValues({}, {})
    for signature in signatures:
        value = given.get(signature.name, Undefined)
        values.sources[signature.name] = VariableValueSource(signature, value)
        if value is Undefined and signature.default is None and not is_non_null_type(signature.type):
            continue
        try:
            read = Undefined if value is Undefined else coerce_input_value(value, signature.type)
        except RecursionError:
            return None
        if read is Undefined:
            return None
        values.coerced[signature.name] = read
    return values


def _constant(value: str) -> _Read:
    return lambda _: value


def _leaf(attribute: str, declared: GraphQLField) -> _Read:
    form: Any = get_named_type(declared.type)
    required = is_non_null_type(declared.type)

    def read(result: Any) -> Any:
        value = getattr(result, attribute)
        if value is None and not required:
            return None
        shown = form.coerce_output_value(value)  # refuses None
        if shown is None or shown is Undefined:
            raise TypeError(attribute)
        return shown

    return read
