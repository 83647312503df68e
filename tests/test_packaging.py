"""The wheel: what it holds, and that it runs beside a user's own modules and PyPI's `schema`."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("schema/graphiql/dist/manifest.json", "schema/console/dist/manifest.json")
OTHER = ("node_modules", "__pycache__", "graphiql", "console", "bank-web")
"""Folders that hold no Python of ours."""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What the command prints. A command that fails, fails the test with what it wrote."""
    ours = ("COMMANDER_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment = kept | environment
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def built(target: str, source: Path, directory: Path) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", directory, cwd=source)
    [archive] = directory.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def copied(source: Path, *also: str) -> Path:
    """Copies what .dockerignore lets into the build of the image, and the files of these names."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    left_out = shutil.ignore_patterns(
        *(line.removeprefix("**/") for line in lines if line.startswith("**/")), "dist"
    )
    source.mkdir()
    for kept in [*(line.removeprefix("!") for line in lines if line.startswith("!")), *also]:
        if (ROOT / kept).is_dir():
            shutil.copytree(ROOT / kept, source / kept, symlinks=True, ignore=left_out)
        elif (ROOT / kept).exists():
            shutil.copy(ROOT / kept, source / kept)
    return source


# --- What it holds ------------------------------------------------------------------------------------------


def test_the_wheel_holds_commander_alone_with_every_package_as_plain_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        links = [entry.filename for entry in archive.infolist() if stat.S_ISLNK(entry.external_attr >> 16)]
    assert not links
    names = {PurePosixPath(name) for name in contents(wheel)}
    own = {name for name in names if name.parts[0] == "commander"}
    assert {name.parts[0] for name in names - own} == {"commander-0.1.0.dist-info"}
    assert not [name for name in own if {"node_modules", "__pycache__"} & set(name.parts)]
    there = set()
    for folder, below, files in os.walk(ROOT / "commander", followlinks=True):
        below[:] = [name for name in below if name not in OTHER]
        there |= {PurePosixPath(folder, name).relative_to(ROOT) for name in files}
    assert {name for name in own if not {"graphiql", "console"} & set(name.parts)} == there
    assert len({name.parts[1] for name in there if len(name.parts) > 2}) >= 9, "the packages were not found"


def wheel_of(sdist: Path, directory: Path) -> Path:
    with tarfile.open(sdist) as archive:
        assert all(member.isfile() for member in archive.getmembers()), "a link"
        archive.extractall(directory, filter="data")
    [source] = directory.iterdir()
    return built("wheel", source, directory / "wheel")


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    again = wheel_of(sdist, tmp_path)
    assert again.name == wheel.name
    assert contents(again) == contents(wheel)


def test_the_wheel_of_a_checkout_and_that_of_its_source_distribution_hold_the_pages(tmp_path: Path) -> None:
    """Git ignores the built pages. The files here stand for those that npm makes."""
    source = copied(tmp_path / "src", ".gitignore")
    run("git", "init", "--quiet", cwd=source)
    made = {
        f"{Path(page).parent}/{name}": f"{page} {name}".encode()
        for page in PAGES
        for name in ("manifest.json", "assets/main-1a.js")
    }
    for name, content in made.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    assert run("git", "check-ignore", *PAGES, cwd=source).split() == list(PAGES)
    wheel = built("wheel", source, tmp_path / "wheel")
    again = wheel_of(built("sdist", source, tmp_path / "sdist"), tmp_path / "again")
    for archive in (wheel, again):
        held = {name: content for name, content in contents(archive).items() if "/dist/" in name}
        assert held == {f"commander/{name}": content for name, content in made.items()}


def test_the_image_builds_the_same_wheel_and_looks_for_the_pages_where_they_are(
    wheel: Path, tmp_path: Path
) -> None:
    """From what .dockerignore lets into the build, which has no .git and no .gitignore."""
    source = copied(tmp_path / "src")
    for page in PAGES:
        if (ROOT / page).exists():
            shutil.copytree((ROOT / page).parent, (source / page).parent)
    again = built("wheel", source, tmp_path / "wheel")
    assert contents(again) == contents(wheel)
    looked_for = re.findall(r"test -s \S*/site-packages/(\S+)", (ROOT / "Dockerfile").read_text())
    assert looked_for == [f"commander/{page}" for page in PAGES]


# --- Beside other modules -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Environment:
    """A virtual environment that holds what it was given; the libraries are those that the tests run with."""

    directory: Path

    @property
    def python(self) -> Path:
        return self.directory / "bin" / "python"

    @property
    def commander(self) -> Path:
        return self.directory / "bin" / "commander"

    @classmethod
    def made(cls, directory: Path) -> Environment:
        venv.create(directory, symlinks=True)
        made = cls(directory)
        # Python does not read the .pth files of a folder that a .pth file names. So the libraries are there,
        # and this repository, which an editable install adds to the path, is not.
        [packages] = directory.glob("lib/*/site-packages")
        (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
        return made

    def install(self, *requirements: str | Path) -> subprocess.CompletedProcess[str]:
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check"]
        options = [
            "--quiet",
            "--no-deps",
            "--no-compile",
            "--retries",
            "0",
            "-c",
            str(ROOT / "constraints.txt"),
        ]
        command = [*pip, "install", *options, *map(str, requirements)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with Commander's wheel."""
    environment = Environment.made(tmp_path_factory.mktemp("alone"))
    ended = environment.install(wheel)
    assert ended.returncode == 0, ended.stderr
    return environment


@pytest.fixture(scope="module")
def beside_schema(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with Commander's wheel and the package `schema`."""
    environment = Environment.made(tmp_path_factory.mktemp("beside"))
    fetched = environment.install("schema")
    if fetched.returncode != 0:
        pytest.skip(f"NOT RUN: the package `schema` cannot be fetched: {fetched.stderr[-300:]}")
    ended = environment.install(wheel)
    assert ended.returncode == 0, ended.stderr
    return environment


DOMAIN = """
from uuid import UUID
from commander import Domain
{imports}

shop = Domain("shop")

@shop.event
class Sold:
    item_id: UUID

@shop.command
class Sell:
    item_id: UUID

@shop.aggregate(key="item_id")
class Item:
    def sell(self, command: Sell) -> Sold:
        return Sold(command.item_id)

    def sold(self, event: Sold) -> "Item":
        return self
"""
OF_PYPI = "from schema import Schema\nassert Schema(int).validate(1) == 1"
OWN = "import schema, streaming\nassert (schema.OWN, streaming.OWN) == ('schema', 'streaming')"
SCRIPT = """
import schema
from mydomain import shop
from commander.schema.build import build_schema
from commander.streaming.feed.feed import Feed

print(schema.__file__)
print(build_schema.__globals__["__file__"])
print(build_schema(shop).as_str())
"""


def folder_of_a_user(folder: Path, imports: str, *own: str) -> Path:
    """A folder with a domain, a script, and modules of these names."""
    folder.mkdir()
    (folder / "mydomain.py").write_text(DOMAIN.format(imports=imports))
    (folder / "script.py").write_text(SCRIPT)
    for name in own:
        (folder / f"{name}.py").write_text(f"OWN = {name!r}\n")
    return folder


def test_commander_runs_from_a_folder_that_has_modules_named_as_its_packages(
    alone: Environment, tmp_path: Path
) -> None:
    here = folder_of_a_user(
        tmp_path / "shop", OWN, "schema", "streaming", "eventstore", "resolvers", "examples"
    )
    sdl = run(alone.commander, "schema", "mydomain:shop", cwd=here)
    assert "input: SellInput!" in sdl
    own, ours, *printed = run(alone.python, "script.py", cwd=here).splitlines()
    assert Path(own) == here / "schema.py"
    assert alone.directory in Path(ours).parents
    assert "\n".join(printed).strip() == sdl.strip()


def test_commander_runs_beside_the_package_schema(beside_schema: Environment, tmp_path: Path) -> None:
    here = folder_of_a_user(tmp_path / "shop", OF_PYPI)
    sdl = run(beside_schema.commander, "schema", "mydomain:shop", cwd=here)
    assert "input: SellInput!" in sdl
    theirs, ours, *printed = run(beside_schema.python, "script.py", cwd=here).splitlines()
    assert beside_schema.directory in Path(theirs).parents
    assert beside_schema.directory in Path(ours).parents
    assert "\n".join(printed).strip() == sdl.strip()


def test_a_user_s_own_schema_py_wins_over_the_package_schema_in_a_script(
    beside_schema: Environment, tmp_path: Path
) -> None:
    here = folder_of_a_user(tmp_path / "shop", OWN, "schema", "streaming")
    own, *_ = run(beside_schema.python, "script.py", cwd=here).splitlines()
    assert Path(own) == here / "schema.py"
    sdl = run(beside_schema.commander, "schema", "mydomain:shop", cwd=here, PYTHONPATH=str(here))
    assert "input: SellInput!" in sdl
