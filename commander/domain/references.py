"""References: a field of a row that holds the key of a row of a projection. The API makes a link of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from commander.domain.errors import DefinitionError

_ID = "_id"


@dataclass(frozen=True)
class Ref:
    """Marks a field of a row that holds the key of a row of a projection, which may be the same projection.

    source_id: Annotated[UUID, Ref("account", reverse="outgoing")]

    projection: the name of the projection that has the key. name: that of the link in the API, by default
    that of the field without `_id`. reverse: the name of the list that the other row gets: all rows that
    refer to it. Without it the other row gets no list.
    """

    projection: str
    name: str | None = None
    reverse: str | None = None


def reference_of(metadata: Iterable[Any], field: str, where: str, at_field: str) -> Ref | None:
    """The reference in an annotation, with the name of its link; None without one.

    Raises DefinitionError for two references, and for a link without a name.
    """
    found = [one for one in metadata if isinstance(one, Ref)]
    if not found:
        return None
    if len(found) > 1:
        raise DefinitionError(where, f"{at_field}: it has two references; a field refers to one projection")
    [ref] = found
    for given in (ref.projection, ref.name, ref.reverse):
        if given is not None and not isinstance(given, str):
            raise DefinitionError(where, f"{at_field}: {ref!r} takes names; {given!r} is none")
    if ref.name is None and not field.endswith(_ID):
        problem = (
            f'the name of the field does not end with _id; name the link: Ref("{ref.projection}", name="…")'
        )
        raise DefinitionError(where, f"{at_field}: {problem}")
    return replace(ref, name=ref.name or field.removesuffix(_ID))
