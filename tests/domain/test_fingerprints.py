"""Fingerprints change with the code that can be reached in the domain's own modules, and with no other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from uuid import UUID

import pytest

from commander.domain import Domain
from tests.domain.shop import Opened, disown
from tests.imported import on_path, written

SHOP = {
    "__init__": "",
    "domain": '''
"""A shop."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial

from commander import any_of, where
from shop import tiers
from shop.customers import Base, Bonus, points_by, shop
from shop.prices import DOUBLE, Price, in_euros as value_of
from shop.registry import RULES

Kind = str
LIMIT = 100
STEP = LIMIT // 10


def points_of(amount: int) -> int:
    """The points for an amount."""
    return rounded(amount) // STEP


def rounded(amount):
    return amount // 2 * 2


@shop.event(version=2, visible=lambda viewer: where(customer=viewer.subject))
@dataclass(frozen=True)
class Bought:
    customer: str
    price: Price
    kind: "Kind"


@shop.upcast(Bought, from_version=1)
def with_kind(data):
    return {**data, "kind": "plain"}

def is_good(viewer, command, state):
    return state.points > LEAST_POINTS


LEAST_POINTS = 3


@shop.command(
    allow=any_of({"clerk"}, is_good, lambda viewer, command: command.customer == viewer.subject)
)
@dataclass(frozen=True)
class Buy:
    customer: str
    cents: int


@shop.aggregate(key="customer")
@dataclass(frozen=True)
class Customer(Base):
    points: int = 0
    tier: str = field(default_factory=partial(tiers.first, "new"))

    def buy(self, command: Buy) -> Bought:
        return Bought(command.customer, Price(command.cents), "plain")

    def bought(self, event: Bought) -> Customer:
        from shop.late import later

        more = [points_by(one) for one in (value_of(event.price),)]
        rule = RULES.get(event.kind)
        extra = rule(1) if rule else later(0)
        return replace(self, points=self.points + points_of(sum(more)) * DOUBLE(1) + extra)


@shop.projection("buyer", key="customer", indexes=("points",), visible={"clerk"})
@dataclass(frozen=True)
class Buyer:
    customer: str
    points: int = 0

    @classmethod
    def bought(cls, event: Bought, row: Buyer | None) -> Buyer:
        return cls(event.customer, (row.points if row else 0) + points_of(event.price.cents))


@shop.reactor(key="customer")
@dataclass(frozen=True)
class Thanks:
    count: int = 0

    def bought(self, event: Bought) -> Thanks:
        return replace(self, count=self.count + points_of(1))


def unused(amount):
    return amount * 7
''',
    "customers": """
from commander import Domain

shop = Domain("shop")


class Bonus:
    registry: object = 3  # not one that functions register in

    @property
    def bonus(self):
        return 1


class Base(Bonus):
    def total(self):
        return self.bonus


def traced(function):
    def inner(amount):
        return function(amount)
    return inner


@traced
def points_by(amount):
    return amount
""",
    "prices": """
from dataclasses import dataclass
from functools import lru_cache
from decimal import ROUND_UP as MODE, Decimal


@dataclass(frozen=True)
class Price:
    cents: int

    def __post_init__(self):
        assert self.cents >= LEAST

    @property
    def euros(self):
        return int(Decimal(self.cents).quantize(Decimal(1), MODE)) // 100


LEAST = 0


@lru_cache
def in_euros(price):
    return price.euros


DOUBLE = lambda amount: factor() * amount


def factor():
    return 2
""",
    "tiers": """
def first(tier):
    return NAMES[tier]


NAMES = {"old": "none"}
NAMES["new"] = "bronze"
""",
    "registry": """
RULES = {}


def rule(kind):
    def register(function):
        RULES[kind] = function
        return function
    return register


from shop import rules
""",
    "rules": """
from shop.registry import rule


@rule("gift")
def of_gifts(amount):
    return amount + 5


@rule("plain")
def of_plain(amount):
    return amount
""",
    "late": """
match RULE := "new":
    case "new":

        def later(amount):
            return amount
""",
}
Prints = Mapping[str, str]


def prints_of(domain: Domain) -> Prints:
    return {
        "aggregate": domain.fingerprint_of(domain.aggregates["customer"]),
        "projection": domain.projections["buyer"].fingerprint,
        "reactor": domain.fingerprint_of(domain.reactors["thanks"]),
        "domain": domain.code.fingerprint,
    }


def in_shop(files: Mapping[str, str]) -> Mapping[str, str]:
    return {f"shop/{name}.py": source for name, source in files.items()}


class ShopPrints:
    """Makes the fingerprints of the shop, each time in a new folder, with some of its text replaced."""

    def __init__(self, tmp_path: Path) -> None:
        self._tmp_path = tmp_path
        self._made = 0

    def __call__(self, *changes: tuple[str, str, str]) -> Prints:
        files = dict(SHOP)
        for module, before, after in changes:
            assert before in files[module]
            files[module] = files[module].replace(before, after)
        self._made += 1
        with on_path(written(self._tmp_path / str(self._made), in_shop(files))):
            return prints_of(import_module("shop.domain").shop)


@pytest.fixture
def prints(tmp_path: Path) -> ShopPrints:
    return ShopPrints(tmp_path)


ALL = {"aggregate", "projection", "reactor", "domain"}
"""Those that a change of `points_of` concerns."""
FOLDS_PRICES = ALL
AGGREGATE = {"aggregate", "domain"}
CHANGES: dict[str, tuple[str, str, str, set[str]]] = {
    "a method": ("domain", "self.points + points_of", "self.points - points_of", AGGREGATE),
    "a helper": ("domain", "// STEP", "// STEP + 1", ALL),
    "the helper of a helper": ("domain", "amount // 2 * 2", "amount // 3 * 3", ALL),
    "a constant": ("domain", "LIMIT = 100", "LIMIT = 200", ALL),
    "a constant of a constant": ("domain", "LIMIT // 10", "LIMIT // 20", ALL),
    "a base class": ("customers", "return self.bonus", "return -self.bonus", AGGREGATE),
    "the base class of a base class": ("customers", "return 1", "return 2", AGGREGATE),
    "a decorator": ("customers", "return function(amount)", "return function(amount) * 2", AGGREGATE),
    "a decorated function": ("customers", "    return amount\n", "    return amount * 3\n", AGGREGATE),
    "a field of an event": ("domain", "price: Price\n    kind", "price: Price | None\n    kind", ALL),
    "the version of an event": ("domain", "event(version=2,", "event(version=3,", ALL),
    "an upcast": ("domain", '"kind": "plain"', '"kind": "gift"', ALL),
    "an alias of a type": ("domain", "Kind = str", "Kind = str | None", ALL),
    "the check of a value object": ("prices", ">= LEAST", "> LEAST", ALL),
    "a constant of a value object": ("prices", "LEAST = 0", "LEAST = 1", ALL),
    "a property of a value object": ("prices", "// 100", "// 10", ALL),
    "an import under the same name": ("prices", "ROUND_UP as MODE", "ROUND_DOWN as MODE", ALL),
    "a cached function": ("prices", "return price.euros", "return price.euros + 1", AGGREGATE),
    "the helper of a lambda": ("prices", "return 2", "return 4", AGGREGATE),
    "a lambda": ("prices", "factor() * amount", "factor() + amount", AGGREGATE),
    "a partial's function": ("tiers", "NAMES[tier]", "NAMES[tier].upper()", AGGREGATE),
    "the argument of a partial": ("domain", 'tiers.first, "new"', 'tiers.first, "old"', AGGREGATE),
    "an item of a constant": ("tiers", '"bronze"', '"silver"', AGGREGATE),
    "a registered function": ("rules", "amount + 5", "amount + 6", AGGREGATE),
    "the name it is registered under": ("rules", 'rule("gift")', 'rule("present")', AGGREGATE),
    "an import in a function": ("late", "return amount", "return amount + 1", AGGREGATE),
    "an alias of an import": ("domain", "in_euros as value_of", "factor as value_of", AGGREGATE),
    "an index": ("domain", 'indexes=("points",)', "indexes=()", {"projection"}),
    "a method that handles no event": ("domain", "command.cents)", "-command.cents)", AGGREGATE),
    "a rule on the state": ("domain", "state.points > L", "state.points >= L", {"domain"}),
    "what a rule on the state uses": ("domain", "LEAST_POINTS = 3", "LEAST_POINTS = 4", {"domain"}),
    "a lambda in such a rule": ("domain", "customer == viewer", "customer != viewer", {"domain"}),
    "the roles in such a rule": ("domain", '{"clerk"}, is', '{"boss"}, is', {"domain"}),
    "a command": ("domain", "cents: int\n\n\n@shop.agg", "cents: int = 1\n\n\n@shop.agg", {"domain"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_they_change_with_what_is_reached(prints: ShopPrints, change: str) -> None:
    module, before, after, changed = CHANGES[change]
    old, new = prints(), prints((module, before, after))
    assert {name for name in old if old[name] != new[name]} == changed


_REGISTERED = SHOP["rules"].split("\n\n\n@rule(")
UNCHANGED = {
    "a comment": ("domain", "def rounded(amount):", "# it is even\n\n\ndef rounded(amount):  # now"),
    "a docstring": ("domain", "The points for an amount.", "How many points an amount gives."),
    "a new docstring": ("domain", "def rounded(amount):\n", 'def rounded(amount):\n    """Even."""\n'),
    "a field's description": ("domain", "price: Price\n", 'price: Price\n    """The price."""\n'),
    "a deprecation": ("domain", "@shop.event(version=2,", '@shop.event(version=2, deprecated="Use Sold.",'),
    "who sees an event": ("domain", "lambda viewer: where(", "lambda viewer: ~where("),
    "who sees a row": ("domain", 'visible={"clerk"}', 'visible={"boss"}'),
    "the layout": (
        "domain",
        "return rounded(amount) // STEP",
        "return (\n        rounded(\n            amount,\n        )\n        // STEP\n    )",
    ),
    "quotes": ("domain", '"kind": "plain"', "'kind': 'plain'"),
    "an annotation in quotes": ("domain", '"Kind"', "Kind"),
    "an annotation of a function": ("domain", "(amount: int) -> int", "(amount)"),
    "an annotation of a constant": ("domain", "LIMIT = 100", "LIMIT: int = 100"),
    "what nothing reaches": ("domain", "amount * 7", "amount * 8"),
    "the order of imports": (
        "domain",
        "from shop import tiers\nfrom shop.customers import Base, Bonus, points_by, shop\n",
        "from shop.customers import shop, points_by, Bonus, Base\nfrom shop import tiers, rules\n",
    ),
    "the order of definitions": (
        "prices",
        "DOUBLE = lambda amount: factor() * amount\n\n\ndef factor():\n    return 2\n",
        "def factor():\n    return 2\n\n\nDOUBLE = lambda amount: factor() * amount\n",
    ),
    "the order of registration": (
        "rules",
        SHOP["rules"],
        "from shop.registry import rule" + "".join(f"\n\n\n@rule({one}" for one in _REGISTERED[:0:-1]),
    ),
}


@pytest.mark.parametrize("change", UNCHANGED)
def test_they_do_not_change_with_what_has_no_effect(prints: ShopPrints, change: str) -> None:
    assert prints(UNCHANGED[change]) == prints()


PRINTED = """
import json, sys
from importlib import import_module

def shown(shop):
    parts = shop.aggregates["customer"], shop.projections["buyer"], shop.reactors["thanks"]
    print(json.dumps([*map(shop.fingerprint_of, parts), shop.code.fingerprint]))

if __name__ == "__main__":
    shown(import_module(sys.argv[1]).shop)
"""
AT_THE_END = '\nif __name__ == "__main__":\n    from shown import shown\n    shown(shop)\n'


def printed(folder: Path, *arguments: str, seed: str = "1") -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_they_are_the_same_in_every_process(tmp_path: Path) -> None:
    """Whatever the folder, the name of the module, how it is started, and the order of sets."""
    files = {**SHOP, "domain": SHOP["domain"] + AT_THE_END}
    found = set[str]()
    for name in ("a", "b"):
        folder = tmp_path / name
        written(folder, {**in_shop(files), "shown.py": PRINTED})
        found.add(
            printed(
                folder,
                str(folder / "shown.py"),
                "shop.domain",
                seed=str(len(found)),
            )
        )
        found.add(printed(folder, "-m", "shop.domain"))
        found.add(printed(folder, str(folder / "shop" / "domain.py"), seed="3"))
    assert len(found) == 1


SINGLE = """
from __future__ import annotations
from dataclasses import dataclass, replace
from commander import Domain
import outside
import helpers
from stars import *

box = Domain("box")

@box.event
class Put:
    name: str

@box.command
class Add:
    name: str

@box.aggregate(key="name")
class Box:
    count: int = 0

    def add(self, command: Add) -> Put:
        return Put(command.name)

    def put(self, event: Put) -> Box:
        helpers.deep.settled(self)
        more = helpers.even(2) + starred(1) + helpers.size(event)
        return replace(self, count=outside.grown(self.count) + more)
"""
HELPERS = {
    "helpers/__init__.py": """
from functools import singledispatch
from . import deep, kinds
from .kinds import size

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)
""",
    "helpers/deep.py": "from stars import starred\n\ndef settled(box):\n    return box\n",
    "helpers/kinds.py": """
from functools import singledispatch

@singledispatch
def size(thing):
    return 0

from . import more
""",
    "helpers/more.py": """
from .kinds import size

@size.register
def of_text(thing: str):
    return len(thing)
""",
    "stars.py": "def starred(n):\n    return n\n",
    "lib/site-packages/outside.py": "def grown(n):\n    return n + 1\n",
}


@pytest.mark.parametrize(
    ("file", "before", "after", "changes"),
    [
        ("helpers/__init__.py", "n != 0", "n > 0", True),  # it and even() call each other
        ("helpers/deep.py", "return box", "return None", True),
        ("helpers/more.py", "len(thing)", "1", True),
        ("helpers/more.py", "thing: str", "thing: bytes", True),
        ("stars.py", "return n", "return -n", True),
        ("lib/site-packages/outside.py", "n + 1", "n + 2", False),  # another package's
    ],
)
def test_a_domain_of_one_module_owns_the_modules_beside_it(
    tmp_path: Path, file: str, before: str, after: str, changes: bool
) -> None:
    found = []
    for folder, changed in ((tmp_path / "old", False), (tmp_path / "new", True)):
        files = {**HELPERS, "box.py": SINGLE}
        assert before in files[file]
        files[file] = files[file].replace(before, after) if changed else files[file]
        written(folder, files)
        with on_path(folder / "lib" / "site-packages"), on_path(folder):
            box = import_module("box").box
            found.append(box.fingerprint_of(box.aggregates["box"]))
    assert (found[0] != found[1]) == changes


def made_with(step: int, rule: Callable[[int], int]) -> str:
    disown()
    domain = Domain("shop")
    domain.event(Opened)

    @domain.projection("account", key="account_id")
    @dataclass(frozen=True)
    class Row:
        account_id: UUID
        points: int = step

        @classmethod
        def opened(cls, event: Opened) -> Row:
            return cls(event.account_id, rule(step))

    return domain.projections["account"].fingerprint


def doubled(amount: int) -> int:
    return amount * 2


def test_what_a_class_takes_from_the_function_around_it_counts() -> None:
    rules: list[Callable[..., int]] = [
        doubled,
        partial(doubled, 1),
        partial(doubled, 2),
        lambda amount: amount,
    ]
    prints = [made_with(2, doubled), *(made_with(1, rule) for rule in rules)]
    assert len(set(prints)) == len(prints)
    assert prints[1] == made_with(1, doubled)


def test_code_without_a_source_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    found = []
    for _ in range(2):
        module = sys.modules["typed_in"] = ModuleType("typed_in")
        exec(SINGLE.replace("import outside\nimport helpers\nfrom stars import *\n", ""), vars(module))
        found.append(module.box.fingerprint_of(module.box.aggregates["box"]))
    del sys.modules["typed_in"]
    assert found[0] == found[1]
    [warning] = [one for one in caplog.messages if "typed_in.Box " in one]
    assert "snapshots drop" in warning
