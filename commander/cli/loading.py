"""Loading the domain that a process serves."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

from commander.domain import CommanderError, Domain


class DomainNotFound(CommanderError):
    """The module does not exist, or it has no such domain. The message says which."""


def load_domain(reference: str) -> Domain:
    """The domain at 'module:name', after its check.

    A module in the current directory comes before one of the same name elsewhere. Other modules in it are
    searched last. Raises DomainNotFound and DefinitionError. An error of the module is raised unchanged.
    """
    module_name, _, name = reference.partition(":")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = _imported(module_name, here)
    except ModuleNotFoundError as error:
        if error.name and not (module_name + ".").startswith(error.name + "."):
            raise
        raise DomainNotFound(f"there is no module {module_name}; {here} was searched too") from error
    domain = getattr(module, name, None)
    if not isinstance(domain, Domain):
        found = [n for n, value in vars(module).items() if isinstance(value, Domain)]
        hint = f"; it has {', '.join(found)}" if found else ""
        raise DomainNotFound(f"{module_name} has no domain with the name {name}{hint}")
    domain.check()
    return domain


def _imported(module_name: str, here: str) -> ModuleType:
    top, dot, _ = module_name.partition(".")
    own = Path(here, top if dot else f"{top}.py")
    if not (own.is_dir() if dot else own.is_file()):
        return importlib.import_module(module_name)
    loaded = getattr(sys.modules.get(top), "__file__", None)
    if top in sys.modules and (loaded is None or Path(here) not in Path(loaded).parents):
        raise DomainNotFound(f"the name {top} is taken by {loaded or 'a module of Python'}: rename {own}")
    sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    finally:
        sys.path.remove(here)
