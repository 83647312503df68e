"""How the rooms lie: who may import whom, how large a module may be, and what no file may contain."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

import commander
from commander.domain import __all__ as everything_of_the_domain
from commander.domain import errors

ROOT = Path(__file__).parent.parent
LINKED = ("eventstore", "streaming", "resolvers", "schema", "examples")
"""The packages that stand at the top of the repository; commander/ has a link to each."""
TOP = ("commander", *LINKED)

# A room and those of ours that it may import; the longest name that fits a module is its room.
MAY_IMPORT = {
    "commander.domain": set[str](),
    "commander.__init__": {"commander.domain"},
    "commander.testing": {"commander.domain"},
    "commander.eventstore": {"commander.domain"},
    "commander.streaming": {"commander.domain", "commander.eventstore"},
    "commander.resolvers": {"commander.domain", "commander.eventstore", "commander.streaming"},
    "commander.schema": {
        "commander.domain",
        "commander.eventstore",
        "commander.streaming",
        "commander.resolvers",
    },
    "commander": {
        "commander.domain",
        "commander.eventstore",
        "commander.streaming",
        "commander.resolvers",
        "commander.schema",
    },
    "commander.examples": {"commander.__init__", "commander.testing"},
}
# A foreign library and the rooms that know it.
KNOWN_BY = {
    "asyncpg": {"commander.eventstore", "commander"},
    "nats": {"commander.streaming", "commander.examples"},
    "strawberry": {"commander.schema"},
    "graphql": {"commander.schema"},
    "starlette": {"commander.schema", "commander"},
    "uvicorn": {"commander"},
    "typer": {"commander"},
    "rich": {"commander"},
    "opentelemetry": {"commander.streaming"},
    "jwt": {"commander.resolvers"},
    "cryptography": {"commander.resolvers"},
    "httpx": {"commander.schema"},
    "websockets": {"commander.schema"},
}


def modules(*folders: str) -> Iterator[tuple[str, Path]]:
    """(dotted name, path) of every module in these folders; a package's own is called package.__init__."""
    for folder in folders:
        yield from modules_of(folder)


@cache
def modules_of(folder: str) -> Sequence[tuple[str, Path]]:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        relative = path.relative_to(ROOT)
        if not {"node_modules", ".venv"} & set(relative.parts) and not through_a_link(relative):
            found.append((name_of(relative), path))
    return found


def through_a_link(relative: Path) -> bool:
    """Whether a path below the root leads through a link of commander/; it is the same file twice."""
    return relative.parts[0] == "commander" and relative.parts[1] in LINKED


def name_of(relative: Path) -> str:
    """The name by which the module at a path below the root is imported."""
    below = ["commander"] if relative.parts[0] in LINKED else []
    return ".".join([*below, *relative.with_suffix("").parts])


@cache
def imports(name: str, path: Path) -> Sequence[tuple[int, str]]:
    """(line, dotted name) of everything a module imports, wherever in it; our modules as in `modules`."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, exact(alias.name)) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively; write the whole name"
            assert node.module is not None
            for alias in node.names:
                submodule = exact(f"{node.module}.{alias.name}")
                found.append((node.lineno, submodule if is_module(submodule) else exact(node.module)))
    return found


@cache
def exact(name: str) -> str:
    """The name of a module as `modules` has it."""
    return f"{name}.__init__" if (ROOT / Path(*name.split(".")) / "__init__.py").exists() else name


@cache
def is_module(name: str) -> bool:
    return (ROOT / Path(*name.split("."))).with_suffix(".py").exists()


def room_of(module: str) -> str | None:
    """The room that a module is in; None for what is not ours."""
    fitting = [room for room in MAY_IMPORT if f"{module}.".startswith(f"{room}.")]
    return max(fitting, key=len, default=None)


def test_the_links_lead_to_the_packages_at_the_top() -> None:
    links = {path.name: path.readlink() for path in (ROOT / "commander").iterdir() if path.is_symlink()}
    assert links == {name: Path("..") / name for name in LINKED}


def test_nothing_is_imported_past_its_link() -> None:
    """`schema` and `commander.schema` would be two modules, with two of each class."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {imported}; write commander.{imported}"
        for name, path in modules(*TOP, "tests", "bench")
        for line, imported in imports(name, path)
        if imported.partition(".")[0] in LINKED
    ]
    assert not wrong, "\n".join(wrong)


def test_imports_go_one_way() -> None:
    wrong = []
    for name, path in modules(*TOP):
        room = room_of(name)
        assert room is not None, f"{name} is in no room"
        for line, imported in imports(name, path):
            target = room_of(imported)
            if target is not None and target != room and target not in MAY_IMPORT[room]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {imported}: {room} may not")
    assert not wrong, "\n".join(wrong)


ENTRY = re.compile(r"^([\w-]+/|\w+\.py) +\S", re.MULTILINE)
"""A line of a package's map: a module or a folder, and what it is for."""


def map_of(package: Path) -> list[str]:
    """The modules and folders that the docstring of a package names, in its order."""
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8")))
    return ENTRY.findall(docstring or "")


ROOMS = sorted(
    {path.parent for _, path in modules(*TOP) if path.name == "__init__.py"}
    - {ROOT / "commander" / "domain", ROOT / "examples" / "bank"}
)


@pytest.mark.parametrize("package", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_map_at_a_door_names_all_that_is_behind_it(package: Path) -> None:
    there = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    for path in package.iterdir():
        if path.is_dir() and any(path.iterdir()) and path.name not in {"__pycache__", "migrations"}:
            there.add(f"{path.name}/")
    named = map_of(package)
    assert sorted(named) == sorted(there)


@pytest.mark.parametrize("package", ["eventstore", "streaming", "schema"])
def test_a_room_imports_only_rooms_above_it_on_the_map(package: str) -> None:
    order = [entry.removesuffix("/").removesuffix(".py") for entry in map_of(ROOT / package)]
    wrong = []
    for name, path in modules(package):
        own = name.split(".")[2]
        for line, imported in imports(name, path):
            parts = imported.split(".")
            if parts[:2] != ["commander", package] or len(parts) < 3 or own == "__init__":
                continue
            if parts[2] != "__init__" and order.index(parts[2]) > order.index(own):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {imported}, which is below {own}/")
    assert not wrong, "\n".join(wrong)


def test_no_imports_go_in_a_circle() -> None:
    """Also not inside functions, or for types alone."""
    sources = {name: set[str]() for name, _ in modules(*TOP)}
    for name, path in modules(*TOP):
        sources[name] = {imported for _, imported in imports(name, path) if imported in sources} - {name}
    try:
        tuple(TopologicalSorter(sources).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_each_library_is_known_to_its_rooms_alone() -> None:
    wrong = []
    for name, path in modules(*TOP):
        for line, imported in imports(name, path):
            library = imported.partition(".")[0]
            if library in KNOWN_BY and room_of(name) not in KNOWN_BY[library]:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {imported}")
    assert not wrong, "\n".join(wrong)


def test_the_walk_sees_every_way_to_import(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "import commander.streaming.log.relay as r, json\n"
        "from commander.eventstore import locks\n"
        "from commander import Domain, settings\n"
        "def later():\n    from commander.schema.build import build_schema\n"
        "if TYPE_CHECKING:\n    import commander.resolvers\n"
    )
    assert {(line, name, room_of(name)) for line, name in imports("module", module)} == {
        (1, "commander.streaming.log.relay", "commander.streaming"),
        (1, "json", None),
        (2, "commander.eventstore.locks", "commander.eventstore"),
        (3, "commander.__init__", "commander.__init__"),
        (3, "commander.settings", "commander"),
        (5, "commander.schema.build", "commander.schema"),
        (7, "commander.resolvers.__init__", "commander.resolvers"),
    }


def test_modules_have_at_most_300_lines() -> None:
    long = []
    for name, path in modules(*TOP):
        length = len(path.read_text("utf-8").splitlines())
        if length > 300:
            long.append(f"{name} has {length}")
    assert not long, "\n".join(long)


def test_no_module_is_named_for_holding_anything() -> None:
    vague = re.compile(r"(^|_)(utils?|helpers?|commons?|managers?|misc|stuff)($|_)")
    assert [str(p) for _, p in modules(*TOP, "tests", "bench") if vague.search(p.stem)] == []
    assert [str(p) for _, p in modules(*TOP, "tests", "bench") if vague.search(p.parent.name)] == []


def test_what_commander_offers_is_all_that_it_offers() -> None:
    public = {
        name
        for name, value in vars(commander).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert commander.__all__ == sorted(public)
    assert everything_of_the_domain == sorted(everything_of_the_domain)


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawn = {}
    above = {0: "CommanderError"}
    for depth, name in re.findall(r"^([ │]*)[├└]─ (\w+)", errors.__doc__ or "", re.MULTILINE):
        level = len(depth) // 3 + 1
        above[level] = name
        drawn[name] = above[level - 1]
    there = {
        name: value.__base__.__name__
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.CommanderError) and value.__base__
    }
    assert drawn | {"CommanderError": "Exception"} == there


SQL = sorted((ROOT / "eventstore" / "sql").glob("*.sql"))


def test_every_statement_is_used_and_every_one_used_is_there() -> None:
    used = set()
    for _, path in modules("eventstore"):
        used |= set(re.findall(r'statement\("(\w+)"\)', path.read_text()))
    assert used == {path.stem for path in SQL}


@pytest.mark.parametrize("path", SQL, ids=lambda path: path.stem)
def test_a_statement_says_its_purpose_and_each_of_its_binds(path: Path) -> None:
    lines = path.read_text().splitlines()
    body = [number for number, line in enumerate(lines) if not line.startswith("--")]
    header, statement = "\n".join(lines[: body[0]]), "\n".join(lines[body[0] :])
    assert re.match(r"-- [A-Z].*\.$", lines[0]), "the first line says what it does"
    assert "-- binds" in header
    binds = set(re.findall(r"\$\d+", statement))
    assert set(re.findall(r"\$\d+", header)) == binds
    assert binds == {f"${n}" for n in range(1, len(binds) + 1)}
    assert ";" not in statement, "one statement a file"


def test_migrations_begin_by_saying_what_they_are_for() -> None:
    for path in [
        *(ROOT / "eventstore" / "migrations").glob("*.sql"),
        ROOT / "eventstore" / "schema.sql",
    ]:
        assert re.match(r"-- [A-Z].*\.\n", path.read_text()), path.name


def tracked() -> list[Path]:
    """The files that are, or are about to be, in the repository."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


# Where packages are downloaded from is the business of whoever installs them.
ADDRESSES = {
    "an option that names a package index": r"--(extra-)?index-url|--trusted-host|--find-links|--registry\b",
    "a setting that names a package index": r"\b(PIP|UV|npm_config)_\w*(INDEX|registry)\w*\s*[=:]",
    "a registry in a configuration": r"^\s*(@[\w-]+:)?registry\s*=|^\s*index-url\s*=|^\s*GOPROXY\s*=",
    "a resolved address in a lock file": r'"resolved"\s*:(?!\s*"file:\.\./)',  # a folder of ours is none
    "an address of a registry": r"(registry\.npmjs|files\.pythonhosted|pypi\.org/simple|/artifactory/)",
}


def test_no_file_says_where_packages_are_downloaded_from() -> None:
    found = []
    for path in tracked():
        if path == Path(__file__):
            continue
        text = path.read_text("utf-8", "replace")
        for what, pattern in ADDRESSES.items():
            for match in re.finditer(pattern, text, re.MULTILINE):
                found.append(f"{path.relative_to(ROOT)}: {what}: {match.group()}")
    assert not found, "\n".join(found)


def test_constraints_are_names_and_versions_alone() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"#.*|[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+]+", line), line
