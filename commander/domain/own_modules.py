"""The modules that belong to a domain, and their sources."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from commander.domain.normalising import Import
from commander.domain.syntax import Source

_COMMANDER = os.path.dirname(os.path.dirname(__file__)) + os.sep
_EXAMPLES = os.path.join(_COMMANDER, "examples") + os.sep
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INSTALLED = ("site-packages", "dist-packages")


class Module:
    """A module. variables: its live ones; {} if it is not imported."""

    def __init__(
        self, name: str, package: str, is_package: bool, source: Source, variables: Mapping[str, Any]
    ) -> None:
        self.name = name
        self.is_package = is_package
        self.source = source
        self.variables = variables
        self._package = package

    def absolute(self, found: Import) -> str:
        """The absolute name of the module that an import in this module means."""
        dotted = "." * found.level + found.module
        if not found.level:
            return dotted
        try:
            return importlib.util.resolve_name(dotted, self._package)
        except ImportError:  # above the top, or not in a package
            return dotted


class OwnModules:
    """Finds the domain's own modules by name. A module that is not imported yet is read all the same."""

    def __init__(self, declaring: Iterable[str]) -> None:
        """declaring: the modules that declare parts of the domain."""
        self._folders: set[str] = set()
        self._files: set[str] = set()
        for name in dict.fromkeys(declaring):
            self._add(name)
        self._by_name: dict[str, Module | None] = {}
        self._by_file: dict[str, Module | None] = {}

    def named(self, name: str) -> Module | None:
        """The module with this name; None if it is not the domain's own or its source cannot be read."""
        if name not in self._by_name:
            file = self._file_of(name)
            if file is None:
                self._by_name[name] = None
            else:
                if file not in self._by_file:
                    self._by_file[file] = _read(name, file)
                self._by_name[name] = self._by_file[file]
        return self._by_name[name]

    def submodule(self, package: Module, name: str) -> Module | None:
        return self.named(f"{package.name}.{name}") if package.is_package else None

    def _add(self, name: str) -> None:
        """Adds the folder of this module and that of its top-level package, by its files and by its name."""
        file = getattr(sys.modules.get(name), "__file__", None)
        if file is None:
            return
        folder = os.path.dirname(file)
        if os.path.basename(folder) in _INSTALLED:  # a distribution of a single module
            self._files.add(file)
            return
        self._folders.add(os.path.join(folder, ""))
        while os.path.exists(os.path.join(folder, "__init__.py")):
            self._folders.add(os.path.join(folder, ""))
            folder = os.path.dirname(folder)
        top = sys.modules.get(_real_name(name).partition(".")[0])
        self._folders.update(os.path.join(path, "") for path in getattr(top, "__path__", ()))

    def _file_of(self, name: str) -> str | None:
        """The file of a module of the domain's own."""
        if not name or name.startswith("."):
            return None
        module = sys.modules.get(name)
        if module is not None:
            file = getattr(module, "__file__", None)
            return file if file is not None and self._is_own(file) else None
        parent, _, last = name.rpartition(".")
        folders: Iterable[str] = self._folders
        if parent:
            around = self._file_of(parent)
            if around is None or os.path.basename(around) != "__init__.py":
                return None
            folders = [os.path.dirname(around)]
        files = [os.path.join(f, *tail) for f in sorted(folders) for tail in _tails(last)]
        return next((file for file in files if os.path.isfile(file)), None)

    def _is_own(self, file: str) -> bool:
        if file.startswith(_COMMANDER) and not file.startswith(_EXAMPLES):
            return False
        if file in self._files:
            return True
        for folder in self._folders:
            if file.startswith(folder):
                below = file[len(folder) :].split(os.sep)
                library = file.startswith(_STANDARD_LIBRARY) and not folder.startswith(_STANDARD_LIBRARY)
                return not library and not any(part in _INSTALLED for part in below)
        return False


def _tails(name: str) -> list[tuple[str, ...]]:
    return [(f"{name}.py",), (name, "__init__.py")]


def _real_name(name: str) -> str:
    """The name by which a module can be imported: that of `python -m` is __main__."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return name if spec is None else str(spec.name)


def _read(name: str, file: str) -> Module | None:
    module = sys.modules.get(name)
    real = _real_name(name)
    try:
        source: str | bytes | None = Path(file).read_bytes() if file.endswith(".py") else None
    except OSError:  # in an archive
        source = _from_loader(module, real)
    if source is None:
        return None
    try:
        parsed = Source(source)
    except (SyntaxError, ValueError):  # changed since its import
        return None
    is_package = os.path.basename(file) == "__init__.py"
    package = getattr(module, "__package__", None) or (real if is_package else real.rpartition(".")[0])
    return Module(real, package, is_package, parsed, {} if module is None else vars(module))


def _from_loader(module: Any, name: str) -> str | None:
    loader: Any = getattr(getattr(module, "__spec__", None), "loader", None)
    try:
        found = loader.get_source(name) if hasattr(loader, "get_source") else None
    except ImportError:
        return None
    return found if isinstance(found, str) else None
