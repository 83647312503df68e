"""Links: the references between rows of projections, checked when all projections are known.

References to objects of other APIs are checked here too, because no two links of a row have one name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from commander.domain.errors import DefinitionError
from commander.domain.fields import EnumType, Field, ScalarType
from commander.domain.names import camel, check_name
from commander.domain.projections import ProjectionType
from commander.domain.references import Ref

_OF_ROWS = frozenset({"id", "events", "history", "availableCommands"})
_OF_FILTERS = frozenset({"and", "or", "not"})
"""Names that the API gives to fields of its own."""


@dataclass(frozen=True, eq=False)
class Link:
    """A link from the rows of `source` to those of `target`, whose key is in `field`.

    name: of the link in the API. reverse: the name of the list that the rows of `target` have of those that
    refer to them; None if they have none.
    """

    source: ProjectionType
    field: Field
    target: ProjectionType
    name: str
    reverse: str | None


def links_of(projections: Mapping[str, ProjectionType]) -> list[Link]:
    """The links between these projections.

    Raises DefinitionError for a reference to a projection that there is not, or whose key has another type,
    and for the name of a link or a list that is taken, also if it is that of an Entity.
    """
    queries = {one.query: one for one in projections.values()}
    links = [_link(source, field, ref, queries) for source, field, ref in _references(projections)]
    for one in projections.values():
        taken = {field.graphql_name: f"its field {field.name}" for field in one.fields}
        taken |= dict.fromkeys(_OF_ROWS, "the API")
        for link in links:
            if link.source is one:
                of_filters = dict.fromkeys(_OF_FILTERS, "the API")
                _claim(link.name, one, link.source, link.field, taken | of_filters)
                taken[link.name] = f"the link of {_at(one, link.field)}"
        for field in one.fields:
            if field.entity is not None:
                _claim(field.entity.name, one, one, field, taken)
                taken[field.entity.name] = f"the link of {_at(one, field)}"
        for link in links:
            if link.target is one and link.reverse is not None:
                _claim(link.reverse, one, link.source, link.field, taken)
                taken[link.reverse] = f"the list of {_at(link.source, link.field)}"
    return links


def _references(projections: Mapping[str, ProjectionType]) -> Iterator[tuple[ProjectionType, Field, Ref]]:
    for source in projections.values():
        for field in source.fields:
            if field.ref is not None:
                yield source, field, field.ref


def _link(source: ProjectionType, field: Field, ref: Ref, queries: Mapping[str, ProjectionType]) -> Link:
    label = f"{source.cls.__name__}.{field.name}"
    target = queries.get(ref.projection)
    if target is None:
        known = ", ".join(queries)
        problem = (
            f"it refers to the projection {ref.projection!r}, which the domain does not have; it has {known}"
        )
        raise DefinitionError(source.where, f"{label}: {problem}")
    if field.type != target.key_field.type:
        key = f"{target.cls.__name__}.{target.key}"
        types = f"{_type(target.key_field)}, not {_type(field)}"
        problem = f"it must be of the type of {key}, to which it refers: {types}"
        raise DefinitionError(source.where, f"{label}: {problem}")
    assert ref.name is not None, "reference_of gives it one"
    for name in (ref.name, ref.reverse):
        if name is not None:
            check_name(name, source.where, f"{label}: the name {name!r}")
    reverse = None if ref.reverse is None else camel(ref.reverse)
    return Link(source, field, target, camel(ref.name), reverse)


def _claim(
    name: str, owner: ProjectionType, source: ProjectionType, field: Field, taken: Mapping[str, str]
) -> None:
    if name in taken:
        mark = "Ref" if field.entity is None else "Entity"
        problem = (
            f"the name {name} is taken in {owner.cls.__name__} by {taken[name]}; give {mark} another name"
        )
        raise DefinitionError(source.where, f"{_at(source, field)}: {problem}")


def _at(source: ProjectionType, field: Field) -> str:
    return f"{source.cls.__name__}.{field.name}"


def _type(field: Field) -> str:
    assert isinstance(field.type, ScalarType | EnumType), "keys and references are no others"
    return str(field.type.python.__name__)
