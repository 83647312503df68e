"""Whether a class holds values that can be changed in place."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

_IMMUTABLE = (str, bytes, int, float, complex, Decimal, UUID, date, datetime, time, timedelta, Enum)


def is_mutable(cls: type) -> bool:
    """Whether a field of this dataclass can hold a value that can be changed in place, also in a field of it.

    An annotation that cannot be read, or that says nothing (Any), counts as mutable.
    """
    try:
        hints = typing.get_type_hints(cls, localns={cls.__name__: cls})
    except Exception:  # an annotation in quotes may hold anything
        return True
    return any(_can_change(hints[field.name], (cls,)) for field in dataclasses.fields(cls))


def _can_change(hint: Any, within: tuple[type, ...]) -> bool:
    if isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint in within or origin is typing.Literal:
        return False
    if origin in (typing.Union, types.UnionType, tuple, frozenset):
        return any(_can_change(one, within) for one in arguments if one is not Ellipsis)
    if not isinstance(hint, type):
        return True
    if dataclasses.is_dataclass(hint):
        if not hint.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            return True
        try:
            hints = typing.get_type_hints(hint)
        except Exception:  # an annotation in quotes may hold anything
            return True
        return any(_can_change(hints[field.name], (*within, hint)) for field in dataclasses.fields(hint))
    return not issubclass(hint, (*_IMMUTABLE, type(None)))
