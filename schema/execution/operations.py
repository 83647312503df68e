"""Executing operations: directly with graphql-core, with cached documents and errors that have codes.

Strawberry makes the schema. Its own execution (extensions, hooks and contexts around each step) takes as long
as graphql-core's, and is not needed here.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import strawberry
from graphql import ExecutionResult as RawResult
from graphql import GraphQLObjectType, execute, subscribe
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from commander.domain.errors import InvalidRequest
from commander.resolvers.allowances import RateLimited
from commander.resolvers.trusted_documents import TrustedDocuments
from commander.schema.context import Context
from commander.schema.errors import MAX_ERRORS, bounded, coerced, typed
from commander.schema.execution.counting import errors_of
from commander.schema.execution.following import Followed, FollowedRows, Following, Subscriber
from commander.schema.execution.gate import ANY_TYPE, Admitted, Gate, OperationRejected, Rule
from commander.schema.execution.mutation_plans import Mutating, Resolve, Unplanned, as_resolver
from commander.schema.execution.rendered import Rendered
from commander.schema.execution.time_limits import ended_in_time
from commander.schema.naming import PLAIN, Naming
from commander.schema.subgraph import Subgraph
from commander.schema.types.events import EventTypes
from commander.schema.types.live import LiveField


class CommanderSchema(strawberry.Schema):
    """A schema whose operations pass the gate and are then executed in the fastest way available.

    Errors of clients are not logged. Unexpected errors are logged with their incident numbers.
    """

    def __init__(
        self,
        *args: Any,
        rules: Iterable[Rule] = (),
        trusted: TrustedDocuments | None = None,
        naming: Naming = PLAIN,
        subgraph: Subgraph | None = None,
        **kwargs: Any,
    ) -> None:
        """rules, trusted: of the gate. subgraph: None if it stands alone. The rest is for Strawberry."""
        super().__init__(*args, **kwargs)
        naming.resolve_types(self._schema)
        self.gate = Gate(self._schema, rules, trusted, naming)
        self._subgraph = subgraph
        self._following: Following | None = None
        self._mutating: Mutating | None = None

    def as_str(self) -> str:
        """The schema as text; that of a subgraph has the directives of Apollo Federation."""
        text = super().as_str()
        return text if self._subgraph is None else self._subgraph.sdl(text)

    @cached_property
    def sdl(self) -> str:
        """The same, made once. Call it when the schema is complete."""
        return self.as_str()

    def sdl_for(self, context: Context) -> str:
        """The same, for who may introspect. Raises GraphQLError for others."""
        try:
            self.gate.must_introspect(context)
        except OperationRejected as rejected:
            raise rejected.errors[0] from rejected
        return self.sdl

    def follow_with(self, types: EventTypes, live: Sequence[LiveField]) -> None:
        """Serves the subscription `events` with shared renderings, and the subscriptions to rows."""
        self._following = Following(self._schema, self.execution_context_class, types, live)

    def followed(self, admitted: Admitted) -> Followed | FollowedRows | None:
        """The subscriber of an operation that follows the log or rows, or None. Raises OperationRejected."""
        if self._following is None or admitted.operation.type is not OperationType.SUBSCRIPTION:
            return None
        return self._following.followed(admitted)

    @property
    def rendered_events(self) -> int:
        """How many events were rendered for subscribers; one that many share counts once."""
        return 0 if self._following is None else self._following.rendered.events

    def resolve_mutations(self, resolvers: Mapping[str, Resolve]) -> None:
        """Resolves these mutations with these functions, without Strawberry.

        A plan executes them if there is one (mutation_plans.py), otherwise graphql-core.
        """
        root = self._schema.mutation_type
        assert isinstance(root, GraphQLObjectType), "there are mutations"
        for name, resolve in resolvers.items():
            root.fields[name].resolve = as_resolver(resolve)
        self._mutating = Mutating(self._schema, self.config.name_converter, resolvers)

    def resolve_directly(self, type_name: str, field: str, resolve: Callable[..., Any]) -> None:
        """Makes graphql-core call this resolver (root, info, arguments) directly, without Strawberry."""
        type_ = self._schema.get_type(type_name)
        assert isinstance(type_, GraphQLObjectType), f"{type_name} has fields"
        type_.fields[field].resolve = resolve

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
        """The one answer to a query or a mutation. A PreExecutionError if nothing was executed."""
        context = _checked(context_value)
        allowed = _ONE_ANSWER if allowed_operation_types is None else {*allowed_operation_types} & _ONE_ANSWER
        try:
            admitted = self.gate.admit(query, variable_values, operation_name, context, allowed)
        except OperationRejected as rejected:
            return PreExecutionError(data=None, errors=rejected.errors)
        return await self.executed(admitted)

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
        """All answers to an operation of any type, for a transport that can send many. Raises RateLimited."""
        context = _checked(context_value)
        allowed = ANY_TYPE if allowed_operation_types is None else frozenset(allowed_operation_types)
        try:
            admitted = self.gate.admit(query, variable_values, operation_name, context, allowed)
        except OperationRejected as rejected:
            if isinstance(rejected.__cause__, RateLimited):
                raise rejected.__cause__ from None  # the response then has a status of its own
            return _just(PreExecutionError(data=None, errors=rejected.errors))
        return self._streamed(admitted)

    async def subscribe(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """The same as stream, without raising. The legacy protocol calls it for operations of all types."""
        try:
            return await self.stream(*args, **kwargs)
        except RateLimited as limited:
            return _just(PreExecutionError(data=None, errors=[typed(coerced(limited))]))

    def execute_sync(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Not available: Strawberry's version would bypass the gate."""
        raise NotImplementedError("use execute or stream: they pass the gate")

    def executed(self, admitted: Admitted) -> Coroutine[Any, Any, ExecutionResult]:
        """The one answer to a query or a mutation that has passed the gate, within the limit of time."""
        limits = admitted.context.services.limits
        if not limits.operation_seconds:
            return self._executed(admitted)
        return ended_in_time(admitted, self._executed(admitted))

    async def _executed(self, admitted: Admitted) -> ExecutionResult:
        context = admitted.context
        root = None
        try:
            if self._mutating is not None:
                try:
                    data = await self._mutating.executed(admitted)
                    return ExecutionResult(data=data, errors=None)
                except Unplanned as unplanned:
                    root = unplanned.root
            result = execute(
                self._schema,
                admitted.operation.tree,
                root_value=root,
                context_value=context,
                variable_values=admitted.variables,
                operation_name=admitted.operation.name,
                is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
                max_coercion_errors=MAX_ERRORS,
                hide_suggestions=True,
                executor_class=self.execution_context_class,
            )
            if inspect.isawaitable(result):
                result = await result
        except RecursionError:
            error = InvalidRequest("variables", "they are nested too deep")
            return PreExecutionError(data=None, errors=[typed(coerced(error))])
        except Exception as error:  # every error becomes a result
            return PreExecutionError(data=None, errors=[typed(coerced(error))])
        if result.data is None and not any(error.path for error in result.errors or ()):
            result.errors = admitted.operation.suggesting(result.errors or (), admitted.variables)
        answer = _answer(result, context)
        answer.extensions = context.extensions or None
        return answer

    async def subscribed(self, admitted: Admitted) -> AsyncGenerator[ExecutionResult, None]:
        """The answers to a subscription that has passed the gate and that a resolver serves."""
        try:
            source = subscribe(
                self._schema,
                admitted.operation.tree,
                context_value=admitted.context,
                variable_values=admitted.variables,
                operation_name=admitted.operation.name,
                executor_class=self.execution_context_class,
            )
            if inspect.isawaitable(source):
                source = await source
            if isinstance(source, RawResult):
                yield PreExecutionError(data=None, errors=[typed(e) for e in bounded(source.errors or ())])
                return
            async with aclosing(_Resolved(admitted, source).pages()) as results:
                async for result in results:
                    yield _answer(result, admitted.context)
                    admitted.context.forget()
        except OperationRejected as ended:
            yield ExecutionResult(data=None, errors=ended.errors)
        except Exception as error:  # the subscribed field may raise any error
            yield ExecutionResult(data=None, errors=[typed(coerced(error))])

    async def _streamed(self, admitted: Admitted) -> AsyncGenerator[ExecutionResult, None]:
        if admitted.operation.type is not OperationType.SUBSCRIPTION:
            yield await self.executed(admitted)
            return
        try:
            followed = self.followed(admitted)
        except OperationRejected as rejected:
            yield PreExecutionError(data=None, errors=rejected.errors)
            return
        answers = self.subscribed(admitted) if followed is None else _one_by_one(followed)
        async with aclosing(answers):
            async for answer in answers:
                yield answer


_ONE_ANSWER = frozenset((OperationType.QUERY, OperationType.MUTATION))


def _checked(context: Any) -> Context:
    """Strawberry allows any context. Rules and resolvers need a Context."""
    if not isinstance(context, Context):
        raise TypeError(f"context_value must be a Context, got {context!r:.100}")
    return context


async def _just(answer: ExecutionResult) -> AsyncGenerator[ExecutionResult, None]:
    yield answer


@dataclass(frozen=True)
class _Resolved(Subscriber[RawResult]):
    """A subscription whose items graphql-core resolves."""

    results: AsyncIterator[RawResult]

    def _source(self) -> AsyncGenerator[RawResult, None]:
        assert isinstance(self.results, AsyncGenerator), (
            "graphql-core returns an async generator for a subscription"
        )
        return self.results


class FollowedResult(ExecutionResult):
    """A rendered item of a subscription. cursor: the client resumes after it."""

    def __init__(self, rendered: Rendered) -> None:
        data: Any = rendered.data  # JSON; the encoder writes it unchanged
        super().__init__(data=data, errors=list(rendered.errors) or None)
        self.cursor = rendered.cursor or str(rendered.position)


async def _one_by_one(followed: Followed | FollowedRows) -> AsyncGenerator[ExecutionResult, None]:
    began = False
    try:
        async with aclosing(followed.pages()) as pages:
            async for page in pages:
                for rendered in page:
                    began = True
                    yield FollowedResult(rendered)
    except OperationRejected as ended:
        yield (ExecutionResult if began else PreExecutionError)(data=None, errors=ended.errors)


def _answer(result: RawResult, context: Context) -> ExecutionResult:
    errors = errors_of(result, context)
    if not errors:
        return ExecutionResult(data=result.data, errors=None)
    before_execution = result.data is None and all(error.path is None for error in errors)
    return (PreExecutionError if before_execution else ExecutionResult)(data=result.data, errors=errors)
