"""Modules for Relay: relay-compiler compiles their documents, as a bundler's plugin would have it done."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.e2e.nodejs import PACKAGE

IMPORT = re.compile(r"from '(\./\w+\.graphql)'")
TAG = re.compile(r"graphql`\s*\w+ (\w+)[^`]*`")


def compiled(folder: Path, name: str, schema: str) -> Path:
    """Compiles the documents of a module in this folder; each tag becomes what was compiled from it.

    schema: the path of the schema, from the folder. The folder has npm's packages in `node_modules`.
    """
    path = folder / f"{name}.js"
    settings = {"src": ".", "language": "javascript", "schema": schema, "eagerEsModules": True}
    (folder / "relay.config.json").write_text(json.dumps(settings))
    compiler = str(PACKAGE / "node_modules" / ".bin" / "relay-compiler")
    done = subprocess.run([compiler], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    for made in (folder / "__generated__").iterdir():  # Node.js wants the whole name, a bundler finds it
        made.write_text(IMPORT.sub(r"from '\1.js'", made.read_text()))
    code = path.read_text()
    imports = [f'import {one} from "./__generated__/{one}.graphql.js";\n' for one in TAG.findall(code)]
    path.write_text("".join(imports) + TAG.sub(r"\1", code))
    return path
