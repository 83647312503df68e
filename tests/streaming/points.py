"""A domain of two modules, in versions: customers collect points by a rule that is a helper's."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from tests.imported import on_path, written

_FILES = {
    "points/__init__.py": "",
    "points/rules.py": "def points_of(amount):\n    return RULE\n",
    "points/domain.py": """
from __future__ import annotations

from dataclasses import dataclass, replace

from commander import Domain
from points.rules import points_of

shop = Domain("shop")


@shop.event
@dataclass(frozen=True)
class Bought:
    customer: str
    amount: int


@shop.command
@dataclass(frozen=True)
class Buy:
    customer: str
    amount: int


@shop.aggregate(key="customer")
@dataclass(frozen=True)
class Customer:
    points: int = 0

    def buy(self, command: Buy) -> Bought:
        return Bought(command.customer, command.amount)

    def bought(self, event: Bought) -> Customer:
        return replace(self, points=self.points + points_of(event.amount))


@shop.projection("buyer", key="customer")
@dataclass(frozen=True)
class Buyer:
    customer: str
    points: int = 0

    @classmethod
    def bought(cls, event: Bought, row: Buyer | None) -> Buyer:
        return cls(event.customer, (row.points if row else 0) + points_of(event.amount))


@shop.reactor(key="customer")
@dataclass(frozen=True)
class Counting:
    points: int = 0

    def bought(self, event: Bought) -> Counting:
        return replace(self, points=self.points + points_of(event.amount))
""",
}


def version(tmp_path: Path, rule: str) -> Any:
    """The module of the domain `shop`, whose points for an amount are by this rule."""
    made = len(list(tmp_path.iterdir()))
    files = {name: source.replace("RULE", rule) for name, source in _FILES.items()}
    with on_path(written(tmp_path / f"version{made}", files)):
        module = import_module("points.domain")
        for part in (*module.shop.aggregates.values(), *module.shop.reactors.values()):
            module.shop.fingerprint_of(part)  # made while the modules of this version are the imported ones
        assert module.shop.code
        return module
