"""Names of GraphQL as names of Python."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

_WORDS = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_USED = frozenset(
    {
        *("str", "int", "float", "bool", "tuple", "object", "self", "patience_seconds"),
        *("typing", "dataclasses", "collections", "codec", "models", "operations"),
    }
)
"""What the generated code uses: an attribute of this name would hide it."""
_OF_ENUMS = frozenset({*dir(str), "name", "value", "mro"})


def snake(name: str) -> str:
    """accountId becomes account_id."""
    return _WORDS.sub("_", name).lower()


def attribute(name: str) -> str:
    """The name of a field, an argument or a method, which is no keyword and hides nothing."""
    plain = snake(name)
    return f"{plain}_" if keyword.iskeyword(plain) or plain in _USED else plain


def attributes(names: Iterable[str]) -> dict[str, str]:
    """The names of the fields of a class, by their names in GraphQL; no two are equal."""
    made: dict[str, str] = {}
    for name in names:
        own = attribute(name)
        while own in made.values():
            own += "_"
        made[name] = own
    return made


def member(name: str) -> str:
    """The name of a member of an enum."""
    hides = keyword.iskeyword(name) or name in _OF_ENUMS or (name.startswith("_") and name.endswith("_"))
    return f"{name}_" if hides else name


def free(name: str, taken: Iterable[str]) -> str:
    """The name, or one made from it that is not taken."""
    taken = set(taken)
    while name in taken:
        name += "_"
    return name
