"""Commander: a domain in plain Python becomes a GraphQL API over an event log.

commander/domain   what a domain is written with; pure; imports nothing of ours
eventstore/        Postgres: log, outcomes, projections     may import commander.domain
streaming/         NATS JetStream: submit, process, relay,  may import eventstore, commander.domain
                   project, react, feed
resolvers/         what each GraphQL field does             may import streaming and below
schema/            what the GraphQL API looks like, HTTP    may import resolvers and below
commander/ (rest)  settings, command line, the parts        may import all
examples/          domains to run and to copy: the bank     may import commander, as anyone's domain

A domain's author imports from here and from `commander.testing`, nothing else.
"""

from annotated_types import Ge, Gt, Le, Len, Lt, MaxLen, MinLen, MultipleOf, Predicate
from typing_extensions import Doc

from commander.domain import (
    BigInt,
    CommandContext,
    CommanderError,
    Deadline,
    DefinitionError,
    Domain,
    EffectCall,
    Later,
    ReactionRejected,
    Rejected,
    new_id,
    touches,
)

__all__ = [
    "BigInt",
    "CommandContext",
    "CommanderError",
    "Deadline",
    "DefinitionError",
    "Doc",
    "Domain",
    "EffectCall",
    "Ge",
    "Gt",
    "Later",
    "Le",
    "Len",
    "Lt",
    "MaxLen",
    "MinLen",
    "MultipleOf",
    "Predicate",
    "ReactionRejected",
    "Rejected",
    "new_id",
    "touches",
]
