"""The gate: every operation passes it once, with all fields that it selects, before anything is executed.

    transport ─► Gate.admit ─► Admitted ─► a plan │ the feed │ live rows │ graphql-core
                     └─► OperationRejected

Whatever executes an operation takes an Admitted, and only the gate makes one. What must hold for every field,
whichever way executes it, is a rule of the gate. The items of a subscription do not pass the gate again; see
Subscriber in following.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, GraphQLSchema
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from commander.schema.context import Context
from commander.schema.errors import coerced, described, typed
from commander.schema.execution.documents import Documents, Operation
from commander.schema.execution.selections import SelectedField

Rule = Callable[[Context, SelectedField], None]
"""Called once for each field that an operation selects; raises FieldRefused, or any error, to refuse it.

A rule decides by what the context holds and does not wait: it runs on the way of every request.
"""
ANY_TYPE = frozenset(OperationType)


class FieldRefused(Exception):
    """What a rule raises. code: the error's `extensions.code`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OperationRejected(Exception):
    """An operation that does not begin; errors: why, each with its code."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        self.errors = [typed(error) for error in errors]
        super().__init__(self.errors[0].message)


@dataclass(frozen=True, eq=False, slots=True)
class Admitted:
    """An operation that has passed the gate. variables: as the client gave them. context: its own."""

    operation: Operation
    variables: dict[str, Any] | None
    context: Context


class Gate:
    """Admits operations, for one schema. rules: in the order in which they look at a field."""

    def __init__(self, schema: GraphQLSchema, rules: Iterable[Rule] = ()) -> None:
        self._documents = Documents(schema)
        self._rules = tuple(rules)

    def admit(
        self,
        query: object,
        variables: dict[str, Any] | None,
        operation_name: object,
        context: Context,
        allowed: Collection[OperationType] = ANY_TYPE,
    ) -> Admitted:
        """The operation, to be executed by whoever can.

        Raises OperationRejected: the document is above a limit or invalid, it has no operation of this name,
        the operation's type is not allowed, or rules refuse some of its fields (an error for each of these).
        """
        operation = self._documents.read(query).operation(operation_name)
        if not isinstance(operation, Operation):
            raise OperationRejected(operation)
        if operation.type not in allowed:
            raise OperationRejected([coerced(InvalidOperationTypeError(operation.type))])
        own = context.for_operation()
        if self._rules and (errors := list(self._refused(operation, own))):
            raise OperationRejected(errors)
        return Admitted(operation, variables, own)

    def operation_type(self, query: str, operation_name: str | None) -> OperationType | None:
        """Of which type the operation is, to choose what carries its answer; None if it is unknown."""
        operation = self._documents.read(query).operation(operation_name)
        return operation.type if isinstance(operation, Operation) else None

    def _refused(self, operation: Operation, context: Context) -> Iterator[GraphQLError]:
        """An error for each field that a rule refuses; the rules after that one do not see the field."""
        for field in operation.fields:
            try:
                for rule in self._rules:
                    rule(context, field)
            except Exception as error:  # a rule that fails must not let a field pass
                yield _refusal(field, error)


def _refusal(field: SelectedField, error: Exception) -> GraphQLError:
    if isinstance(error, FieldRefused):
        message, extensions = str(error), {"code": error.code}
    else:
        message, extensions = described(error)
    place = {"field": f"{field.parent}.{field.name}"}
    return GraphQLError(message, nodes=field.node, extensions={**extensions, **place})
