"""The package @commander/client as it is installed: built and packed, its content and its size."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.typescript import PACKAGE, built

MOST_BYTES = 12 * 1024
OF_OTHERS = PACKAGE / "node_modules"
CONSUMER = """
import { useRows } from "@commander/client/react";
import { createClient, cursorOf, type Client, type Domain, type Item, type Shapes } from "@commander/client";
import { webSocket } from "@commander/client/ws";

declare const domain: Domain;
const transport = webSocket({ url: "wss://localhost/graphql" });
const client: Client<Shapes> = createClient<Shapes>(domain, { url: "https://localhost/graphql", transport });
export const Rows = (): number => useRows(client.live["accounts"]!({})).rows.length;
export const cursor = (item: Item) => cursorOf(item);
// @ts-expect-error: it is a text
createClient<Shapes>(domain, { url: 1 });
"""


def ran(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `npm pack` makes of a copy of the sources."""
    built()
    copy = tmp_path_factory.mktemp("package")
    for name in ("package.json", "README.md", "tsconfig.json", "tsconfig.build.json"):
        shutil.copy(PACKAGE / name, copy)
    for name in ("src", "tests"):
        shutil.copytree(PACKAGE / name, copy / name)
    (copy / "node_modules").symlink_to(OF_OTHERS)
    ran("npm", "run", "--silent", "build", cwd=copy)
    [made] = json.loads(ran("npm", "pack", "--silent", "--json", cwd=copy))
    file: Path = copy / made["filename"]
    return file


@pytest.fixture(scope="module")
def project(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has installed the file, and nothing else."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text(json.dumps({"name": "page", "type": "module"}), "utf-8")
    ran("npm", "install", "--offline", "--no-audit", "--no-fund", "--silent", str(packed), cwd=folder)
    return folder


def test_the_package_has_what_it_exports_and_no_more(packed: Path) -> None:
    listed = set(ran("tar", "-tzf", packed, cwd=packed.parent).split())
    modules = {path.stem for path in (PACKAGE / "src").iterdir()}
    made = {f"package/dist/{module}{ending}" for module in modules for ending in (".js", ".d.ts")}
    assert listed == {"package/package.json", "package/README.md", *made}
    manifest: dict[str, Any] = json.loads((PACKAGE / "package.json").read_text("utf-8"))
    for targets in manifest["exports"].values():
        assert {f"package/{target.removeprefix('./')}" for target in targets.values()} <= listed
    assert "dependencies" not in manifest


@pytest.mark.parametrize("entries", [[""], ["", "/ws"], ["", "/ws", "/react"]], ids=["sse", "ws", "react"])
def test_the_client_is_small(project: Path, entries: list[str]) -> None:
    """Minified and compressed, with graphql-ws and without React."""
    together = "".join(f'export * from "@commander/client{entry}";' for entry in entries)
    entry = project / f"entry{len(entries)}.js"
    entry.write_text(together, "utf-8")
    options = ["--bundle", "--minify", "--format=esm", "--external:react", f"--outfile={entry.stem}.out"]
    command: list[str | Path] = [
        *("env", f"NODE_PATH={OF_OTHERS}", OF_OTHERS / ".bin" / "esbuild"),
        *(entry.name, *options),
    ]
    ran(*command, cwd=project)
    size = len(gzip.compress((project / f"{entry.stem}.out").read_bytes(), 9))
    assert 2 * 1024 < size <= MOST_BYTES


@pytest.mark.parametrize("resolution", ["NodeNext", "Bundler"])
def test_who_installs_it_has_its_types(project: Path, resolution: str) -> None:
    for name in ("react", "@types", "graphql-ws", "graphql", "csstype"):
        link = project / "node_modules" / name
        if not link.exists():
            link.symlink_to(OF_OTHERS / name)
    (project / "consumer.ts").write_text(CONSUMER, "utf-8")
    module = "NodeNext" if resolution == "NodeNext" else "ESNext"
    options = ["--noEmit", "--strict", "--module", module, "--moduleResolution", resolution]
    libraries = ["--target", "ES2022", "--lib", "ES2023,DOM,DOM.Iterable", "--types", "react"]
    ran(OF_OTHERS / ".bin" / "tsc", *options, *libraries, "consumer.ts", cwd=project)


def test_node_runs_what_is_installed(project: Path) -> None:
    names = "import('@commander/client').then((all) => console.log(Object.keys(all).sort().join()))"
    assert "createClient" in ran("node", "-e", names, cwd=project)
