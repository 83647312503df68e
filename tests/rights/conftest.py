"""The branch, shared by the tests that ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clusters import Clusters
from tests.rights.asking import Asks
from tests.rights.story import Branch, Exported
from tests.system import System


@pytest.fixture(scope="package")
def branch(clusters: Clusters) -> Iterator[Branch]:
    """The branch under `commander dev`, with authentication, after its story."""
    domain = "tests.rights.branch:branch"
    with System(clusters.copy("rights"), COMMANDER_AUTH="dev", COMMANDER_DOMAIN=domain) as system:
        made = Branch(system)
        made.tell()
        yield made


@pytest.fixture(scope="module")
def exported(branch: Branch, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Its log as it is when the tests of a module begin."""
    return branch.exported(tmp_path_factory.mktemp("exported") / "log")


@pytest.fixture(scope="module")
def asks(branch: Branch, exported: Exported) -> Asks:
    return Asks(branch, exported)
