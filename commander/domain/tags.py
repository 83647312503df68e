"""Tags: fields of events by whose values a decision model finds the events in the log, whatever their stream.

    course_id: Annotated[UUID, Tag()]

A tag is a text: the name of the field and the value, as course_id:7b1c….
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any
from uuid import UUID

from commander.domain.errors import DefinitionError

MAX_TAG_BYTES = 500
"""The longest tag, in bytes of UTF-8."""

_TYPES = (UUID, str, int, date, bool)


@dataclass(frozen=True)
class Tag:
    """Marks a field of an event. A decision model with a tag of this name folds the event.

    course_id: Annotated[UUID, Tag()]
    """


def is_tagged(metadata: Iterable[Any], python: Any, where: str, at_field: str) -> bool:
    """Whether the field with this metadata is a tag.

    python: its annotation without None. Raises DefinitionError for a type that cannot be a tag.
    """
    if not any(one is Tag or isinstance(one, Tag) for one in metadata):
        return False
    if any(one is Tag for one in metadata):
        raise DefinitionError(where, f"{at_field}: write the tag with parentheses: Tag()")
    python = getattr(python, "__supertype__", python)  # of a BigInt
    if python not in _TYPES and not (isinstance(python, type) and issubclass(python, Enum)):
        problem = "a tag must be a UUID, str, int, BigInt, date, bool or an Enum, or None"
        raise DefinitionError(where, f"{at_field}: {problem}")
    return True


def tag_of(field: str, value: Any) -> str:
    """The tag of a field with this value. Equal values have the same tag."""
    if isinstance(value, Enum):
        value = value.value
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{field}:{text}"


def is_too_long(tag: str) -> bool:
    """Whether a tag has more than MAX_TAG_BYTES."""
    return len(tag) > MAX_TAG_BYTES // 4 and len(tag.encode()) > MAX_TAG_BYTES
