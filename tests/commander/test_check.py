"""`commander check` names each type without a rule, and the line that it prints is one that works."""

from __future__ import annotations

from pathlib import Path

from commander.examples.bank import bank
from tests.commander.conftest import Run

SHOP = """
from uuid import UUID
from commander import Domain, anyone, same_as, where

shop = Domain("shop")

@shop.command
class Order:
    item_id: UUID
    owner: str

@shop.command(internal=True)
class Ship:
    item_id: UUID

@shop.event
class Ordered:
    item_id: UUID
    owner: str

@shop.event
class Shipped:
    item_id: UUID

@shop.aggregate(key="item_id")
class Item:
    def order(self, command: Order) -> Ordered:
        return Ordered(command.item_id, command.owner)

    def ship(self, command: Ship) -> Shipped:
        return Shipped(command.item_id)

    def ordered(self, event: Ordered) -> "Item":
        return self

    def shipped(self, event: Shipped) -> "Item":
        return self

@shop.projection("item", key="item_id")
class ItemRow:
    item_id: UUID
    owner: str

    @classmethod
    def ordered(cls, event: Ordered) -> "ItemRow":
        return cls(event.item_id, event.owner)
"""
ROW = '@shop.projection("item", key="item_id", visible=lambda viewer: where(owner=viewer.subject))'
LINES = {
    "@shop.command\nclass Order": '@shop.command(allow={"some role"})',
    '@shop.projection("item", key="item_id")': ROW,
    "@shop.event\nclass Ordered": '@shop.event(visible=same_as("item"))',
    "@shop.event\nclass Shipped": '@shop.event(visible={"some role"})',
}


def test_each_type_without_a_rule_is_named_with_a_line_to_write(commander: Run, tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(SHOP)
    ended = commander("check", "shop:shop")
    assert (ended.returncode, ended.stderr) == (1, "")
    [*found, last] = ended.stdout.splitlines()
    assert [line.partition(" has no rule: ")[2] for line in found] == list(LINES.values())
    assert last.startswith("4 types have no rule")
    for line in found:
        number = int(line.removeprefix(f"{file}:").partition(":")[0])
        assert SHOP.splitlines()[number - 1].startswith("@shop."), line

    mended = SHOP
    for before, line in LINES.items():
        _, newline, rest = before.partition("\n")
        mended = mended.replace(before, f"{line}{newline}{rest}")
    file.write_text(mended)
    ended = commander("check", "shop:shop")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_bank_has_a_rule_for_each_type(commander: Run) -> None:
    ended = commander("check")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{bank.name}: every command, event and projection has a rule\n"
