"""The code in the docs runs, and what they link to is there."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import commander
from commander import Domain

ROOT = Path(__file__).parent.parent
PAGES = [path for pattern in ("*.md", "docs/**/*.md", "bench/*/README.md") for path in ROOT.glob(pattern)]


def module_of(page: str, folder: Path, *, blocks: int | None = None) -> ModuleType:
    """The Python of a page as one module: all of it, or its first blocks."""
    found = re.findall(r"^```python\n(.*?)^```$", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    path = folder / "of_a_page.py"
    path.write_text("\n\n".join(found[:blocks]))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # the domain asks it for its annotations
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[path.stem]
    return module


def run_its_tests(module: ModuleType) -> int:
    """Checks the page's shop, and calls its tests; how many."""
    assert isinstance(module.shop, Domain)
    module.shop.check()
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    for test in tests:
        test()
    return len(tests)


def test_the_first_domain_of_the_docs_does_what_its_test_says(tmp_path: Path) -> None:
    assert run_its_tests(module_of("docs/domain.md", tmp_path, blocks=2)) == 1


def test_the_reactors_of_the_docs_do_what_is_said_of_them(tmp_path: Path) -> None:
    assert run_its_tests(module_of("docs/reacting.md", tmp_path)) == 5


def links_of(page: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" not in target and not target.startswith("#"):
            yield target.partition("#")[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    missing = [target for target in links_of(page) if not (page.parent / target).exists()]
    assert missing == []


def test_the_reference_names_all_that_commander_offers() -> None:
    page = (ROOT / "docs" / "reference" / "index.md").read_text("utf-8")
    assert [name for name in commander.__all__ if not re.search(rf"\b{name}\b", page)] == []
