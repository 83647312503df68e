"""A shelf of items in boxes: rows begin, change, go away, and are found by the box they are in."""

# No `from __future__ import annotations`: the classes here are local, and text could not find them.

import random
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from commander import Domain, touches
from commander.domain.filters import (
    EVERY_ROW,
    NO_ROW,
    AllOf,
    AnyOf,
    Condition,
    Filter,
    Linked,
    Not,
    Operator,
    matches,
)
from commander.eventstore.records import RecordedEvent
from commander.testing import rows as rows_in_memory

SHELVES = [UUID(int=n) for n in range(1, 6)]
BOXES = ["a", "b", "c"]


def shelf_domain(*, inline: bool = False, heavier: int = 0) -> Domain:
    """heavier: by how much this code takes all items for heavier; the rows have the same shape."""
    shelf = Domain("shelf")

    @shelf.command
    @dataclass(frozen=True)
    class Act:
        shelf_id: UUID
        kind: str
        item_id: int
        box: str
        weight: int

    @shelf.event
    @dataclass(frozen=True)
    class Placed:
        shelf_id: UUID
        item_id: int
        box: str
        weight: int

    @shelf.event
    @dataclass(frozen=True)
    class Weighed:
        shelf_id: UUID
        item_ids: list[int]
        weight: int

    @shelf.event
    @dataclass(frozen=True)
    class Taken:
        shelf_id: UUID
        item_id: int

    @shelf.event
    @dataclass(frozen=True)
    class Emptied:
        shelf_id: UUID
        box: str
        into: str

    @shelf.aggregate(key="shelf_id")
    @dataclass(frozen=True)
    class Shelf:
        count: int = 0

        def act(self, command: Act) -> Placed | Weighed | Taken | Emptied:
            match command.kind:
                case "place":
                    return Placed(command.shelf_id, command.item_id, command.box, command.weight)
                case "weigh":
                    ids = [command.item_id, command.item_id + 1]
                    return Weighed(command.shelf_id, ids, command.weight)
                case "take":
                    return Taken(command.shelf_id, command.item_id)
            return Emptied(command.shelf_id, command.box, "abc"[command.weight % 3])

        def placed(self, event: Placed) -> "Shelf":
            return replace(self, count=self.count + 1)

        def weighed(self, event: Weighed) -> "Shelf":
            return self

        def taken(self, event: Taken) -> "Shelf":
            return self

        def emptied(self, event: Emptied) -> "Shelf":
            return self

    if heavier:

        @shelf.projection("item", key="item_id", indexes=("box", "weight"))
        @dataclass(frozen=True)
        class Heavier:
            item_id: int
            box: str
            weight: int

            @classmethod
            def placed(cls, event: Placed, row: "Heavier | None") -> "Heavier":
                return cls(event.item_id, event.box, event.weight + heavier)

            @touches(lambda event: event.item_ids)
            @classmethod
            def weighed(cls, event: Weighed, row: "Heavier | None") -> "Heavier | None":
                return row and replace(row, weight=event.weight + heavier)

    else:

        @shelf.projection("item", key="item_id", indexes=("box", "weight"), inline=inline)
        @dataclass(frozen=True)
        class Item:
            item_id: int
            box: str
            weight: int

            @classmethod
            def placed(cls, event: Placed, row: "Item | None") -> "Item":
                return cls(event.item_id, event.box, event.weight)

            @touches(lambda event: event.item_ids)
            @classmethod
            def weighed(cls, event: Weighed, row: "Item | None") -> "Item | None":
                return row and replace(row, weight=event.weight)

            @classmethod
            def taken(cls, event: Taken, row: "Item | None") -> None:
                return None

            @touches(box="box")
            def emptied(self, event: Emptied) -> "Item":
                return replace(self, box=event.into)

    return shelf


SHELF, INLINE, HEAVIER = shelf_domain(), shelf_domain(inline=True), shelf_domain(heavier=100)
COLUMN = {field.name: field for field in SHELF.projections["item"].fields}


def act(kind: str, item_id: int = 0, box: str = "a", weight: int = 0, domain: Domain = SHELF) -> Any:
    """place, weigh (this item and the next), take; empty: what is in the box goes into another."""
    shelf = SHELVES[item_id % len(SHELVES)]
    return domain.commands["Act"].cls(shelf, kind, item_id, box, weight)


def any_act(chance: random.Random, domain: Domain) -> Any:
    [kind] = chance.choices(["place", "weigh", "take", "empty"], [10, 10, 4, 1])
    return act(kind, chance.randrange(12), chance.choice(BOXES), chance.randrange(20), domain)


def any_where(chance: random.Random) -> Filter:
    in_box = Condition(COLUMN["box"], Operator.EQ, chance.choice(BOXES))
    heavy = Condition(COLUMN["weight"], Operator.GTE, chance.randrange(20))
    together, either = AllOf((in_box, heavy)), AnyOf((in_box, heavy))
    led = Linked(COLUMN["weight"], "item", COLUMN["item_id"], in_box)
    wheres: list[Filter] = [EVERY_ROW, in_box, heavy, Not(in_box), together, either, led, AnyOf((heavy, led))]
    return chance.choice(wheres)


def matching(domain: Domain, log: list[RecordedEvent], position: int, where: Filter) -> dict[int, Any]:
    """The matching rows as a fold of the log up to a position has them."""
    events = [domain.decode(e.type, e.schema_version, e.data, e.position) for e in log[:position]]
    rows = rows_in_memory(domain, "item", events)
    return {key: row for key, row in rows.items() if matches(_without_links(where, row, rows), row)}


def _without_links(where: Filter, row: Any, rows: dict[int, Any]) -> Filter:
    match where:
        case AnyOf(parts):
            return AnyOf(tuple(_without_links(part, row, rows) for part in parts))
        case Linked(field, _, _, part):
            led_to = rows.get(getattr(row, field.name))
            return EVERY_ROW if led_to is not None and matches(part, led_to) else NO_ROW
    return where
