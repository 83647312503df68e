"""Each of several test processes compiles some of the modules, and all together compile all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sharing_bytecode import modules, share

ROOT = Path(__file__).parent.parent
CONFTEST = """
import pytest
from tests.sharing_bytecode import import_share

@pytest.hookimpl(tryfirst=True)
def pytest_collection(session):
    import_share(session.config)
    worker = getattr(session.config, "workerinput", None)
    if worker is not None:
        compiled = session.config.rootpath / "compiled" / worker["workerid"]
        compiled.write_text(" ".join(sorted(
            path.name for path in session.config.rootpath.rglob("test_*.pyc") if "pytest" in path.name
        )))
"""


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_the_shares_are_all_modules_and_none_twice(count: int) -> None:
    paths = [*modules([str(ROOT / "tests")])]
    assert len(paths) > 300
    shares = [path for number in range(count) for path in share(paths, number, count)]
    assert sorted(shares) == sorted(paths)


def test_what_is_no_directory_is_collected_as_ever() -> None:
    assert [*modules([__file__, f"{__file__}::test_one"])] == []


def test_a_module_that_cannot_be_imported_is_told_by_the_collection(tmp_path: Path) -> None:
    """The others leave bytecode with rewritten asserts, which alone has pytest in its name."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "compiled").mkdir()
    (tmp_path / "test_broken.py").write_text("import that_is_absent\n")
    for name in ("one", "two", "three"):
        (tmp_path / f"test_{name}.py").write_text(f"def test_it():\n    assert {name!r} == 'two'\n")
    command = [sys.executable, "-m", "pytest", "-n", "2", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "No module named 'that_is_absent'" in ended.stdout, ended.stdout + ended.stderr
    first = [(tmp_path / "compiled" / worker).read_text() for worker in ("gw0", "gw1")]
    assert "test_three." in first[0], first
    assert "test_one." in first[1] and "test_two." in first[1], first
