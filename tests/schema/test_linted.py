"""Linters of GraphQL schemas find nothing. The rules that are off have their reasons in lint/."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from commander.examples.bank import bank
from commander.schema.build import build_schema
from tests.e2e.nodejs import installed

LINT = Path(__file__).with_name("lint")
LINTERS = {
    "eslint": ("--config", str(LINT / "eslint.config.mjs")),
    "graphql-schema-linter": ("--config-directory", str(LINT)),
}
FAULTY = '"The root."\ntype Query {\n  "The item."\n  item(id: ID!): Item\n}\n\ntype Item {\n  id: ID!\n}\n'


def linting(linter: str, text: str, folder: Path) -> subprocess.Popen[str]:
    """The linter, reading this schema in a folder of its own."""
    folder.mkdir()
    (folder / "schema.graphql").write_text(text, "utf-8")
    command = ["node", str(LINT / "node_modules" / ".bin" / linter), *LINTERS[linter], "schema.graphql"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_finds_nothing_in_the_schema_of_the_bank_and_finds_faults(
    linter: str, tmp_path: Path
) -> None:
    installed(LINT)
    running = {
        "bank": linting(linter, build_schema(bank).as_str(), tmp_path / "bank"),
        "faulty": linting(linter, FAULTY, tmp_path / "faulty"),
    }
    printed = {name: process.communicate(timeout=100)[0] for name, process in running.items()}
    assert running["bank"].returncode == 0, printed["bank"]
    assert running["faulty"].returncode == 1
    assert "require-description" in printed["faulty"] or "types-have-descriptions" in printed["faulty"]
