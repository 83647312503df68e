"""The events, and the commands, that a viewer sees. Without rights (authentication is off) it sees all.

Whatever reads events or commands for an answer passes here. A rule `same_as` needs a row: it counts as it is
once its projection shows the event, or after a moment if that is late. What cannot be decided is not shown.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, NamedTuple

from commander.domain import Domain, Rights, UndecodableEvent
from commander.domain.filters import matches
from commander.domain.rights import EVERY_EVENT, NO_EVENT, SameRow
from commander.eventstore.records import EventFilter, Outcome, RecordedEvent, SubmittedCommand
from commander.resolvers.events import Page
from commander.resolvers.links import rows_of
from commander.resolvers.services import Services

_PATIENCE_SECONDS = 1.0
"""How long an answer waits for projections that a rule needs."""


class Wanted(NamedTuple):
    """An event that is visible if one of these rows matches its filter."""

    event: RecordedEvent
    rows: list[tuple[Any, SameRow]]


def rules_key(domain: Domain, rights: Rights, where: EventFilter) -> tuple[Hashable, Hashable]:
    """Keys that are equal for viewers who see the same fields of matching events, and the same of the events.

    The rules of types that do not match are not compared: they can differ for each viewer.
    """
    types = (*domain.events.values(), domain.rejection)
    if where.types is not None:
        wanted = [domain.event_type(name) for name in where.types]
        types = tuple(type_ for type_ in types if any(type_ is one for one in wanted))
    hidden = tuple(rights.hidden(type_) for type_ in types)
    return hidden, tuple(rights.event_filter(type_) for type_ in types)


def sees_every_event(rights: Rights | None) -> bool:
    """Whether no rule has to be asked."""
    return rights is None or rights.is_operator


async def visible_events(
    services: Services,
    rights: Rights | None,
    events: Iterable[RecordedEvent],
    patience_seconds: float = _PATIENCE_SECONDS,
) -> list[RecordedEvent]:
    """Those of the events that the viewer sees, in their order."""
    if rights is None or rights.is_operator:
        return list(events)
    events = list(events)
    seen, wanted = seen_and_wanted(services.domain, rights, events)
    if wanted:
        await services.progress.reach(positions_of(wanted), patience_seconds)
        seen |= await _by_rows(services, wanted)
    return [event for event in events if event.position in seen]


async def visible_page(
    services: Services, rights: Rights | None, page: Page[RecordedEvent]
) -> Page[RecordedEvent]:
    """The page without the events that the viewer does not see. So it can have fewer than were asked for."""
    if sees_every_event(rights):
        return page
    return Page(await visible_events(services, rights, page.items), more=page.more, earlier=page.earlier)


def positions_of(wanted: Iterable[Wanted]) -> dict[str, int]:
    """The position that each projection must show before its rows can decide."""
    found: dict[str, int] = {}
    for event, rows in wanted:
        for _, row in rows:
            found[row.projection] = max(event.position, found.get(row.projection, 0))
    return found


def sees_command(rights: Rights | None, command: Outcome | SubmittedCommand) -> bool:
    """Whether the viewer may see what a command says, and its outcome: it sent the command, or operates."""
    if rights is None or rights.is_operator:
        return True
    sender = command.sender if isinstance(command, SubmittedCommand) else command.read_guards().sender
    return sender is not None and sender.subject is not None and sender.subject == rights.viewer.subject


def seen_and_wanted(
    domain: Domain, rights: Rights, events: Sequence[RecordedEvent]
) -> tuple[set[int], list[Wanted]]:
    """The positions of the events that are visible by themselves, and the events that rows decide about."""
    seen: set[int] = set()
    wanted: list[Wanted] = []
    for event in events:
        type_ = domain.event_type(event.type)
        rule = NO_EVENT if type_ is None else rights.event_filter(type_)
        if rule == EVERY_EVENT:
            seen.add(event.position)
        elif rule != NO_EVENT:
            try:
                own = domain.decode(event.type, event.schema_version, event.data, event.position)
            except UndecodableEvent:
                continue
            if matches(rule.own, own):
                seen.add(event.position)
            elif rows := [(key, row) for row in rule.rows if (key := _key(row, own, event)) is not None]:
                wanted.append(Wanted(event, rows))
    return seen, wanted


async def _by_rows(services: Services, wanted: Sequence[Wanted]) -> set[int]:
    """The positions of the events that the rows make visible: one statement for each projection."""
    keys: defaultdict[str, set[Any]] = defaultdict(set)
    for _, rows in wanted:
        for key, row in rows:
            keys[row.projection].add(key)
    found = {name: await rows_of(services, name, some) for name, some in keys.items()}

    def sees(key: Any, row: SameRow) -> bool:
        at = found[row.projection].get(key)
        return at is not None and matches(row.filter, at)

    return {event.position for event, rows in wanted if any(sees(key, row) for key, row in rows)}


def _key(row: SameRow, event: Any, of: RecordedEvent) -> Any:
    try:
        return row.key_of(event, of.stream)
    except ValueError:  # a stream whose key is of another type has no such row
        return None
