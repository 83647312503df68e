"""Columns that hold the key of an object of another API, for a gateway that composes both into one graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from commander.domain.errors import DefinitionError
from commander.domain.names import camel, check_name

_ID = "_id"


@dataclass(frozen=True)
class Entity:
    """The column of a row holds the key of an object of another subgraph (Apollo Federation).

    buyer_id: Annotated[UUID, Entity("Account", key="accountId")]

    type: the name of the object's type in the graph. key: the field of its `@key`. link: the field of the row
    that leads to the object; by default the name of the column without `_id`, here `buyer`.

    Only a subgraph (COMMANDER_FEDERATION=subgraph) has the link.
    """

    type: str
    key: str
    link: str = ""


def entity_of(metadata: Iterable[Any], column: str, where: str, at_field: str) -> Entity | None:
    """The Entity in an annotation, with its link. Raises DefinitionError for a name that is not valid."""
    found = next((one for one in metadata if isinstance(one, Entity)), None)
    if found is None:
        return None
    if not found.link and not column.endswith(_ID):
        problem = f'the column does not end with {_ID}, so name the link: Entity(…, link="…")'
        raise DefinitionError(where, f"{at_field}: {problem}")
    link = found.link or camel(column.removesuffix(_ID))
    for name in (found.type, found.key, link):
        check_name(name, where, f"{at_field}: {name!r}")
    return Entity(found.type, found.key, link)
