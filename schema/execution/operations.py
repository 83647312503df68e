"""Running operations: straight on graphql-core, with documents that are read once and errors that are typed.

Strawberry makes the schema; its own way of running an operation (extensions, hooks and contexts around each
step) takes as long as the execution, and nothing here needs it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import ExecutionResult as RawResult
from graphql import GraphQLObjectType, execute, subscribe
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from commander.domain.errors import InvalidRequest
from commander.schema.context import Context
from commander.schema.errors import coerced, typed
from commander.schema.execution.following import Followed, FollowedRows, Following, Subscriber
from commander.schema.execution.gate import ANY_TYPE, Admitted, Gate, OperationRejected, Rule
from commander.schema.execution.mutation_plans import Mutating, Resolve, Unplanned, as_resolver
from commander.schema.execution.rendering import Rendered
from commander.schema.types.events import EventTypes
from commander.schema.types.live import LiveField


class CommanderSchema(strawberry.Schema):
    """A schema whose operations pass the gate, and are then executed by the shortest way that there is.

    Clients' mistakes are not logged; what is ours to mend is logged with its incident number.
    """

    def __init__(self, *args: Any, rules: Iterable[Rule] = (), **kwargs: Any) -> None:
        """rules: of the gate. All else is Strawberry's."""
        super().__init__(*args, **kwargs)
        self.gate = Gate(self._schema, rules)
        self._following: Following | None = None
        self._mutating: Mutating | None = None

    def follow_with(self, types: EventTypes, live: Sequence[LiveField]) -> None:
        """Has the subscription `events` followed, one rendering for many, and rows item by item."""
        self._following = Following(self._schema, self.execution_context_class, types, live)

    def followed(self, admitted: Admitted) -> Followed | FollowedRows | None:
        """The subscriber, if the operation follows the log or rows; else None. Raises OperationRejected."""
        if self._following is None or admitted.operation.type is not OperationType.SUBSCRIPTION:
            return None
        return self._following.followed(admitted)

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
        """The one answer to a query or a mutation; a PreExecutionError where nothing was executed."""
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
        """All answers to any operation, for a transport that carries many."""
        context = _checked(context_value)
        allowed = ANY_TYPE if allowed_operation_types is None else frozenset(allowed_operation_types)
        try:
            admitted = self.gate.admit(query, variable_values, operation_name, context, allowed)
        except OperationRejected as rejected:
            return _just(PreExecutionError(data=None, errors=rejected.errors))
        return self._streamed(admitted)

    async def subscribe(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """As stream; the legacy protocol has one word for all operations."""
        return await self.stream(*args, **kwargs)

    def execute_sync(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Not offered: Strawberry's would go past the gate."""
        raise NotImplementedError("operations are executed by execute and stream, which pass the gate")

    async def executed(self, admitted: Admitted) -> ExecutionResult:
        """The one answer to a query or a mutation that has passed the gate."""
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
        answer.extensions = context.extensions or None
        return answer

    async def subscribed(self, admitted: Admitted) -> AsyncGenerator[ExecutionResult, None]:
        """The answers to a subscription that has passed the gate and that resolvers serve."""
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
                yield PreExecutionError(data=None, errors=[typed(e) for e in source.errors or []])
                return
            async with aclosing(_Resolved(admitted, source).pages()) as results:
                async for result in results:
                    yield _answer(result)
                    admitted.context.forget()
        except OperationRejected as ended:
            yield ExecutionResult(data=None, errors=ended.errors)
        except Exception as error:  # the field that subscribes may raise anything
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
    """Strawberry leaves the context open; rules and resolvers need one of ours."""
    if not isinstance(context, Context):
        raise TypeError(f"an operation needs a context_value of the type Context, got {context!r:.100}")
    return context


async def _just(answer: ExecutionResult) -> AsyncGenerator[ExecutionResult, None]:
    yield answer


@dataclass(frozen=True)
class _Resolved(Subscriber[RawResult]):
    """A subscription whose items graphql-core resolves."""

    results: AsyncIterator[RawResult]

    def _source(self) -> AsyncGenerator[RawResult, None]:
        assert isinstance(self.results, AsyncGenerator), (
            "graphql-core maps a subscription by such a generator"
        )
        return self.results


class FollowedResult(ExecutionResult):
    """An item of what is followed, rendered. cursor: behind what a client goes on."""

    def __init__(self, rendered: Rendered) -> None:
        data: Any = rendered.data  # JSON, which whoever encodes takes as it is
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


def _answer(result: RawResult) -> ExecutionResult:
    if not result.errors:
        return ExecutionResult(data=result.data, errors=None)
    errors = [typed(error) for error in result.errors]
    before_execution = result.data is None and all(error.path is None for error in result.errors)
    return (PreExecutionError if before_execution else ExecutionResult)(data=result.data, errors=errors)
