"""The code in the docs runs, what they name is there, and the code uses the words of the glossary."""

from __future__ import annotations

import ast
import importlib.util
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import commander
from commander import Domain

ROOT = Path(__file__).parent.parent
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "bench/*/README.md", "findings/*.md")
    for path in ROOT.glob(pattern)
]
DECISIONS = ROOT / "docs" / "decisions"
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
TOP = ("commander", "eventstore", "streaming", "resolvers", "schema", "examples")

# A word that the code no longer uses: the term that replaces it, and names in which it is plain English.
RETIRED = {
    "ahead": ("prefetch", {"ahead", "AheadOfLog"}),
    "attempting": ("attempts", set[str]()),
    "bell": ("signal", set[str]()),
    "bulk": ("chunks", set[str]()),
    "channel": ("fan-out group", set[str]()),
    "dealt": ("retry or drop", set[str]()),
    "ears": ("listener", set[str]()),
    "freshness": ("read your writes", set[str]()),
    "hear": ("listen", set[str]()),
    "heard": ("signalled", set[str]()),
    "hearing": ("listener", set[str]()),
    "inbox": ("partition reader", {"inbox", "new_inbox"}),  # NATS' own word for a subject of replies
    "mirrored": (
        "event codec",
        {"mirrored", "_mirrored", "_has_mirrored", "_append_mirrored", "mirrored_position"},
    ),
    "looking": ("look-up, or polling", set[str]()),
    "looks": ("polls", set[str]()),
    "ownership": ("leases", set[str]()),
    "rung": ("signalled", set[str]()),
    "said": ("message, value or declaration", set[str]()),
    "suspects": ("crash quarantine", set[str]()),
    "tallies": ("counters", set[str]()),
    "tell": ("publish, or show", set[str]()),
    "told": ("published, or shown", set[str]()),
}
MODULES_RETIRED = {
    "under_way": "pending_by_correlation",
    "queued": "pending_by_id",
    "states": "aggregate_cache",
}


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
    """Checks the page's domains, and calls its tests; how many."""
    domains = [value for value in vars(module).values() if isinstance(value, Domain)]
    assert domains
    for domain in domains:
        domain.check()
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    for test in tests:
        test()
    return len(tests)


def test_the_first_domain_of_the_docs_does_what_its_test_says(tmp_path: Path) -> None:
    assert run_its_tests(module_of("docs/domain.md", tmp_path, blocks=4)) == 2


def test_the_reactors_of_the_docs_do_what_is_said_of_them(tmp_path: Path) -> None:
    assert run_its_tests(module_of("docs/reacting.md", tmp_path)) == 5


def test_the_rules_of_the_docs_are_as_their_tests_say(tmp_path: Path) -> None:
    assert run_its_tests(module_of("docs/rights.md", tmp_path)) == 2


def test_the_school_and_the_bank_of_the_docs_do_what_their_tests_say(tmp_path: Path) -> None:
    assert run_its_tests(module_of("docs/across.md", tmp_path)) == 5


def links_of(page: Path) -> Iterator[tuple[Path, str]]:
    """(file, anchor) of each link of a page that stays in the repository; the anchor may be empty."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield (page.parent / path if path else page), anchor


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path) -> None:
    wrong = [
        f"{path}#{anchor}" if anchor else str(path)
        for path, anchor in links_of(page)
        if not path.exists() or (anchor and anchor not in anchors_of(path))
    ]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:\w+/)+[\w.]+\.(?:py|sql))`", page.read_text("utf-8"))
    assert [path for path in named if not (ROOT / path).exists() and not (page.parent / path).exists()] == []


def test_the_index_of_the_decisions_lists_each_file() -> None:
    listed = {path.name for path, _ in links_of(DECISIONS / "README.md") if path.parent == DECISIONS}
    assert listed == {path.name for path in DECISIONS.glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("page", sorted(DECISIONS.glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_has_context_decision_and_consequence(page: Path) -> None:
    if page.name == "README.md":
        return
    for record in re.split(r"^## ", page.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        labels = re.findall(r"^\*\*(\w+)\.\*\*", record, re.MULTILINE)
        assert labels == ["Context", "Decision", "Consequence"], record.partition("\n")[0]


def test_the_glossary_defines_each_term_once_in_order() -> None:
    terms = [term.lower() for term in re.findall(r"^## (.+)$", GLOSSARY, re.MULTILINE)]
    assert terms == sorted(set(terms))


def test_the_code_of_a_term_is_where_the_glossary_says() -> None:
    named = re.findall(r"`(\w+)` in\s+`([\w/.]+)`", GLOSSARY)
    assert named
    missing = [
        f"{name} in {path}"
        for name, path in named
        if not (ROOT / path).exists() or not re.search(rf"\b{name}\b", (ROOT / path).read_text("utf-8"))
    ]
    assert missing == []


def identifiers() -> Iterator[tuple[Path, str]]:
    """Every name that our code defines or uses."""
    for path in (path for top in TOP for path in sorted((ROOT / top).rglob("*.py"))):
        if "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                    yield path, name
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    yield path, name


def words_of(identifier: str) -> list[str]:
    """The words of a name in any style: `LogPrefetch`, `_log_prefetch` and `LOG_PREFETCH` have the same."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)]


def test_the_words_of_a_name_are_told_apart_in_any_style() -> None:
    assert (
        words_of("LogPrefetch")
        == words_of("_log_prefetch")
        == words_of("LOG_PREFETCH")
        == ["log", "prefetch"]
    )


def test_the_code_uses_no_retired_word() -> None:
    wrong = set()
    for path, name in identifiers():
        for word in RETIRED.keys() & set(words_of(name)):
            term, plain = RETIRED[word]
            if name not in plain:
                wrong.add(f"{path.relative_to(ROOT)}: {name}; the term is {term}")
    assert not wrong, "\n".join(sorted(wrong))


def test_no_module_has_a_retired_name() -> None:
    retired = MODULES_RETIRED | {word: term for word, (term, _) in RETIRED.items()}
    assert [path for top in TOP for path in (ROOT / top).rglob("*.py") if path.stem in retired] == []


def test_the_reference_names_all_that_commander_offers() -> None:
    page = (ROOT / "docs" / "reference" / "index.md").read_text("utf-8")
    assert [name for name in commander.__all__ if not re.search(rf"\b{name}\b", page)] == []


def test_a_make_target_that_a_page_names_is_there() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        (page.name, target)
        for page in PAGES
        for target in re.findall(r"(?:`|^    )make ([a-z][\w-]*)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert ("CONTRIBUTING.md", "test-fast") in named
    assert {(page, target) for page, target in named if target not in targets} == set()


def test_the_page_of_settings_says_what_the_code_says() -> None:
    generated = runpy.run_path(str(ROOT / "docs" / "make_settings.py"))["page"]()
    assert generated == (ROOT / "docs" / "settings.md").read_text("utf-8"), "make settings"
