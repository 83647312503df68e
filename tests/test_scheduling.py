"""tests/scheduling.py finds the tests that share a system by what they are written with."""

from __future__ import annotations

import pytest

from tests.scheduling import scope_of

SHARED = {
    "tests/e2e": {"system": "e2e: system", "chromium": "e2e: browser"},
    "tests/rights": {"branch": "rights: branch"},
    "tests/faults": {"package_system": "faults: breakable", "package_servers": "faults: servers"},
}


def test_all_that_share_a_system_run_in_one_process(request: pytest.FixtureRequest) -> None:
    """In a run of some tests only, those of these are looked at."""
    wanted: dict[str, set[str]] = {}
    for item in request.session.items:
        assert isinstance(item, pytest.Function)
        module = item.nodeid.partition("::")[0]
        for fixture, scope in SHARED.get(module.rpartition("/")[0], {}).items():
            if fixture in item.fixturenames:
                wanted.setdefault(module, set()).add(scope)
    for scopes in wanted.values():
        if "e2e: browser" in scopes:
            scopes.discard("e2e: system")  # a browser's modules have one of their own
    assert {module: {scope_of(request.config.rootpath / module, module)} for module in wanted} == wanted
