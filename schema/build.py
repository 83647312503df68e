"""The whole GraphQL schema of a domain. This code knows no particular domain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import strawberry
from strawberry.exceptions import DuplicatedTypeName
from strawberry.schema.config import StrawberryConfig

from commander.domain import DefinitionError, Domain
from commander.domain.unique_rows import unique_rows_of
from commander.resolvers.trusted_documents import TrustedDocuments
from commander.schema.descriptions import describe
from commander.schema.execution.counting import CountingExecution
from commander.schema.execution.gate import Rule
from commander.schema.execution.operations import CommanderSchema
from commander.schema.execution.visible_schema import VisibleSchemas
from commander.schema.names import camel, uncapitalized
from commander.schema.naming import PLAIN, Names, Naming
from commander.schema.subgraph import Subgraph
from commander.schema.types.command_status import history_fields
from commander.schema.types.commands import (
    cancel_mutation,
    command_inputs,
    command_mutation,
    option_types,
    submit_mutation,
)
from commander.schema.types.effects import effect_fields
from commander.schema.types.entities import REPRESENTATION, EntityType, entities_field, service_field
from commander.schema.types.events import EventTypes, event_fields
from commander.schema.types.field_types import TypeMap
from commander.schema.types.for_operators import is_for_operators
from commander.schema.types.late_projections import projection_names
from commander.schema.types.lineage import lineage_fields
from commander.schema.types.node import node_fields
from commander.schema.types.other_entities import OtherEntities
from commander.schema.types.projection_tables import projection_table_fields
from commander.schema.types.projections import ProjectionFields, names_of
from commander.schema.types.reactor_failures import reactor_failure_fields
from commander.schema.types.rejection_codes import RejectionCodes
from commander.schema.types.results import OutcomeTypes
from commander.schema.types.scalars import SCALARS
from commander.schema.types.system import system_fields


def build_schema(
    domain: Domain,
    rules: Iterable[Rule] = (),
    trusted: TrustedDocuments | None = None,
    *,
    subgraph: bool = False,
    hides: bool = False,
) -> CommanderSchema:
    """The schema of a domain. Raises DefinitionError for a domain with errors, and for names that collide.

    rules: each selected field must pass them before anything is executed; see execution/gate.py. trusted: the
    documents that clients can name by their ids. subgraph: it is part of a graph of several domains, which a
    gateway composes. hides: each viewer knows only what its roles can ever reach of it; see
    execution/visible_schema.py.
    """
    domain.check()
    types = TypeMap()
    naming = Naming.of_subgraph(domain.name) if subgraph else PLAIN
    others = OtherEntities(types) if subgraph else None
    events = EventTypes(domain, types, naming)
    log, event_queries, event_subscriptions = event_fields(events)
    history_queries, history_mutations, history_subscriptions = history_fields(events)
    lineage_queries, lineage_subscriptions = lineage_fields(events)
    effect_queries, effect_mutations = effect_fields()
    parked_queries, parked_mutations = reactor_failure_fields()
    system_queries, system_subscriptions = system_fields()
    made = ProjectionFields(domain, types, events, others)
    read = [*made.all(), log, *node_fields(domain.projections, events)]
    if subgraph and made.entities:
        read.append(entities_field(made.entities))
    inputs = command_inputs(domain, types)
    outcomes = OutcomeTypes(events, RejectionCodes(domain, types), made.from_streams)
    options = option_types(projection_names(domain, types))
    direct = [command_mutation(input, outcomes, options) for input in inputs]
    if inputs:
        direct.append(submit_mutation(inputs, outcomes, options))
    mutations = [
        *(field.declared for field in direct),
        cancel_mutation(events, outcomes),
        *history_mutations,
        *effect_mutations,
        *parked_mutations,
        *projection_table_fields(),
    ]
    direct_queries = [field.declared for field in read if field.of == "Query"]
    operating = [*effect_queries, *parked_queries, *system_queries]
    queries = [*direct_queries, *event_queries, *history_queries, *lineage_queries, *operating]
    if subgraph:
        queries.append(service_field(lambda context: schema.sdl_for(context)))
    live = [field.declared for field in made.live]
    followed = [*event_subscriptions, *history_subscriptions, *lineage_subscriptions]
    subscriptions = [*live, *followed, *system_subscriptions]
    try:
        schema = CommanderSchema(
            query=_root(domain, "Query", queries, naming),
            mutation=_root(domain, "Mutation", mutations, naming),
            subscription=_root(domain, "Subscription", subscriptions, naming),
            types=[*events.classes, *outcomes.classes],
            config=StrawberryConfig(
                scalar_map={**SCALARS, **REPRESENTATION} if subgraph else SCALARS,
                name_converter=Names(naming),
            ),
            rules=rules,
            trusted=trusted,
            naming=naming,
            subgraph=None if others is None else _subgraph(made.entities, others, types),
            execution_context_class=CountingExecution,
        )
    except DuplicatedTypeName as error:
        where = _where(domain, {cls.__name__ for cls in (error.first_cls, error.second_cls) if cls})
        raise DefinitionError(where, f"{error.message}; some names belong to the API") from error
    describe(schema._schema, domain, types.own, naming)
    schema.follow_with(events, made.live)
    schema.resolve_mutations({field.graphql_name: field.resolve for field in direct})
    for field in read:
        schema.resolve_directly(field.of, field.graphql_name, field.resolve)
    if hides:
        for_operators = {
            one.graphql_name for one in (*queries, *mutations, *subscriptions) if is_for_operators(one)
        }
        schema.gate.show_only(VisibleSchemas(schema._schema, domain, naming, for_operators))
    return schema


def _where(domain: Domain, names: set[str]) -> str:
    """Where the domain defines the first type that has one of these names in GraphQL."""
    named = [(event.name, event.where) for event in domain.events.values()]
    for command in domain.commands.values():
        named += [(f"{command.name}Input", command.where), (uncapitalized(command.name), command.where)]
    for row in domain.projections.values():
        by_keys = [one.query for one in unique_rows_of(domain, row)]
        own = (camel(row.query), camel(row.plural), *names_of(row), *by_keys)
        named += [(name, row.where) for name in own]
    return next((where for name, where in named if name in names), domain.where)


def _subgraph(entities: Sequence[EntityType], others: OtherEntities, types: TypeMap) -> Subgraph:
    return Subgraph({one.name: one.key for one in entities}, others.keys, {"PageInfo", *types.values})


def _root(domain: Domain, name: str, fields: list[Any], naming: Naming) -> Any:
    """A root type with these fields. Each field has its GraphQL name. Commander's own get theirs here.

    Both names must be free, so that a domain that can be a subgraph can also stand alone.
    """
    namespace: dict[str, Any] = {}
    taken = set[str]()
    for field in fields:
        names = {field.graphql_name, naming.field(field.graphql_name)}
        if twice := names & taken:
            problem = f"the name {min(twice)} is taken in {name}; rename one of them"
            raise DefinitionError(_where(domain, twice), problem)
        taken |= names
        field.graphql_name = naming.field(field.graphql_name)
        namespace[f"{field.graphql_name}_"] = field  # with _, because a command can be named Return
    return strawberry.type(type(name, (), namespace), name=name)
