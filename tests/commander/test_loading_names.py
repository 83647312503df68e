"""A domain in the current directory is found under any name, or the error says who has the name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from commander.cli.loading import DomainNotFound, load_domain
from tests.domain.shop import disown

DOMAIN = """
from tests.domain.shop import Open, Opened, add_account
from commander import Domain
own = Domain("own")
own.command(Open)
own.event(Opened)
add_account(own)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.mark.parametrize("name", ["streaming", "schema", "resolvers", "eventstore", "examples", "bench"])
def test_a_file_with_the_name_of_a_folder_of_commander_is_the_one_that_is_loaded(
    here: Path, name: str
) -> None:
    (here / f"{name}.py").write_text(DOMAIN)
    kept = {one: sys.modules.pop(one) for one in [*sys.modules] if one.partition(".")[0] == name}
    try:
        assert load_domain(f"{name}:own").name == "own"
        assert sys.path[0] != str(here)
    finally:
        sys.modules.pop(name, None)
        sys.modules.update(kept)
        disown()


def test_a_name_that_another_module_has_is_told(here: Path) -> None:
    (here / "json.py").write_text(DOMAIN)
    with pytest.raises(DomainNotFound, match=f"the name json is taken by .*json.*: rename {here / 'json'}"):
        load_domain("json:own")
