"""Checks that a name is valid in GraphQL, and gives its camel case form."""

from __future__ import annotations

import re
from dataclasses import dataclass

from commander.domain.errors import DefinitionError

_NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class ApiName:
    """The name of an event's field in the API, in camel case. What is stored has the name in Python.

    Annotated[PaymentStatus, ApiName("paymentStatus")]

    It tells two fields apart that have the same name, but other types, in two events.
    """

    name: str


def check_name(name: str, where: str, what: str) -> None:
    """Raises DefinitionError unless `name` is a valid name in GraphQL. what: what has the name."""
    if not _NAME.fullmatch(name):
        problem = "a name in GraphQL may have letters from A to Z, digits and _, and must begin with a letter"
        raise DefinitionError(where, f"{what}: {problem}")


def camel(name: str) -> str:
    """The API's form of a field name: account_id becomes accountId."""
    first, *others = name.split("_")
    return first + "".join(part.capitalize() or "_" for part in others)
