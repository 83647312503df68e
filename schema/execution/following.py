"""Subscriptions to the log and to rows.

Subscribers of the log with the same document and the same variables share one rendering of each event, if
they see the same fields. With the same resolved rules they also share which events they see. The variable
that holds the cursor is not compared.

The fields of a row can need resolvers, so graphql-core executes each item of rows as an operation of its own.
It keeps 1.35 KB per item until an operation ends. With one operation per item that memory is freed at once.
"""

from __future__ import annotations

import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Hashable, Iterable, Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import msgspec
from graphql import ExecutionResult, FieldNode, GraphQLError, GraphQLSchema, VariableNode, execute
from graphql.execution import Executor
from graphql.execution.values import get_argument_values
from graphql.pyutils import AwaitableOrValue
from strawberry.execution.is_awaitable import optimized_is_awaitable

from commander.eventstore.records import EventFilter
from commander.resolvers.cursors import live_cursor_of, must_be_kept
from commander.resolvers.events import follow
from commander.resolvers.payers import payer
from commander.resolvers.visible_events import rules_key, sees_every_event
from commander.resolvers.visible_feed import VisibleFeed
from commander.schema.context import Context
from commander.schema.errors import BAD_REQUEST, MAX_ERRORS, coerced
from commander.schema.execution.counting import errors_of
from commander.schema.execution.documents import Operation
from commander.schema.execution.gate import Admitted, OperationRejected
from commander.schema.execution.rendered import Rendered, RenderedEvents
from commander.schema.execution.rendering import Renderer
from commander.schema.execution.time_limits import item_in_time
from commander.schema.types.events import FOLLOWED, NOT_FOLLOWED, EventTypes, event_filter
from commander.schema.types.live import LiveField
from commander.schema.types.read_your_writes import links_show
from commander.streaming.live.changes import Cursor

T = TypeVar("T")


@dataclass(frozen=True)
class Subscriber(ABC, Generic[T]):
    """One subscription that has passed the gate. It takes pages from a source to the transport."""

    admitted: Admitted

    async def pages(self) -> AsyncGenerator[T, None]:
        """Yields the pages that are sent to the subscriber. Raises OperationRejected when an error ends it.

        Every item of every subscription passes through here. The gate is passed once, before the first. So
        the token of the subscriber is looked at here, before each page.
        """
        context = self.admitted.context
        access, authentication = context.access, context.services.authentication
        allowances = context.services.allowances
        try:
            with nullcontext() if allowances is None else allowances.stream(payer(context)):
                async with aclosing(self._source()) as pages:
                    async for page in pages:
                        if (
                            access is not None
                            and authentication is not None
                            and not authentication.stands(access)
                        ):
                            await authentication.end_stream(access)
                        yield page
        except Exception as error:
            raise OperationRejected([coerced(error)]) from error

    @abstractmethod
    def _source(self) -> AsyncGenerator[T, None]:
        """Yields the pages. It may raise any error, at the call or later."""


@dataclass(frozen=True)
class Followed(Subscriber[Sequence[Rendered]]):
    """One subscriber of the log. key: equal for subscribers that share renderings. epoch: that of `after`.

    visible: what its viewer sees of the log; None if that is all.
    """

    key: Hashable
    after: int | None
    epoch: int
    where: EventFilter
    renderer: Renderer
    visible: VisibleFeed[Rendered] | None = None

    def _source(self) -> AsyncGenerator[Sequence[Rendered], None]:
        """Each page has all items that are ready."""
        services = self.admitted.context.services
        if self.after is not None:
            must_be_kept(services.epochs, self.after, self.epoch)
        if self.visible is not None:
            return self.visible.follow(self.after)
        return follow(services, self.key, self.after, self.where, self.renderer.render)


@dataclass(frozen=True)
class FollowedRows(Subscriber[Sequence[Rendered]]):
    """One subscriber of rows. given: the arguments of the field."""

    field: LiveField
    given: Mapping[str, Any]
    executor: Executor[Any]

    async def _source(self) -> AsyncGenerator[Sequence[Rendered], None]:
        async with aclosing(self.field.items(self.admitted.context, self.given)) as items:
            async for cursor, item in items:
                yield [await self._rendered(cursor, item)]

    async def _rendered(self, cursor: Cursor, item: Any) -> Rendered:
        context = self.admitted.context.for_operation()  # no cached data of the previous item
        links_show(context, None, cursor.position)
        result = self._executed(context, item)
        if inspect.isawaitable(result):
            result = await item_in_time(context, result)
        errors = errors_of(result, context)
        position = live_cursor_of(cursor, self.admitted.context.epochs)
        return Rendered(cursor.position, msgspec.json.encode(result.data), errors, position)

    def _executed(self, context: Context, item: Any) -> AwaitableOrValue[ExecutionResult]:
        operation = self.admitted.operation
        return execute(
            self.executor.schema,
            operation.tree,
            root_value=item,
            context_value=context,
            variable_values=self.admitted.variables,
            operation_name=operation.name,
            is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
            executor_class=type(self.executor),
        )


class Following:
    """Makes subscribers for the operations of one schema. live: the fields that follow rows."""

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
        self.rendered = RenderedEvents()
        self._renderers: WeakValueDictionary[Hashable, Renderer] = WeakValueDictionary()
        self._visible: WeakValueDictionary[Hashable, VisibleFeed[Rendered]] = WeakValueDictionary()

    def followed(self, admitted: Admitted) -> Followed | FollowedRows | None:
        """The subscriber for an operation on the log or on rows. None for any other subscription.

        Raises OperationRejected for invalid variables and arguments.
        """
        operation, variables = admitted.operation, admitted.variables or {}
        executor = self._executor.build(
            self._schema,
            operation.tree,
            raw_variable_values=variables,
            operation_name=operation.name,
            max_coercion_errors=MAX_ERRORS,
            hide_suggestions=True,
        )
        if isinstance(executor, list):
            raise OperationRejected(operation.suggesting(executor, variables))
        renderer = Renderer(admitted, executor, self._types, admitted.context.epochs, self.rendered)
        field = renderer.field
        if field is None:
            return None
        if (rows := self._live.get(field.name.value)) is not None:
            given = self._given(executor, field)
            return FollowedRows(admitted, rows, given, executor)
        if field.name.value != self._types.naming.field(FOLLOWED):
            return None
        if NOT_FOLLOWED in operation.text and renderer.selects(NOT_FOLLOWED):
            problem = (
                f"{NOT_FOLLOWED}: not available here, because they come after the event; subscribe to lineage"
            )
            raise OperationRejected([GraphQLError(problem, nodes=field, extensions={"code": BAD_REQUEST})])
        given = self._given(executor, field)
        after, where = given.get("after"), event_filter(self._types.domain, given.get("filter"))
        cursor = _cursor_variable(operation, field)
        kept = {name: value for name, value in variables.items() if name != cursor}
        rights, visible = admitted.context.rights, None
        hidden, rules = (None, None) if rights is None else rules_key(self._types.domain, rights, where)
        document = (operation.text, operation.name, json.dumps(kept, sort_keys=True))
        renderer = self._renderers.setdefault((document, hidden), renderer)
        key = (document, hidden, rules)
        if rights is not None and not sees_every_event(rights):
            services = admitted.context.services
            visible = self._visible.get(key)
            if visible is None:
                visible = VisibleFeed(services, rights, where, renderer.render_once)
                self._visible[key] = visible
        epoch = given["logEpoch"]
        if (resumed := admitted.context.resume_after) is not None:
            after, epoch = resumed.position, resumed.epoch
        return Followed(admitted, key, after, epoch, where, renderer, visible)

    def _given(self, executor: Executor[Any], field: FieldNode) -> dict[str, Any]:
        root = self._schema.subscription_type
        assert root is not None, "a subscription needs a root type"
        try:
            return get_argument_values(root.fields[field.name.value], field, executor.variable_values)
        except GraphQLError as error:
            raise OperationRejected([error]) from error


def _cursor_variable(operation: Operation, field: FieldNode) -> str | None:
    """The variable that holds the cursor. None if there is none, or if it is used elsewhere too."""
    for argument in field.arguments or ():
        if argument.name.value == "after" and isinstance(argument.value, VariableNode):
            name = argument.value.name.value
            return name if operation.uses_of(name) == 1 else None
    return None
