"""Time travel: the projections of which a past row can be read.

It works if each row of a projection depends on the events of one stream. A past row is then a fold of that
stream up to a point, and no other event is read. A projection qualifies if

- all events that the projection handles belong to one aggregate,
- the projection's key has the name and the type of that aggregate's key, and no handler uses `touches`,
- each event has the key of its stream (a deposit into an account names that account).

The types show the first two. The author must ensure the third; if a stream breaks it, the query fails.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from commander.domain.aggregates import AggregateType
from commander.domain.domain import Domain
from commander.domain.messages import registered
from commander.domain.projections import ProjectionType

_ARGUMENT = "as_of"


def aggregate_behind(domain: Domain, projection: ProjectionType) -> AggregateType | None:
    """The aggregate whose streams alone give this projection's rows; None if there is no such aggregate.

    Call `domain.check()` before.
    """
    owners = {domain.aggregate_of_event(registered(event).name).name for event in projection.handlers}
    if len(owners) != 1 or projection.key == _ARGUMENT:
        return None
    if not all(handler.by_own_key for handler in projection.handlers.values()):
        return None
    aggregate = domain.aggregates[owners.pop()]
    if aggregate.key != projection.key:
        return None
    if any(key.type != projection.key_field.type for key in domain.key_fields_of(aggregate)):
        return None
    return aggregate


def stream_of_row(aggregate: AggregateType, key: Any) -> str:
    """The id of the stream that gives the row with this key."""
    return f"{aggregate.stored_name}-{key}"


def key_of_row(projection: ProjectionType, stream: str) -> Any:
    """The key of the row that a stream gives. The inverse of `stream_of_row`.

    Raises ValueError for a stream of another aggregate, whose key has another type.
    """
    text = stream.partition("-")[2]
    python = projection.key_field.python
    return date.fromisoformat(text) if python is date else python(text)
