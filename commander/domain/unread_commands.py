"""A command of which only the key is known: what a rule gets when it is asked before there is a command.

A rule is a function of the author's, so whether it needs the input is found by running it: reading a field
other than the key raises. The attempt is noted too, because the author's code may catch what is raised.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, cast

_OWN = "__commander_unread__"
_OF_ALL_FIELDS = frozenset({"__dict__", "__getstate__"})
"""Attributes with the values of all fields."""


class InputNeeded(BaseException):
    """A field of a command was read that is not known yet. The author's `except Exception` lets it pass."""


class _Quiet:
    """The first base of a class that is made here: no __init_subclass__ of the author's sees that class."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        pass


class Unread:
    """The commands of a class before their input. fields: their names. key: the one field that is known."""

    def __init__(self, cls: type, fields: Set[str], key: str) -> None:
        self._made = _unread_class(cls, _OF_ALL_FIELDS | fields, key)

    def command(self, key: Any) -> Any:
        """A command with this key. It is an instance of the class, made without its __init__."""
        made: Any = object.__new__(self._made)
        object.__setattr__(made, _OWN, [key, False])
        return made


def was_read(command: Any) -> bool:
    """Whether a field that is not known was read, of a command that `Unread.command` made."""
    return cast(bool, object.__getattribute__(command, _OWN)[1])


def _unread_class(cls: Any, unknown: frozenset[str], key: str) -> type:
    def read(self: Any, name: str) -> Any:
        if name == key:
            return object.__getattribute__(self, _OWN)[0]
        if name in unknown:
            object.__getattribute__(self, _OWN)[1] = True
            raise InputNeeded(name)
        return cls if name == "__class__" else cls.__getattribute__(self, name)

    namespace = {"__getattribute__": read, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    made: type = type(cls)(cls.__name__, (_Quiet, cls), namespace)
    return made
