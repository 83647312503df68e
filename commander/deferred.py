"""Modules that libraries import at once and a process seldom uses: loaded at their first use.

Only the processes of the command `commander` defer them. Where Commander is imported by other code, nothing
changes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

SELDOM_USED = (
    *("calendar", "configparser", "getpass", "linecache", "locale"),
    *("msgspec.inspect", "ntpath", "queue", "textwrap", "tokenize"),
)
"""0.7 MiB together. Imported by email, by asyncpg (service files, passwords), by subprocess (text),
by pathlib (Windows), by msgspec (schemas), by traceback and linecache (the source in tracebacks), by
concurrent.futures (threads)."""

_loading = threading.RLock()


def defer(names: Iterable[str] = SELDOM_USED) -> None:
    """Importing these modules costs nothing until something of them is used. Those loaded stay as they are.

    `from module import name` is such a use.
    """
    for name in names:
        if name not in sys.modules and (spec := _spec_of(name)) is not None and spec.loader is not None:
            module = _Deferred(name)
            module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, spec.origin
            sys.modules[name] = module


def _spec_of(name: str) -> ModuleSpec | None:
    """As find_spec, which would import the package that a module is in."""
    package = name.rpartition(".")[0]
    if not package:
        return find_spec(name)
    parent = find_spec(package)
    return None if parent is None else PathFinder.find_spec(name, parent.submodule_search_locations)


class _Deferred(ModuleType):
    """Python asks it for a name only if the module does not have it, so only before it is loaded."""

    _is_loading = False

    def __getattr__(self, name: str) -> Any:
        if name == "__path__":  # Python looks for it to tell a package, which none of them is
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        with _loading:
            if type(self) is _Deferred:  # no other thread has loaded it meanwhile
                self._load(name)
        return getattr(self, name)

    def _load(self, name: str) -> None:
        spec = self.__spec__
        if self._is_loading or spec is None or spec.loader is None:  # it imports itself, in a circle
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r} yet")
        self._is_loading = True
        try:
            spec.loader.exec_module(self)
        finally:
            del self._is_loading
        self.__class__ = ModuleType  # type: ignore[assignment]  # mypy knows no change of a class
