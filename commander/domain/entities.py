"""References to objects of other APIs, for a gateway that composes several into one graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from commander.domain.errors import DefinitionError
from commander.domain.names import camel, check_name

_ID = "_id"


@dataclass(frozen=True)
class Entity:
    """Marks a field of a row that holds the key of an object of another subgraph (Apollo Federation).

    buyer_id: Annotated[UUID, Entity("Account", key="accountId")]

    type: the name of the object's type in the graph. key: the field of its `@key`. name: that of the link in
    the API, by default that of the field without `_id`, here `buyer`.

    Only a subgraph (COMMANDER_FEDERATION=subgraph) has the link. For a row of the same domain see Ref.
    """

    type: str
    key: str
    name: str = ""


def entity_of(metadata: Iterable[Any], field: str, where: str, at_field: str) -> Entity | None:
    """The Entity in an annotation, with the name of its link as the API has it; None without one.

    Raises DefinitionError for two of them, and for names that GraphQL cannot have.
    """
    found = [one for one in metadata if isinstance(one, Entity)]
    if not found:
        return None
    if len(found) > 1:
        raise DefinitionError(where, f"{at_field}: it has two entities; a field refers to one type")
    [entity] = found
    for given in (entity.type, entity.key, entity.name):
        if not isinstance(given, str):
            raise DefinitionError(where, f"{at_field}: {entity!r} takes names; {given!r} is none")
    if not entity.name and not field.endswith(_ID):
        problem = f'the name of the field does not end with {_ID}; name the link: Entity(…, name="…")'
        raise DefinitionError(where, f"{at_field}: {problem}")
    name = camel(entity.name or field.removesuffix(_ID))
    for one in (entity.type, entity.key, name):
        check_name(one, where, f"{at_field}: the name {one!r}")
    return replace(entity, name=name)
