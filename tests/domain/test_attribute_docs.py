"""The texts below the attributes of a class."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum
from types import ModuleType

from commander.domain.attribute_docs import attribute_docs


@dataclass
class Base:
    first: int
    """The first."""
    second: int
    """The second."""


class Colour(Enum):
    RED = "RED"
    """As blood."""
    BLUE = "BLUE"


def test_a_class_has_its_own_texts_and_those_that_it_inherits() -> None:
    class Derived(Base):
        """The text of the class is that of no field."""

        third: int = 3
        """
        The third,
          of three.
        """
        second: int = 2
        """The second, again."""
        fourth: int = 4

    texts = {"first": "The first.", "second": "The second, again.", "third": "The third,\n  of three."}
    assert attribute_docs(Derived) == texts


def test_a_member_of_an_enum_has_the_text_below_it() -> None:
    assert attribute_docs(Colour) == {"RED": "As blood."}


def test_a_class_without_source_has_no_texts() -> None:
    module = sys.modules["made_at_runtime"] = ModuleType("made_at_runtime")
    try:
        exec("class Made:\n    field: int\n    'A text.'\n", module.__dict__)
        assert attribute_docs(module.Made) == {}
    finally:
        del sys.modules["made_at_runtime"]
