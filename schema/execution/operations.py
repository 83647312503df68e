"""Running operations: straight on graphql-core, with documents that are read once and errors that are typed.

Strawberry makes the schema; its own way of running an operation (extensions, hooks and contexts around each
step) takes as long as the execution, and nothing here needs it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import strawberry
from graphql import ExecutionResult as RawResult
from graphql import GraphQLObjectType, execute, subscribe
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from commander.domain.errors import InvalidRequest
from commander.schema.context import Context
from commander.schema.errors import coerced, typed
from commander.schema.execution.documents import Document, Documents
from commander.schema.execution.following import Following, OperationRejected, Subscriber
from commander.schema.execution.mutation_plans import Mutating, Resolve, Unplanned, as_resolver
from commander.schema.execution.rendering import Rendered
from commander.schema.types.events import EventTypes
from commander.schema.types.live import LiveField


class CommanderSchema(strawberry.Schema):
    """A schema that reads each document once and executes none that is above a limit or does not fit it.

    Clients' mistakes are not logged; what is ours to mend is logged with its incident number.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._documents = Documents(self._schema)
        self._following: Following | None = None
        self._mutating: Mutating | None = None

    def follow_with(self, types: EventTypes, live: Sequence[LiveField]) -> None:
        """Has the subscription `events` followed, one rendering for many, and rows item by item."""
        self._following = Following(self._schema, self.execution_context_class, types, live)

    def followed(
        self, query: str, variables: dict[str, Any] | None, context: Context, operation_name: str | None
    ) -> Subscriber | None:
        """The subscriber, if the operation follows the log or rows; else None. Raises OperationRejected."""
        document = self._documents.read(query)
        if self._following is None or document.refusal(operation_name):
            return None
        if document.operation_type(operation_name) is not OperationType.SUBSCRIPTION:
            return None
        return self._following.followed(document, variables, context, operation_name)

    def resolve_mutations(self, resolvers: Mapping[str, Resolve]) -> None:
        """Has these mutations resolved by functions of their own, not through Strawberry's.

        By a plan where there is one (mutating.py), and else by graphql-core.
        """
        root = self._schema.mutation_type
        assert isinstance(root, GraphQLObjectType), "there are mutations"
        for name, resolve in resolvers.items():
            root.fields[name].resolve = as_resolver(resolve)
        self._mutating = Mutating(self._schema, self.config.name_converter, resolvers)

    def resolve_directly(self, type_name: str, field: str, resolve: Callable[..., Any]) -> None:
        """Has graphql-core call this resolver (root, info, arguments) itself, not through Strawberry's."""
        type_ = self._schema.get_type(type_name)
        assert isinstance(type_, GraphQLObjectType), f"{type_name} has fields"
        type_.fields[field].resolve = resolve

    def operation_type(self, query: str, operation_name: str | None) -> OperationType | None:
        """Of which type the operation is; None when it will be refused."""
        document = self._documents.read(query)
        return None if document.refusal(operation_name) else document.operation_type(operation_name)

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """The one answer to a query or a mutation; a PreExecutionError where nothing was executed.

        Raises InvalidOperationTypeError for an operation whose type is not allowed.
        """
        document = self._documents.read(query)
        if refusal := document.refusal(operation_name):
            return PreExecutionError(data=None, errors=refusal)
        type_ = document.operation_type(operation_name)
        if allowed_operation_types is not None and type_ not in allowed_operation_types:
            raise InvalidOperationTypeError(type_)
        return await self._executed(document, variable_values, context_value, operation_name)

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any = None,
        root_value: Any = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> AsyncGenerator[Any, None]:
        """All answers to any operation, for a transport that carries many."""
        return self._streamed(query, variable_values, context_value, operation_name, allowed_operation_types)

    async def _streamed(
        self,
        query: str | None,
        variables: dict[str, Any] | None,
        context: Any,
        operation_name: str | None,
        allowed: Iterable[OperationType] | None,
    ) -> AsyncGenerator[ExecutionResult, None]:
        document = self._documents.read(query)
        if refusal := document.refusal(operation_name):
            yield PreExecutionError(data=None, errors=refusal)
            return
        type_ = document.operation_type(operation_name)
        if allowed is not None and type_ not in allowed:
            yield PreExecutionError(data=None, errors=[typed(coerced(InvalidOperationTypeError(type_)))])
        elif type_ is not OperationType.SUBSCRIPTION:
            yield await self._executed(document, variables, context, operation_name)
        else:
            async with aclosing(self._subscribed(document, variables, context, operation_name)) as results:
                async for result in results:
                    yield result

    async def _executed(
        self, document: Document, variables: dict[str, Any] | None, context: Any, operation_name: str | None
    ) -> ExecutionResult:
        assert document.tree is not None, "a document without a tree is refused"
        if isinstance(context, Context):
            context = replace(context, extensions={})
        root = None
        try:
            if self._mutating is not None:
                try:
                    data = await self._mutating.executed(document, variables, context, operation_name)
                    return ExecutionResult(data=data, errors=None)
                except Unplanned as unplanned:
                    root = unplanned.root
            result = execute(
                self._schema,
                document.tree,
                root_value=root,
                context_value=context,
                variable_values=variables,
                operation_name=operation_name,
                is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
                executor_class=self.execution_context_class,
            )
            if inspect.isawaitable(result):
                result = await result
        except RecursionError:
            error = InvalidRequest("variables", "they are nested too deep")
            return PreExecutionError(data=None, errors=[typed(coerced(error))])
        except Exception as error:  # nothing but a result may leave
            return PreExecutionError(data=None, errors=[typed(coerced(error))])
        answer = _answer(result)
        answer.extensions = getattr(context, "extensions", None) or None
        return answer

    async def _subscribed(
        self, document: Document, variables: dict[str, Any] | None, context: Any, operation_name: str | None
    ) -> AsyncGenerator[ExecutionResult, None]:
        assert document.tree is not None, "a document without a tree is refused"
        try:
            if self._following is not None:
                followed = self._following.followed(document, variables, context, operation_name)
                if followed is not None:
                    async with aclosing(_one_by_one(followed)) as items:
                        async for item in items:
                            yield item
                    return
            source = subscribe(
                self._schema,
                document.tree,
                context_value=context,
                variable_values=variables,
                operation_name=operation_name,
                executor_class=self.execution_context_class,
            )
            if inspect.isawaitable(source):
                source = await source
            if isinstance(source, RawResult):
                yield PreExecutionError(data=None, errors=[typed(e) for e in source.errors or []])
                return
            async with aclosing(_closable(source)) as results:
                async for result in results:
                    yield _answer(result)
                    if isinstance(context, Context):
                        context.forget()
        except OperationRejected as refused:
            yield PreExecutionError(data=None, errors=refused.errors)
        except Exception as error:  # the source of a subscription may raise anything
            yield ExecutionResult(data=None, errors=[typed(coerced(error))])


class FollowedResult(ExecutionResult):
    """An item of what is followed, rendered. cursor: behind what a client goes on."""

    def __init__(self, rendered: Rendered) -> None:
        data: Any = rendered.data  # JSON, which whoever encodes takes as it is
        super().__init__(data=data, errors=list(rendered.errors) or None)
        self.cursor = rendered.cursor or str(rendered.position)


async def _one_by_one(followed: Subscriber) -> AsyncGenerator[ExecutionResult, None]:
    began = False
    try:
        async with aclosing(followed.pages()) as pages:
            async for page in pages:
                for rendered in page:
                    began = True
                    yield FollowedResult(rendered)
    except OperationRejected as refused:
        if not began:
            raise
        yield ExecutionResult(data=None, errors=refused.errors)


def _answer(result: RawResult) -> ExecutionResult:
    if not result.errors:
        return ExecutionResult(data=result.data, errors=None)
    errors = [typed(error) for error in result.errors]
    before_execution = result.data is None and all(error.path is None for error in result.errors)
    return (PreExecutionError if before_execution else ExecutionResult)(data=result.data, errors=errors)


def _closable(source: AsyncIterator[RawResult]) -> AsyncGenerator[RawResult, None]:
    assert isinstance(source, AsyncGenerator), "graphql-core maps a subscription by an async generator"
    return source
