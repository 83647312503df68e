"""Writes docs/settings.md from commander/settings.py: `make settings`. A test holds that the two agree.

A setting's meaning is the docstring below its field; its type, allowed values and default are those that the
process itself reads.
"""

from __future__ import annotations

import ast
import inspect
import types
import typing
from pathlib import Path
from typing import Any, get_args, get_origin

from commander.settings import PREFIX, Settings

PAGE = Path(__file__).with_name("settings.md")
HEAD = """\
# Settings

Every process reads its settings once, when it starts, from variables of the environment. A value that is not
allowed ends the process with a message that names the variable and the value. Options of the command line
(`--port`) override the variables.

    COMMANDER_PORT=9000 COMMANDER_LOG_LEVEL=debug commander dev

Processes of one system share the two URLs, `COMMANDER_DOMAIN` and `COMMANDER_PARTITIONS`. This page is
generated from [commander/settings.py](../commander/settings.py).

| variable | values | default | meaning |
| --- | --- | --- | --- |
"""
BOUNDS = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}


def page() -> str:
    """The page, as it stands in the repository."""
    meanings = _meanings()
    hints = typing.get_type_hints(Settings, include_extras=True)
    defaults = Settings()
    rows = []
    for name, meaning in meanings.items():
        default = getattr(defaults, name)
        cells = (f"`{PREFIX}{name.upper()}`", _values(hints[name]), _default(default), meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return HEAD + "".join(rows)


def _meanings() -> dict[str, str]:
    """Each field with the docstring below it, in the order of the class."""
    [definition] = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(definition, ast.ClassDef)
    meanings = {}
    for statement, following in zip(definition.body, [*definition.body[1:], None], strict=True):
        match statement, following:
            case (ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text)))):
                meanings[name] = " ".join(text.split())
            case (ast.AnnAssign(target=ast.Name(id=name)), _):
                raise ValueError(f"the setting {name} needs a docstring below its field")
    return meanings


def _values(hint: Any) -> str:
    """What a variable may be: its type, and the bounds that stand in it."""
    if get_origin(hint) in (types.UnionType, typing.Union):
        return _values(get_args(hint)[0])  # the other is None: not set
    if get_origin(hint) is typing.Literal:
        return ", ".join(f"`{value}`" for value in get_args(hint))
    if not hasattr(hint, "__metadata__"):
        return {str: "text", bool: "`true` or `false`", int: "integer", float: "number"}[hint]
    found = [_values(hint.__origin__)]
    for meta in (one for given in hint.__metadata__ for one in getattr(given, "metadata", [given])):
        for bound, words in BOUNDS.items():
            if (limit := getattr(meta, bound, None)) is not None:
                found.append(f"{words} {limit}")
    return " ".join(found)


def _default(value: object) -> str:
    if value in (None, ""):
        return "not set"
    if isinstance(value, bool):
        return f"`{value}`".lower()
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
