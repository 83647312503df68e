"""Names as GraphQL takes them; what it does not take is refused where it is defined."""

from __future__ import annotations

import re

from commander.domain.errors import DefinitionError

_NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")


def check_name(name: str, where: str, what: str) -> None:
    """Raises DefinitionError unless `name` can be a name in GraphQL."""
    if not _NAME.fullmatch(name):
        problem = "a name in GraphQL has letters from A to Z, digits and _, and begins with a letter"
        raise DefinitionError(where, f"{what}: {problem}")


def camel(name: str) -> str:
    """account_id as accountId, the way the API shows fields."""
    first, *others = name.split("_")
    return first + "".join(part.capitalize() or "_" for part in others)
