"""The whole GraphQL schema of a domain. Nothing here knows any particular domain."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.exceptions import DuplicatedTypeName
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.utils.operation import get_operation_type

from commander.domain import DefinitionError, Domain
from schema.commands import cancel_mutation, command_inputs, command_mutation, submit_mutation
from schema.documents import Documents, ReadDocument
from schema.errors import TypedErrors
from schema.events import EventTypes, event_fields
from schema.history import history_fields
from schema.names import camel, capitalized, uncapitalized
from schema.projections import projection_fields
from schema.types import SCALARS, TypeMap


class CommanderSchema(strawberry.Schema):
    """A schema that reads each document once and executes none that is above a limit or does not fit it.

    Clients' mistakes are not logged; what is ours to mend is logged by TypedErrors.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._documents = Documents(self._schema)

    def operation_type(self, query: str, operation_name: str | None) -> OperationType | None:
        """Of which type the operation is; None when it will be refused."""
        document = self._documents.read(query)
        if document.refusal(operation_name) or document.tree is None:
            return None
        return get_operation_type(document.tree, operation_name)

    async def execute(self, query: str | None, *args: Any, **kwargs: Any) -> ExecutionResult:
        """The one answer to a query or a mutation."""
        document = self._documents.read(query)
        if refusal := document.refusal(kwargs.get("operation_name")):
            return PreExecutionError(data=None, errors=refusal)
        kwargs["operation_extensions"] = {"document": document}
        return await super().execute(query, *args, **kwargs)

    async def stream(self, query: str | None, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """All answers to any operation, for a transport that carries many."""
        document = self._documents.read(query)
        if refusal := document.refusal(kwargs.get("operation_name")):
            return _only(PreExecutionError(data=None, errors=refusal))
        kwargs["operation_extensions"] = {"document": document}
        return await super().stream(query, *args, **kwargs)

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        return None


async def _only(result: ExecutionResult) -> AsyncGenerator[ExecutionResult, None]:
    yield result


def build_schema(domain: Domain) -> CommanderSchema:
    """The schema of a domain that has passed its check. Raises DefinitionError for names that collide."""
    domain.check()
    types = TypeMap()
    events = EventTypes(domain, types)
    event_queries, event_subscriptions = event_fields(events)
    history_queries, history_mutations, history_subscriptions = history_fields(events)
    projections = [f for p in domain.projections.values() for f in projection_fields(p, types)]
    inputs = command_inputs([c for c in domain.commands.values() if not c.internal], types)
    mutations = [command_mutation(made, events) for made in inputs]
    if inputs:
        mutations.append(submit_mutation(inputs, events))
    mutations += [cancel_mutation(events), *history_mutations]
    queries = [*projections, *event_queries, *history_queries]
    try:
        return CommanderSchema(
            query=_root(domain, "Query", queries),
            mutation=_root(domain, "Mutation", mutations),
            subscription=_root(domain, "Subscription", [*event_subscriptions, *history_subscriptions]),
            types=events.classes,
            config=StrawberryConfig(scalar_map=SCALARS),
            extensions=[
                ReadDocument,
                TypedErrors,
            ],
        )
    except DuplicatedTypeName as error:
        where = _where(domain, {cls.__name__ for cls in (error.first_cls, error.second_cls) if cls})
        raise DefinitionError(where, f"{error.message}; some names are the API's own") from error


def _where(domain: Domain, names: set[str]) -> str:
    """Where the first of the domain's types that bears one of these names in GraphQL is defined."""
    named = [(event.name, event.where) for event in domain.events.values()]
    for command in domain.commands.values():
        named += [(f"{command.name}Input", command.where), (uncapitalized(command.name), command.where)]
    for row in domain.projections.values():
        own = (camel(row.name), camel(row.plural), capitalized(camel(row.name)))
        named += [(name, row.where) for name in own]
    return next((where for name, where in named if name in names), domain.where)


def _root(domain: Domain, name: str, fields: list[Any]) -> Any:
    """A root type of fields that each carry their GraphQL name."""
    namespace: dict[str, Any] = {}
    for field in fields:
        attribute = f"{field.graphql_name}_"  # with _, for a command may be named Return
        if attribute in namespace:
            where = _where(domain, {field.graphql_name})
            raise DefinitionError(where, f"the name {field.graphql_name} is taken in {name}")
        namespace[attribute] = field
    return strawberry.type(type(name, (), namespace), name=name)
