"""The domain API: pure Python, no I/O, no framework. It imports nothing else of Commander."""

from commander.domain.aggregates import AggregateType
from commander.domain.code import DomainCode
from commander.domain.conditions import one_of, where
from commander.domain.constraints import Doc, Message
from commander.domain.deciders import DeciderType, QuerySource, StateParameter, StreamSource
from commander.domain.decision_models import DecisionModelType
from commander.domain.decisions import CommandContext
from commander.domain.deprecations import Deprecated
from commander.domain.domain import Domain
from commander.domain.effects import EffectCall, EffectType
from commander.domain.entities import Entity
from commander.domain.errors import (
    CommanderError,
    DefinitionError,
    Forbidden,
    HookFailed,
    InvalidCommand,
    InvalidDecision,
    Problem,
    ProjectionFailed,
    Rejected,
    RuleFailed,
    UndecodableEvent,
    UnknownEvent,
)
from commander.domain.fields import BigInt, Field, new_id
from commander.domain.guards import guards
from commander.domain.hooks import Origin, SubmitContext
from commander.domain.look_ups import Found, KeySource, by
from commander.domain.messages import CommandType, EventType
from commander.domain.names import ApiName
from commander.domain.projections import ProjectionType
from commander.domain.reactions import Deadline, Later
from commander.domain.reactors import ReactionRejected, ReactorType
from commander.domain.references import Ref
from commander.domain.rights import Rights, Verdict
from commander.domain.roles import Visible
from commander.domain.rules import any_of, anyone, same_as
from commander.domain.tags import Tag
from commander.domain.touching import touches
from commander.domain.unique import Unique, UniqueRule
from commander.domain.viewers import Viewer

__all__ = [
    "AggregateType",
    "ApiName",
    "BigInt",
    "CommandContext",
    "CommandType",
    "CommanderError",
    "Deadline",
    "DeciderType",
    "DecisionModelType",
    "DefinitionError",
    "Deprecated",
    "Doc",
    "Domain",
    "DomainCode",
    "EffectCall",
    "EffectType",
    "Entity",
    "EventType",
    "Field",
    "Forbidden",
    "Found",
    "HookFailed",
    "InvalidCommand",
    "InvalidDecision",
    "KeySource",
    "Later",
    "Message",
    "Origin",
    "Problem",
    "ProjectionFailed",
    "ProjectionType",
    "QuerySource",
    "ReactionRejected",
    "ReactorType",
    "Ref",
    "Rejected",
    "Rights",
    "RuleFailed",
    "StateParameter",
    "StreamSource",
    "SubmitContext",
    "Tag",
    "UndecodableEvent",
    "Unique",
    "UniqueRule",
    "UnknownEvent",
    "Verdict",
    "Viewer",
    "Visible",
    "any_of",
    "anyone",
    "by",
    "guards",
    "new_id",
    "one_of",
    "same_as",
    "touches",
    "where",
]
