"""The whole GraphQL schema of a domain. Nothing here knows any particular domain."""

from __future__ import annotations

from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import (
    MaxAliasesLimiter,
    MaxTokensLimiter,
    ParserCache,
    QueryDepthLimiter,
    ValidationCache,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from commander.domain import DefinitionError, Domain
from schema.commands import cancel_mutation, command_inputs, command_mutation, submit_mutation
from schema.errors import TypedErrors
from schema.events import EventTypes, event_fields
from schema.history import history_fields
from schema.limits import NestingLimit
from schema.projections import projection_fields
from schema.types import SCALARS, TypeMap


class CommanderSchema(strawberry.Schema):
    """A schema that does not log clients' mistakes; what is ours to mend is logged by TypedErrors."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        return None


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
            query=_root("Query", queries),
            mutation=_root("Mutation", mutations),
            subscription=_root("Subscription", [*event_subscriptions, *history_subscriptions]),
            types=events.classes,
            config=StrawberryConfig(scalar_map=SCALARS),
            extensions=[
                NestingLimit,
                lambda: MaxTokensLimiter(max_token_count=5000),
                lambda: MaxAliasesLimiter(max_alias_count=100),
                lambda: QueryDepthLimiter(max_depth=20),
                lambda: ParserCache(maxsize=1000),
                lambda: ValidationCache(maxsize=1000),
                TypedErrors,
            ],
        )
    except Exception as error:
        if type(error).__name__ == "DuplicatedTypeName":
            raise DefinitionError(f"Domain({domain.name!r})", str(error)) from error
        raise


def _root(name: str, fields: list[Any]) -> Any:
    """A root type of fields that each carry their GraphQL name."""
    return strawberry.type(type(name, (), {field.graphql_name: field for field in fields}), name=name)
