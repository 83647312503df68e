"""Loading the domain that a process serves."""

from __future__ import annotations

import importlib
import os
import sys

from commander.domain import CommanderError, Domain


class DomainNotFound(CommanderError):
    """The module does not exist, or it has no such domain. The message says which."""


def load_domain(reference: str) -> Domain:
    """The domain at 'module:name', after its check. The current directory is searched last.

    Raises DomainNotFound and DefinitionError. An error of the module itself is raised unchanged.
    """
    module_name, _, name = reference.partition(":")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
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
