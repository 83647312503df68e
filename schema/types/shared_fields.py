"""One type for each field that several types of events have.

A document may select a field on several members of an interface only if its type is the same in all of them.
So a field that may be null in one event may be null in all, and events whose fields differ otherwise are an
error, which ApiName mends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from commander.domain import DefinitionError, EventType, Field
from commander.domain.fields import EnumType, FieldType, ListType, RecordType, ScalarType

_OF_THE_API: Mapping[str, tuple[str, FieldType | None]] = {
    "reason": ("UnreadableEvent", ScalarType(str)),
    "since": ("StandsStill", None),
    "stopped": ("StandsStill", None),
}
"""The fields of other items of the feed: who has them, and as which type; None: as none of a domain."""


def shared_fields(events: Iterable[EventType]) -> dict[str, tuple[Field, ...]]:
    """The fields of each event, by its name, with the types that they have in the API.

    Raises DefinitionError for a field whose type differs between two events.
    """
    events = list(events)
    first: dict[str, tuple[EventType, Field]] = {}
    may_be_null: set[str] = set()
    for event in events:
        for field in event.fields:
            shown = field.graphql_name
            if shown in _OF_THE_API:
                _check_against_the_api(event, field, *_OF_THE_API[shown])
            other, known = first.setdefault(shown, (event, field))
            if _form(known.type) != _form(field.type):
                raise _differs(event, field, f"{other.name}.{known.name}")
            if field.optional or field.visible_to is not None:
                may_be_null.add(shown)
    return {
        event.name: tuple(
            replace(field, optional=True) if field.graphql_name in may_be_null else field
            for field in event.fields
        )
        for event in events
    }


def _check_against_the_api(event: EventType, field: Field, owner: str, type_: FieldType | None) -> None:
    if type_ is None or field.optional or _form(field.type) != _form(type_):
        raise _differs(event, field, f"{owner}.{field.graphql_name}")


def _differs(event: EventType, field: Field, other: str) -> DefinitionError:
    shown = field.graphql_name
    named = f'Annotated[…, ApiName("{event.name[0].lower()}{event.name[1:]}{shown[0].upper()}{shown[1:]}")]'
    return DefinitionError(
        event.where,
        f"{event.name}.{field.name}: {other} has another type, so no client could select both as {shown}; "
        f"give one of them another name in the API, such as {named}",
    )


def _form(type_: FieldType) -> Any:
    """Equal for two types that are the same in GraphQL."""
    match type_:
        case ScalarType(python) | EnumType(python) | RecordType(python, _):
            return python
        case ListType(_, item, optional_items):
            return optional_items, _form(item)
