"""Following the log: subscribers with the same document and variables share one rendering of each event.

Only their cursors differ, so the variable that holds the cursor does not count. Rows are followed too; what
is selected of these may have to be resolved, so graphql-core executes each item, as an operation by itself:
what it keeps of an operation until that ends (1.35 KB for each item of a subscription) is gone with the item.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Hashable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from graphql import DocumentNode, FieldNode, GraphQLError, GraphQLSchema, VariableNode, execute
from graphql.execution import Executor
from graphql.execution.values import get_argument_values
from strawberry.execution.is_awaitable import optimized_is_awaitable

from commander.eventstore.records import EventFilter
from commander.resolvers.events import follow
from commander.schema.context import Context
from commander.schema.errors import BAD_REQUEST, coerced, typed
from commander.schema.execution.documents import Document
from commander.schema.execution.rendering import Rendered, Renderer
from commander.schema.types.events import FOLLOWED, NOT_FOLLOWED, EventTypes, as_set
from commander.schema.types.live import LiveField
from commander.streaming.live.changes import Cursor


class OperationRejected(Exception):
    """A subscription that does not begin; errors: why."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = [typed(error) for error in errors]


@dataclass(frozen=True)
class Followed:
    """One subscriber's way along the log. key: equal for those that share."""

    context: Context
    key: Hashable
    after: int | None
    where: EventFilter
    renderer: Renderer

    async def pages(self) -> AsyncGenerator[Sequence[Rendered], None]:
        """What it is to be sent, as many at a time as there are.

        Raises whatever keeps it from beginning, or from going on, as errors of GraphQL.
        """
        try:
            services, render = self.context.services, self.renderer.render
            async with aclosing(follow(services, self.key, self.after, self.where, render)) as pages:
                async for page in pages:
                    yield page
        except Exception as error:
            raise OperationRejected([coerced(error)]) from error


@dataclass(frozen=True)
class FollowedRows:
    """One subscriber of rows. given: the field's arguments. variables: as the client gave them."""

    context: Context
    field: LiveField
    given: Mapping[str, Any]
    document: DocumentNode
    variables: dict[str, Any]
    executor: Executor[Any]

    async def pages(self) -> AsyncGenerator[Sequence[Rendered], None]:
        """What it is to be sent. Raises as Followed does."""
        try:
            async with aclosing(self.field.items(self.context, self.given)) as items:
                async for cursor, item in items:
                    yield [await self._rendered(cursor, item)]
        except Exception as error:
            raise OperationRejected([coerced(error)]) from error

    async def _rendered(self, cursor: Cursor, item: Any) -> Rendered:
        operation = self.executor.operation
        result = execute(
            self.executor.schema,
            self.document,
            root_value=item,
            context_value=replace(self.context, extensions={}),  # each item reads anew
            variable_values=self.variables,
            operation_name=operation.name.value if operation.name else None,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
            executor_class=type(self.executor),
        )
        if inspect.isawaitable(result):
            result = await result
        errors = [typed(error) for error in result.errors or []]
        return Rendered(cursor.position, msgspec.json.encode(result.data), errors, str(cursor))


Subscriber = Followed | FollowedRows


class Following:
    """Makes subscribers of operations, for one schema. live: the fields that follow rows."""

    def __init__(
        self,
        schema: GraphQLSchema,
        executor: type[Executor[Any]],
        types: EventTypes,
        live: Iterable[LiveField] = (),
    ) -> None:
        self._schema = schema
        self._executor = executor
        self._types = types
        self._live = {field.graphql_name: field for field in live}
        self._renderers: WeakValueDictionary[Hashable, Renderer] = WeakValueDictionary()

    def followed(
        self,
        document: Document,
        variables: Mapping[str, Any] | None,
        context: Context,
        operation_name: str | None,
    ) -> Subscriber | None:
        """The subscriber that this operation makes; None if it subscribes to something else.

        Raises OperationRejected for variables and arguments that cannot be read.
        """
        assert document.tree is not None, "a document without a tree is refused"
        executor = self._executor.build(
            self._schema,
            document.tree,
            context_value=context,
            raw_variable_values=dict(variables or {}),
            operation_name=operation_name,
        )
        if isinstance(executor, list):
            raise OperationRejected(executor)
        renderer = Renderer(document.tree, executor, self._types)
        field = renderer.field
        if field is None:
            return None
        if (rows := self._live.get(field.name.value)) is not None:
            given = self._given(executor, field)
            return FollowedRows(context, rows, given, document.tree, dict(variables or {}), executor)
        if field.name.value != FOLLOWED:
            return None
        if NOT_FOLLOWED in document.text and renderer.selects(NOT_FOLLOWED):
            problem = f"{NOT_FOLLOWED}: they come later than the event; subscribe to lineage to see them"
            raise OperationRejected([GraphQLError(problem, nodes=field, extensions={"code": BAD_REQUEST})])
        after, where = self._arguments(executor, field)
        cursor = _cursor_variable(document, field)
        kept = {name: value for name, value in (variables or {}).items() if name != cursor}
        key = (document.text, operation_name, msgspec.json.encode(kept, order="deterministic"))
        renderer = self._renderers.setdefault(key, renderer)
        if context.resume_after is not None:
            after = context.resume_after.position
        return Followed(context, key, after, where, renderer)

    def _given(self, executor: Executor[Any], field: FieldNode) -> dict[str, Any]:
        root = self._schema.subscription_type
        assert root is not None, "an operation that subscribes needs one"
        try:
            return get_argument_values(root.fields[field.name.value], field, executor.variable_values)
        except GraphQLError as error:
            raise OperationRejected([error]) from error

    def _arguments(self, executor: Executor[Any], field: FieldNode) -> tuple[int | None, EventFilter]:
        given = self._given(executor, field)
        wanted = given.get("filter") or {}
        where = EventFilter(
            types=as_set(wanted.get("types")),
            streams=as_set(wanted.get("streams")),
            aggregates=as_set(wanted.get("aggregates")),
            correlation_id=wanted.get("correlationId"),
            command_id=wanted.get("commandId"),
        )
        return given.get("after"), where


def _cursor_variable(document: Document, field: FieldNode) -> str | None:
    """The variable that gives the cursor and nothing else, if it is one."""
    for argument in field.arguments or ():
        if argument.name.value == "after" and isinstance(argument.value, VariableNode):
            name = argument.value.name.value
            return name if document.uses_of(name) == 1 else None
    return None
