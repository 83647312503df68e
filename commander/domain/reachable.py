"""The digest of the code that can be reached from a class in the domain's own modules.

A definition is a name at the top level of a module, with all statements that bind it. From one definition
to the next lead the names that it uses, through imports too. What is nested in a definition belongs to it.

The domain's own modules are those in the top-level package of a module that declares a part of the domain,
and those in its directory. The standard library, installed distributions and Commander are not. A name from
there counts as the text of its import.

The digest does not depend on the names and paths under which modules are imported, nor on the order of
definitions: definitions are numbered as they are reached.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from types import CodeType, MethodType, ModuleType
from typing import Any, NamedTuple
from uuid import UUID

from commander.domain.normalising import Chain, Import, Reference
from commander.domain.own_modules import Module, OwnModules

logger = logging.getLogger("commander.domain")

_WHOLE_MODULE = "*"
_PLAIN = (bool, int, float, str, bytes, Decimal, date, timedelta, UUID, type(None))
_CONTAINERS = (Mapping, list, tuple, set, frozenset)
_logged: set[str] = set()


class Root(NamedTuple):
    """Where reaching begins. role: what the class or function is to the thing that gets a fingerprint."""

    role: str
    code: type | Callable[..., Any]


class Name(NamedTuple):
    """A definition."""

    module: Module
    name: str


Target = Name | str
"""A definition, or as text what is not reached further."""


@dataclass(frozen=True)
class _Reached:
    digest: bytes
    targets: tuple[tuple[str, tuple[Target, ...]], ...]


class Reachable:
    """Makes fingerprints. Each module is read once, so use one object for all of a domain, then drop it.

    left_out: the class of values that are not code of the domain: Domain itself.
    """

    def __init__(self, declared: Iterable[Any], left_out: type) -> None:
        """declared: the classes and functions that a domain is made of."""
        self._left_out = left_out
        self._modules = OwnModules(one.__module__ for one in declared)
        self._known: dict[Name, _Reached] = {}

    def fingerprint(self, label: str, roots: Iterable[Root]) -> str:
        """Eight hex digits over the label, the roots and all that can be reached from them."""
        digest = blake2b(label.encode(), digest_size=4)
        numbers: dict[Name, int] = {}
        queue: list[Name] = []

        def numbered(target: Target) -> str:
            if isinstance(target, str):
                return target
            if target not in numbers:
                numbers[target] = len(numbers)
                queue.append(target)
            return str(numbers[target])

        for role, code in roots:
            targets = [numbered(target) for target in self._of_root(code)]
            digest.update(f"\n{role}: {targets}".encode())
        for name in queue:  # it grows meanwhile
            reached = self._reached(name)
            digest.update(reached.digest)
            for text, targets_of_name in reached.targets:
                digest.update(f"\n{text}: {[numbered(target) for target in targets_of_name]}".encode())
        return digest.hexdigest()

    def _reached(self, name: Name) -> _Reached:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._read(*name)
        return known

    def _read(self, module: Module, name: str) -> _Reached:
        if name == _WHOLE_MODULE:
            defined = sorted(module.source.defined)
            return _Reached(b"", tuple((one, (Name(module, one),)) for one in defined))
        definition = module.source.definition(name, functools.partial(self._is_left_out, module))
        targets = [
            (".".join(reference.chain), tuple(self._targets(module, reference)))
            for reference in definition.references
        ]
        value = module.variables.get(name)
        held = value if isinstance(value, _CONTAINERS) else None
        if held is None and isinstance(registry := getattr(value, "registry", None), Mapping):
            held = registry
        if held:  # functions that registered themselves
            targets.append(("holds", tuple(self._held(held, (), scalars=False))))
        text = blake2b(definition.text.encode(), digest_size=16).digest()
        return _Reached(text, tuple((key, found) for key, found in targets if found))

    def _is_left_out(self, module: Module, chain: Chain) -> bool:
        """Whether a decorator is a method of the domain. What it declares is part of the label instead."""
        value = module.variables.get(chain[0]) if chain else None
        for attribute in chain[1:]:
            if not isinstance(value, ModuleType):
                break
            value = getattr(value, attribute, None)
        return isinstance(value, self._left_out)

    def _targets(self, module: Module, reference: Reference) -> Iterator[Target]:
        if reference.imported is not None:
            yield from self._imported(module, reference.imported, reference.chain, ())
        else:
            yield from self._resolved(module, reference.chain, ())

    def _resolved(self, module: Module, chain: Chain, seen: tuple[Name, ...]) -> Iterator[Target]:
        """What a name means in a module: of a.b.c, that of a, unless a is a module."""
        name, rest = chain[0], chain[1:]
        key = Name(module, name)
        if key in seen or isinstance(module.variables.get(name), self._left_out):
            return
        seen = (*seen, key)
        if name in module.source.defined:
            yield key
        elif name in module.source.imports:
            for one in module.source.imports[name]:
                yield from self._imported(module, one, rest, seen)
        elif (submodule := self._modules.submodule(module, name)) is not None:
            yield from self._attribute(submodule, rest, seen)
        else:
            for star in module.source.stars:
                yield from self._imported(module, star._replace(name=name), rest, seen)

    def _imported(
        self, module: Module, found: Import, rest: Chain, seen: tuple[Name, ...]
    ) -> Iterator[Target]:
        absolute = module.absolute(found)
        target = self._modules.named(absolute)
        if target is None:
            yield absolute if found.name is None else f"{absolute}.{found.name}"
        elif found.name is None:
            yield from self._attribute(target, rest, seen)
        elif Name(target, found.name) in seen:  # `from . import part` in the package itself
            submodule = self._modules.submodule(target, found.name)
            yield from () if submodule is None else self._attribute(submodule, rest, seen)
        else:
            yield from self._resolved(target, (found.name, *rest), seen)

    def _attribute(self, module: Module, rest: Chain, seen: tuple[Name, ...]) -> Iterator[Target]:
        if rest:
            yield from self._resolved(module, rest, seen)
        else:  # the module is used as a value
            yield Name(module, _WHOLE_MODULE)

    def _of_root(self, code: Any) -> Iterator[Target]:
        found = list(self._of_lambda(code)) or list(self._of_value(code, (), scalars=True))
        if not found:
            yield _unreadable(code)
        yield from found
        if "<locals>" in getattr(code, "__qualname__", "") and isinstance(code, type):
            for name, value in sorted(vars(code).items()):
                if not name.startswith("__") and isinstance(value, _PLAIN):
                    yield f"{name}={value!r}"
                elif not name.startswith("__"):
                    yield from self._captured(value, ())

    def _of_lambda(self, code: Any) -> Iterator[Target]:
        """What a lambda in a decorator is made of. The decorator is not part of what it decorates."""
        module = self._modules.named(getattr(code, "__module__", None) or "")
        if module is None or getattr(code, "__name__", "") != "<lambda>":
            return
        name = module.source.lambdas_at(code.__code__.co_firstlineno)
        if name is not None:
            yield Name(module, name)
            yield from self._captured(code, ())

    def _of_value(self, value: Any, seen: tuple[int, ...], *, scalars: bool) -> Iterator[Target]:
        """The definitions behind a value. scalars: plain data counts too, by its repr.

        seen: the values that this one is in.
        """
        if isinstance(value, _PLAIN):
            if scalars:
                yield repr(value)
            return
        if id(value) in seen or isinstance(value, self._left_out):
            return
        seen = (*seen, id(value))
        if isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                yield from self._of_value(part, seen, scalars=scalars)
        elif isinstance(value, _CONTAINERS):
            yield from self._held(value, seen, scalars=scalars)
        elif isinstance(value, type):
            yield from self._defined(value.__module__, value.__qualname__.partition(".")[0])
        elif isinstance(value, Enum):
            yield from self._of_value(type(value), seen, scalars=scalars)
            yield value.name
        elif callable(value):
            function = inspect.unwrap(value.__func__ if isinstance(value, MethodType) else value)
            yield from self._of_function(function, seen)

    def _of_function(self, function: Any, seen: tuple[int, ...]) -> Iterator[Target]:
        code: CodeType | None = getattr(function, "__code__", None)
        module = self._modules.named(function.__module__ or "") if code is not None else None
        if code is None or module is None:
            return
        name = module.source.defined_at(code.co_firstlineno)
        if name is not None:
            yield Name(module, name)
            yield from self._captured(function, seen)

    def _defined(self, module_name: str, name: str) -> Iterator[Target]:
        module = self._modules.named(module_name)
        if module is not None and name in module.source.defined:
            yield Name(module, name)

    def _captured(self, function: Any, seen: tuple[int, ...]) -> Iterator[Target]:
        """The values that a function takes from the function around it."""
        function = getattr(function, "__func__", function)
        for cell in getattr(function, "__closure__", None) or ():
            try:
                value = cell.cell_contents
            except ValueError:  # it is not set yet
                continue
            yield from self._of_value(value, seen, scalars=True)

    def _held(self, container: Any, seen: tuple[int, ...], *, scalars: bool) -> Iterator[Target]:
        """What a container holds. The order counts in a tuple; elsewhere it can follow that of imports."""
        found: dict[tuple[str, str, str], Target] = {}
        for label, value in _items(container):
            for target in self._of_value(value, seen, scalars=scalars):
                where = ("", target) if isinstance(target, str) else (target.module.name, target.name)
                found[label, *where] = target
        for (label, *_), target in sorted(found.items(), key=lambda item: item[0]):
            yield label
            yield target


def _items(container: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(container, Mapping):
        for key, value in container.items():
            yield repr(key) if isinstance(key, _PLAIN) else getattr(key, "__qualname__", ""), value
    elif isinstance(container, tuple):
        yield from ((f"{n:09}", value) for n, value in enumerate(container))
    else:
        yield from (("", value) for value in container)


def _unreadable(code: Any) -> str:
    """The names in a class or a function whose source cannot be read. It is said once."""
    name = f"{code.__module__}.{getattr(code, '__qualname__', type(code).__qualname__)}"
    if name not in _logged:
        _logged.add(name)
        logger.warning(
            "the source of %s cannot be read, so a change of its code is not noticed: put the code into a "
            ".py file, or run `commander snapshots drop` and `commander projections rebuild` after a change",
            name,
        )
    return f"{name} {sorted(getattr(code, '__annotations__', ()))}"
