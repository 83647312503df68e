"""What is Commander's own in a schema, and its names there.

A gateway composes the schemas of several domains into one graph; see docs/federation.md. In it, types of one
name are one type, and root fields of one name are one field. So in a subgraph, what is Commander's own has
the name of the domain in front: BankCommand, bankEvents. What the author of the domain names keeps its name.

Two domains share only what a standard outside of Commander defines: scalars, and Relay's Node and PageInfo.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphql import GraphQLInterfaceType, GraphQLSchema
from strawberry.schema.name_converter import NameConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.enum import StrawberryEnumDefinition

from commander.schema.names import camel, capitalized, uncapitalized

_SCALARS = ("Boolean", "String", "Int", "Float", "BigInt", "Decimal", "UUID", "DateTime", "Date", "Time")
_TYPES = """
    AnyCommand AsOf AvailableCommand CaughtUp Command CommandAccepted CommandApplied CommandConflict
    CommandConnection CommandEdge CommandFailed CommandFilter CommandForbidden CommandInvalid CommandOptions
    CommandOutcome CommandPending CommandRejected CommandStatus CommandValid DeadLetterAction
    DeadLetterDeed EffectAction EffectFailure EffectFailureState Event EventConnection EventEdge
    EventFilter FeedItem Heartbeat InputProblem Lineage LineageCommand LineageEvent LineageProjection
    LiveChangeKind OrderDirection PendingStage ProjectionBehind ProjectionName ProjectionTable
    ProjectionTrouble ProposedEvent Reaction ReactionRejected ReactorAction ReactorDeed ReactorFailure
    ReactorFailureConnection ReactorFailureEdge ReactorFailureState RowVersion Settlement StandsStill
    StoppedAt SubmitOptions System SystemApi SystemApiProcess SystemDeadLetters SystemEffect SystemLog
    SystemMirror SystemMovement SystemPartition SystemProcessing SystemProcessor SystemProjection SystemQueue
    SystemReactor SystemSchedule UnreadableEvent VersionConflict Wait
"""
_OWN_TYPES = frozenset([*_TYPES.split(), *(f"{scalar}Condition" for scalar in _SCALARS)])
_FIELDS = """
    event events node nodes command commands deadLetters lineage effectFailures reactorFailures
    submit cancelCommand retryDeadLetter dropDeadLetter retryEffect dropEffect retryReaction skipReaction
    rebuildProjection switchProjection rollBackProjection dropProjectionTable commandStatus system
"""
_OWN_FIELDS = frozenset(_FIELDS.split())
ROOTS = ("Query", "Mutation", "Subscription")
_WORD = re.compile(r"`([a-z]\w+)(?=[`(])|\b([A-Z][a-z]+[A-Z]\w+)\b")
"""In a description: a field in backticks, or a name of several words, such as CommandRejected."""


@dataclass(frozen=True)
class Naming:
    """prefix: what stands before the names of Commander's own types; empty if the schema stands alone."""

    prefix: str = ""

    @classmethod
    def of_subgraph(cls, domain: str) -> Naming:
        """domain: its name."""
        return cls(capitalized(camel(domain)))

    def type(self, own: str) -> str:
        """The name of a type. A name that is not Commander's own stays as it is."""
        return f"{self.prefix}{own}" if own in _OWN_TYPES else own

    def field(self, own: str) -> str:
        """The name of a field of Query, Mutation or Subscription."""
        return uncapitalized(f"{self.prefix}{capitalized(own)}") if self._renames(own) else own

    def plain_type(self, shown: str) -> str:
        """The inverse of `type`."""
        return self._plain_types.get(shown, shown)

    def plain_field(self, type_: str, shown: str) -> str:
        """The inverse of `field`, for a field of any type."""
        return self._plain_fields.get(shown, shown) if type_ in ROOTS else shown

    def text(self, description: str) -> str:
        """A description of Commander's own, with the names that types and root fields have here."""
        if not self.prefix:
            return description

        def renamed(match: re.Match[str]) -> str:
            field, type_ = match.groups()
            return f"`{self.field(field)}" if field else self.type(type_)

        return _WORD.sub(renamed, description)

    def resolve_types(self, schema: GraphQLSchema) -> None:
        """Strawberry resolves an interface to the name of a class, whatever a NameConverter says."""
        if not self.prefix:
            return
        for type_ in schema.type_map.values():
            if isinstance(type_, GraphQLInterfaceType):
                type_.resolve_type = self._renaming(type_.resolve_type)

    def _renaming(self, resolve: Any) -> Any:
        def renamed(*arguments: Any) -> Any:
            found = resolve(*arguments)
            return self.type(found) if isinstance(found, str) else found

        return renamed

    def _renames(self, own: str) -> bool:
        return bool(self.prefix) and own in _OWN_FIELDS

    @cached_property
    def _plain_types(self) -> dict[str, str]:
        return {self.type(own): own for own in _OWN_TYPES}

    @cached_property
    def _plain_fields(self) -> dict[str, str]:
        return {self.field(own): own for own in _OWN_FIELDS}


PLAIN = Naming()
"""Of a schema that stands alone."""


class Names(NameConverter):
    """Gives the types of one schema their names."""

    def __init__(self, naming: Naming) -> None:
        super().__init__()
        self._naming = naming

    def from_object(self, object_type: StrawberryObjectDefinition) -> str:
        """Of an object, an interface or an input."""
        return self._naming.type(super().from_object(object_type))

    def from_enum(self, enum: StrawberryEnumDefinition) -> str:
        return self._naming.type(super().from_enum(enum))
