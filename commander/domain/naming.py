"""The names of definitions: the stored name, earlier names, and the check that no name is taken twice.

What is stored under a name outlives the code. So the stored name of a definition never changes: it is the
first of its earlier names (`was`), or, without one, its present name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from commander.domain.errors import DefinitionError
from commander.domain.names import check_name
from commander.domain.source import running


class Named:
    """The part of a type with its names. name: the present name. was: the earlier names, oldest first."""

    name: str
    was: tuple[str, ...]

    @cached_property
    def stored_name(self) -> str:
        """The name in the log and in all tables. It stays the same when the definition is renamed."""
        return self.was[0] if self.was else self.name

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names that a stored record may have, the stored name first."""
        return tuple(dict.fromkeys((self.stored_name, *self.was, self.name)))


class GivenNames(NamedTuple):
    """The names that a decorator was given. kind: of the definition, for error messages."""

    kind: str
    name: str
    was: tuple[str, ...]

    @property
    def stored(self) -> str:
        """See Named.stored_name."""
        return self.was[0] if self.was else self.name

    @property
    def all(self) -> tuple[str, ...]:
        """See Named.names."""
        return tuple(dict.fromkeys((*self.was, self.name)))


def given_names(
    kind: str, default: str, name: str | None, was: Sequence[str], *, in_lower_case: bool = False
) -> GivenNames:
    """The names of a definition. default: the name of its class or function.

    in_lower_case: the first letter is stored in lower case, as for aggregates and reactors.
    Raises DefinitionError for a name that cannot be stored.
    """
    if isinstance(was, str):
        raise DefinitionError(running(), f"{default}: was must be a tuple of names; write was=({was!r},)")
    for given in (name, *was):
        if given is not None and not (isinstance(given, str) and given.isidentifier()):
            problem = f"the {kind} name {given!r} must be an identifier of Python"
            raise DefinitionError(running(), f"{default}: {problem}")
    present, earlier = default if name is None else name, tuple(was)
    if in_lower_case:
        present, earlier = _lower(present), tuple(map(_lower, earlier))
    return GivenNames(kind, present, tuple(dict.fromkeys(earlier)))


def check_public(names: GivenNames, where: str) -> None:
    """Raises DefinitionError unless all names are valid in GraphQL and in a NATS subject."""
    for name in names.all:
        check_name(name, where, name)


class TakenNames:
    """All names of a domain by kind, each with the place of its definition and its stored name."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], tuple[str, str]] = {}
        self._retired: set[tuple[str, str]] = set()

    def claim(self, names: GivenNames, where: str) -> None:
        """Raises DefinitionError, which names both places, if another definition has one of these names."""
        for name in names.all:
            self._check(names.kind, name)
            self._taken[names.kind, name] = where, names.stored

    def retire(self, kind: str, names: Iterable[str]) -> None:
        """Declares that stored records may have these names, and that no code reads them."""
        if isinstance(names, str):
            raise DefinitionError(running(), f"retired: {names!r} must be in a tuple, like ({names!r},)")
        for name in names:
            self._check(kind, name)
            self._taken[kind, name] = running(), name
            self._retired.add((kind, name))

    def stored(self, kind: str, name: str) -> str | None:
        """The stored name of the definition that has this present or earlier name; None if there is none."""
        found = self._taken.get((kind, name))
        return None if found is None or (kind, name) in self._retired else found[1]

    def names_of(self, kind: str, stored: str) -> list[str]:
        """All names of the definition with this stored name."""
        return [name for name in self.present(kind) if self._taken[kind, name][1] == stored]

    def known(self, kind: str, name: str) -> bool:
        """Whether a definition has this name, or it is retired."""
        return (kind, name) in self._taken

    def is_retired(self, kind: str, name: str) -> bool:
        """Whether stored records may have the name, and no code reads them."""
        return (kind, name) in self._retired

    def present(self, kind: str) -> list[str]:
        """All names of this kind that definitions have."""
        return [name for of, name in self._taken if of == kind and (of, name) not in self._retired]

    def _check(self, kind: str, name: str) -> None:
        if (kind, name) in self._taken:
            other, _ = self._taken[kind, name]
            how = "retired" if (kind, name) in self._retired else "defined"
            raise DefinitionError(running(), f"the {kind} name {name} is taken: it is {how} at {other}")


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]
