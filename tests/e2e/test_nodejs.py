"""Packages from npm: checkouts with the same lock file share one installation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.nodejs import PACKAGE, installed, store

ONE = "graphql"
FILE = Path("node_modules") / ONE / "index.js"


@pytest.fixture(autouse=True)
def empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def checkout(folder: Path, description: str = "") -> Path:
    """A folder that wants one package, of the version and the content that ours have."""
    folder.mkdir(exist_ok=True)
    lock = json.loads((PACKAGE / "package-lock.json").read_text("utf-8"))
    wanted = {"description": description, "dependencies": {ONE: lock["packages"][""]["dependencies"][ONE]}}
    packages = {"": wanted, f"node_modules/{ONE}": lock["packages"][f"node_modules/{ONE}"]}
    (folder / "package.json").write_text(json.dumps(wanted), "utf-8")
    (folder / "package-lock.json").write_text(
        json.dumps({"lockfileVersion": 3, "packages": packages}), "utf-8"
    )
    return folder


def test_a_second_checkout_has_the_files_of_the_first_and_outlives_it(tmp_path: Path) -> None:
    first, second = checkout(tmp_path / "first"), checkout(tmp_path / "second")
    installed(first)
    installed(second)
    assert (first / FILE).samefile(second / FILE)
    shutil.rmtree(first)
    shutil.rmtree(store())
    assert (second / FILE).read_text("utf-8")


def test_what_is_asked_for_anew_is_installed_anew_and_elsewhere_nothing_changes(tmp_path: Path) -> None:
    first, second = checkout(tmp_path / "first"), checkout(tmp_path / "second")
    installed(first)
    installed(second)
    checkout(second, "other packages than before")
    installed(second)
    assert not (first / FILE).samefile(second / FILE)
    installed(first)
    assert (first / FILE).read_bytes() == (second / FILE).read_bytes()
    assert len(list(store().iterdir())) == 2


def test_what_was_installed_in_part_is_installed_again(tmp_path: Path) -> None:
    """As npm leaves it when it is killed."""
    first = checkout(tmp_path / "first")
    (first / FILE).parent.mkdir(parents=True)
    installed(first)
    assert (first / FILE).exists()


def test_a_folder_of_the_repository_is_installed_again_when_its_content_has_changed(tmp_path: Path) -> None:
    own, wanted = tmp_path / "own", {"dependencies": {"own": "file:../own"}}
    (own / "dist").mkdir(parents=True)
    about = {"name": "own", "version": "1.0.0", "files": ["dist"]}
    (own / "package.json").write_text(json.dumps(about), "utf-8")
    package = tmp_path / "package"
    package.mkdir()
    (package / ".npmrc").write_text("install-links=true\n", "utf-8")
    (package / "package.json").write_text(json.dumps(wanted), "utf-8")
    packages = {"": wanted, "node_modules/own": {"version": "1.0.0", "resolved": "file:../own"}}
    (package / "package-lock.json").write_text(
        json.dumps({"lockfileVersion": 3, "packages": packages}), "utf-8"
    )
    for text in ("one", "two", "one"):
        (own / "dist" / "index.js").write_text(text, "utf-8")
        installed(package)
        assert (package / "node_modules" / "own" / "dist" / "index.js").read_text("utf-8") == text
