"""Global ids: every row, command and event has one. They are made and read here.

An id is base64url, without padding, of

    row:<projection>:<key>      the stored name of the projection, and the key as text
    command:<command id>
    event:<position>            in a later epoch of the log than the first: 2.710

It depends on nothing that a release changes, so clients may keep it. They must not read it.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from commander.domain import BigInt, Field, ProjectionType
from commander.domain.errors import InvalidRequest
from commander.domain.fields import ScalarType
from commander.eventstore.log.epochs import Epochs
from commander.resolvers.cursors import MALFORMED, position_cursor_of, read_value, written_value

_EVENT = re.compile(r"(?:([2-9]|[1-9][0-9]{1,8})\.)?([1-9][0-9]{0,18})", re.ASCII)
_LARGEST = 2**63 - 1
_JSON = tuple(ScalarType(python) for python in (int, BigInt, bool))
"""Key types whose text is JSON."""


@dataclass(frozen=True)
class RowId:
    """A row. projection: None if the domain does not have it any more."""

    projection: ProjectionType | None
    key: Any


@dataclass(frozen=True)
class CommandId:
    command_id: UUID


@dataclass(frozen=True)
class EventId:
    """An event. epoch: the epoch in which its position was given."""

    position: int
    epoch: int


NodeId = RowId | CommandId | EventId


def row_id(projection: ProjectionType, row: Any) -> str:
    """The id of a row."""
    return _row_id(projection, getattr(row, projection.key))


def command_id(id: UUID) -> str:
    """The id of a command."""
    return _encoded(f"command:{id}")


def event_id(position: int, epochs: Epochs) -> str:
    """The id of the event at this position."""
    return _encoded(f"event:{position_cursor_of(position, epochs)}")


def read_id(argument: str, id: str, projections: Mapping[str, ProjectionType]) -> NodeId:
    """What an id names. projections: by stored name.

    Raises InvalidRequest, with this argument, for a text that is no id.
    """
    try:
        text = urlsafe_b64decode(id + "=" * (-len(id) % 4)).decode()
        found = _read(text, projections)
    except MALFORMED:
        found = None
        text = ""
    if found is None or _encoded(text) != id:
        raise InvalidRequest(argument, f"{id[:100]!r} is not an id of this API")
    return found


def _read(text: str, projections: Mapping[str, ProjectionType]) -> NodeId | None:
    kind, _, rest = text.partition(":")
    if kind == "row":
        name, colon, key = rest.partition(":")
        if not name or not colon:
            return None
        projection = projections.get(name)
        if projection is None:
            return RowId(None, key)
        value = _key_from(projection.key_field, key)
        return RowId(projection, value) if _key_text(projection.key_field, value) == key else None
    if kind == "command":
        found = UUID(rest)
        return CommandId(found) if str(found) == rest else None
    if kind == "event" and (match := _EVENT.fullmatch(rest)) and int(match[2]) <= _LARGEST:
        return EventId(int(match[2]), int(match[1] or 1))
    return None


def _row_id(projection: ProjectionType, key: Any) -> str:
    return _encoded(f"row:{projection.name}:{_key_text(projection.key_field, key)}")


def _key_text(field: Field, key: Any) -> str:
    return msgspec.json.encode(key).decode() if field.type in _JSON else str(written_value(key))


def _key_from(field: Field, text: str) -> Any:
    """Raises one of MALFORMED for a text that is no key."""
    return read_value(field, msgspec.json.decode(text) if field.type in _JSON else text)


def _encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")
