"""Finding a domain by its name, the user's directory last, and our packages where ours are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from commander import DefinitionError
from commander.cli.checkout import LinksMissing, check_links
from commander.cli.loading import DomainNotFound, load_domain
from commander.examples.bank import bank


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current directory; what is imported from it is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


SHOP = """
from uuid import UUID
from commander import Domain

shop = Domain("shop")
other = Domain("other")
number = 5

@shop.command
class Open:
    item_id: UUID

@shop.aggregate(key="item_id")
class Item:
    def open(self, command: Open) -> None: ...
"""


def test_the_bank_is_found() -> None:
    assert load_domain("commander.examples.bank:bank") is bank


def test_a_domain_is_found_in_the_current_directory(here: Path) -> None:
    (here / "myshop.py").write_text(SHOP)
    assert load_domain("myshop:shop").name == "shop"


def test_a_domain_is_found_in_a_package_of_the_current_directory(here: Path) -> None:
    (here / "company").mkdir()
    (here / "company" / "myshop.py").write_text(SHOP)
    assert load_domain("company.myshop:shop").name == "shop"


def test_other_modules_of_the_current_directory_are_searched_last(here: Path) -> None:
    (here / "commander.py").write_text("raise AssertionError('this is not our package')")
    assert load_domain("commander.examples.bank:bank") is bank
    assert sys.path[-1] == str(here)
    assert sys.path.count(str(here)) == 1


@pytest.mark.parametrize(
    "module",
    ["nowhere", "nowhere.domain", "commander.examples.nowhere", "commander.examples.bank.accounts.sub"],
)
def test_a_module_that_is_not_there_is_told_with_where_it_was_looked_for(here: Path, module: str) -> None:
    with pytest.raises(DomainNotFound) as caught:
        load_domain(f"{module}:shop")
    assert str(caught.value) == f"there is no module {module}; {here} was searched too"


def test_a_name_that_is_not_there_is_told_with_those_that_are(here: Path) -> None:
    (here / "myshop.py").write_text(SHOP)
    for name in ("shopp", "number"):
        with pytest.raises(DomainNotFound) as caught:
            load_domain(f"myshop:{name}")
        assert str(caught.value) == f"myshop has no domain with the name {name}; it has shop, other"
    with pytest.raises(DomainNotFound, match=r"commander\.testing has no domain with the name shop"):
        load_domain("commander.testing:shop")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import a_library_that_is_not_installed", ModuleNotFoundError),
        ("from commander.examples.bank import nothing", ImportError),
        ("1 / 0", ZeroDivisionError),
        ("def broken(:", SyntaxError),
    ],
)
def test_the_error_of_a_broken_module_passes_as_it_is(
    here: Path, source: str, error: type[BaseException]
) -> None:
    (here / "myshop.py").write_text(source)
    with pytest.raises(error) as caught:
        load_domain("myshop:shop")
    assert not isinstance(caught.value, DomainNotFound)


def test_a_domain_is_checked_as_a_whole(here: Path) -> None:
    (here / "myshop.py").write_text(SHOP)
    with pytest.raises(DefinitionError, match="the domain other has no commands") as caught:
        load_domain("myshop:other")
    assert caught.value.where == f"{here / 'myshop.py'}:6"


def test_a_checkout_without_links_is_named_in_one_sentence(tmp_path: Path) -> None:
    check_links()
    (tmp_path / "schema").write_text("../schema")
    with pytest.raises(LinksMissing) as caught:
        check_links(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'schema'} is a text file and must be a symbolic link to ../schema: clone the "
        "repository again with `git clone -c core.symlinks=true`"
    )
