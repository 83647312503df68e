"""The gate: each operation passes it once, with all fields that it selects, before anything is executed.

    transport ─► Gate.admit ─► Admitted ─► a plan │ the feed │ live rows │ graphql-core
                     └─► OperationRejected

Each of the ways to execute an operation takes an Admitted, and only the gate makes one. A check that every
field must pass, on each of these ways, is a rule of the gate. The items of a subscription do not pass it
again; see Subscriber in following.py.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError, GraphQLSchema
from msgspec.structs import replace
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from commander.domain.errors import TokenExpired
from commander.resolvers.allowances import Allowances, CostTooHigh, RateLimited
from commander.resolvers.payers import payer
from commander.resolvers.services import Limits
from commander.resolvers.trusted_documents import TrustedDocuments, UntrustedDocument
from commander.schema.context import Context
from commander.schema.errors import bounded, coerced, message_and_extensions, typed
from commander.schema.execution.cost import PageSizes
from commander.schema.execution.documents import Document, Documents, Operation
from commander.schema.execution.selections import SelectedField
from commander.schema.execution.visible_schema import VisibleSchemas
from commander.schema.naming import PLAIN, Naming

Rule = Callable[[Context, SelectedField], None]
"""Called once for each field that an operation selects. It raises FieldRefused, or any error, to refuse it.

A rule decides from the context alone and does not wait, because it runs in every request.
"""
ANY_TYPE = frozenset(OperationType)
INTROSPECTION = "{ __schema { types { name } directives { name } } }"


class FieldRefused(Exception):
    """A rule refuses a field. code: the `extensions.code` of the error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OperationRejected(Exception):
    """The operation is not executed. errors: the reasons, each with its code. operates: as of `typed`."""

    def __init__(self, errors: Sequence[GraphQLError], operates: bool = False) -> None:
        self.errors = [typed(error, operates) for error in bounded(errors)]
        super().__init__(self.errors[0].message)


@dataclass(frozen=True, eq=False, slots=True)
class Admitted:
    """An operation that has passed the gate. variables: as sent by the client. context: of this operation."""

    operation: Operation
    variables: dict[str, Any] | None
    context: Context


class Gate:
    """Admits the operations of one schema. rules: in the order in which they check a field.

    trusted: the documents that clients can name by their ids, and whether others are run.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        rules: Iterable[Rule] = (),
        trusted: TrustedDocuments | None = None,
        naming: Naming = PLAIN,
    ) -> None:
        self.trusted = trusted or TrustedDocuments()
        self._schema = schema
        self._visible: VisibleSchemas | None = None
        self._documents = Documents(schema, naming)
        self._rules = tuple(rules)

    def show_only(self, visible: VisibleSchemas) -> None:
        """From now on each viewer knows the schema that it can reach; see visible_schema.py."""
        self._visible = visible

    @property
    def hides(self) -> bool:
        """Whether viewers know different schemas."""
        return self._visible is not None

    def schema_for(self, context: Context) -> GraphQLSchema:
        """The schema that the viewer knows."""
        return self._schema if self._visible is None else self._visible.for_viewer(context.rights)

    def text_for(self, context: Context, whole: str) -> str:
        """The text of that schema. whole: that of the whole schema."""
        return whole if self._visible is None else self._visible.text_for(context.rights, whole)

    def shows_everyone(self, text: str) -> bool:
        """Whether a document has only what everyone knows."""
        return self._visible is None or not self._documents.read(text, self._visible.for_nobody).errors

    def admit(
        self,
        query: object,
        variables: dict[str, Any] | None,
        operation_name: object,
        context: Context,
        allowed: Collection[OperationType] = ANY_TYPE,
    ) -> Admitted:
        """Checks an operation and admits it for execution.

        Raises OperationRejected if the token has ended, if the client may not use as much at the moment, if
        the document is not trusted, exceeds a limit, is invalid or has no operation of this name, if its type
        is not allowed, or if rules refuse fields (one error per field).
        """
        try:
            return self._admitted(query, variables, operation_name, context, allowed)
        except (TokenExpired, RateLimited, CostTooHigh, UntrustedDocument) as error:
            raise OperationRejected([coerced(error)]) from error

    def _admitted(
        self,
        query: object,
        variables: dict[str, Any] | None,
        operation_name: object,
        context: Context,
        allowed: Collection[OperationType],
    ) -> Admitted:
        context.must_stand()
        client: Hashable = None
        if (allowances := context.services.allowances) is not None:
            client = payer(context)
            allowances.take_operation(client)  # before the document is read: that is work too
        if self.trusted.only:
            self.trusted.must_trust(query)
        schema = self.schema_for(context)
        operation = self._documents.read(query, schema).operation(operation_name)
        if not isinstance(operation, Operation):
            raise OperationRejected(operation)
        if operation.type not in allowed:
            raise OperationRejected([coerced(InvalidOperationTypeError(operation.type))])
        own = context.for_operation()
        if schema is not self._schema:  # it is executed on the whole schema, which knows more
            if errors := operation.wrong_variables(variables):
                raise OperationRejected(errors)
            own = replace(own, known=schema)
        if self._rules and (errors := list(self._refused(operation, own))):
            raise OperationRejected(errors)
        if allowances is not None:
            _take(allowances, client, operation, variables, context.services.limits)
        if operation.type is OperationType.MUTATION and (parts := operation.parts_of_outcomes):
            own = replace(own, parts_of_outcomes=parts)
        return Admitted(operation, variables, own)

    def must_introspect(self, context: Context) -> None:
        """For a field that tells the schema. Raises OperationRejected if rules refuse introspection."""
        operation = self._documents.read(INTROSPECTION).operation(None)
        assert isinstance(operation, Operation), "it is valid in every schema"
        if errors := list(self._refused(operation, context)):
            raise OperationRejected(errors)

    def document(self, text: str) -> Document:
        """The document of this text, to check it. Nothing of it can be executed before `admit`."""
        return self._documents.read(text)

    def operation_type(self, query: str, operation_name: str | None) -> OperationType | None:
        """The type of the operation, to choose the media type of its answer. None if it is unknown."""
        try:
            self.trusted.must_trust(query)
        except UntrustedDocument:
            return None
        document = self._documents.read(query)
        if self.hides:  # who asks is not known yet, so what is hidden must not make a difference
            return document.type_by_text(operation_name)
        operation = document.operation(operation_name)
        return operation.type if isinstance(operation, Operation) else None

    def _refused(self, operation: Operation, context: Context) -> Iterator[GraphQLError]:
        """An error for each field that a rule refuses. Later rules do not check that field."""
        for field in operation.fields:
            try:
                for rule in self._rules:
                    rule(context, field)
            except Exception as error:  # a rule that fails must not let a field pass
                yield _refusal(field, error)


def _take(
    allowances: Allowances,
    client: Hashable,
    operation: Operation,
    variables: dict[str, Any] | None,
    limits: Limits,
) -> None:
    """Takes what the operation can use from its client. Raises RateLimited and CostTooHigh."""
    cost = 0
    pages = PageSizes(min(limits.default_page, limits.max_page), limits.max_page)
    if allowances.counts_cost:
        cost = operation.price.of(variables, pages)
        allowances.must_afford(cost, lambda: operation.price.most(variables, pages))
    if operation.type is OperationType.SUBSCRIPTION:
        allowances.must_have_stream(client)
    commands = operation.price.items(variables, pages) if operation.type is OperationType.MUTATION else 0
    allowances.take(client, commands, cost)


def _refusal(field: SelectedField, error: Exception) -> GraphQLError:
    if isinstance(error, FieldRefused):
        message, extensions = str(error), {"code": error.code}
    else:
        message, extensions = message_and_extensions(error)
    place = {"field": f"{field.parent}.{field.name}"}
    return GraphQLError(message, nodes=field.node, extensions={**extensions, **place})
