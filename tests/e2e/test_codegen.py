"""Our types for TypeScript are those that GraphQL Code Generator makes for the same operations."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from graphql import build_schema, get_named_type

from commander.domain import Domain
from commander.examples.bank import bank
from commander.schema import build
from commander.schema.names import capitalized
from commander.schema.typescript.files import typescript_files
from commander.schema.typescript.operations import Operations
from tests.e2e.nodejs import installed

PACKAGE = Path(__file__).with_name("codegen")
BEGIN = """import type * as ours from "./types";
import type * as theirs from "./codegen";

type Agree<A, B> = [A] extends [B] ? ([B] extends [A] ? true : "theirs is wider") : "ours is wider";
declare function agree<A, B>(agrees: Agree<A, B>): void;

"""
STRICT = ["--noEmit", "--strict", "--skipLibCheck"]
MODULES = ["--module", "esnext", "--moduleResolution", "bundler", "--target", "es2022"]


def documents(operations: Operations) -> Iterator[tuple[str, str]]:
    """(name, document) of each operation."""
    yield "Feed", operations.feed()
    yield from ((capitalized(name), operations.command(name)) for name in operations.commands)
    for rows in operations.rows:
        yield from ((f"Read{capitalized(name)}", text) for name, text in operations.queries(rows))
        yield from ((f"Live{capitalized(name)}", text) for name, text in operations.live(rows))


def pairs(operations: Operations) -> Iterator[tuple[str, str]]:
    """The types that must agree: of what each operation takes and gives."""
    yield "FeedItem", 'FeedSubscription["events"]'
    yield "EventFilter", 'FeedSubscriptionVariables["filter"]'
    for name, field in operations.commands.items():
        made = f"{capitalized(name)}Mutation"
        yield get_named_type(field.type).name, f'{made}["{name}"]'
        yield get_named_type(field.args["input"].type).name, f'{made}Variables["input"]'
        yield "CommandOptions", f'{made}Variables["options"]'
    for rows in operations.rows:
        one, many, row = capitalized(rows.one), capitalized(rows.many), rows.type.name
        yield row, f'Read{one}Query["{rows.one}"]'
        yield row, f'Read{many}Query["{rows.many}"]["edges"][number]["node"]'
        yield f"{row}Where", f'Read{many}QueryVariables["where"]'
        yield row, f'Live{one}Subscription["{rows.one}"]["row"]'
        yield row, f'Live{many}Subscription["{rows.many}"]["changes"][number]["row"]'
        yield f"{row}Where", f'Live{many}SubscriptionVariables["where"]'


def compared(folder: Path, domain: Domain) -> Iterator[str]:
    """Writes the types of both into the folder. The lines of the program that compares them."""
    sdl = build.build_schema(domain).as_str()
    operations = Operations(domain, build_schema(sdl))
    (folder / "schema.graphql").write_text(sdl, "utf-8")
    (folder / "types.ts").write_text(typescript_files(domain, sdl)["types.ts"], "utf-8")
    (folder / "documents.json").write_text(json.dumps(dict(documents(operations))), "utf-8")
    files = [folder / name for name in ("schema.graphql", "documents.json", "codegen.ts")]
    ran("node", PACKAGE / "generate.js", *files)
    for of_ours, of_theirs in pairs(operations):
        yield f"agree<ours.{of_ours}, NonNullable<theirs.{of_theirs}>>(true);"


def ran(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_our_types_and_those_of_graphql_codegen_are_the_same(tmp_path: Path) -> None:
    installed(PACKAGE)
    (tmp_path / "node_modules").symlink_to(PACKAGE / "node_modules")
    lines = list(compared(tmp_path, bank))
    (tmp_path / "agree.ts").write_text(BEGIN + "\n".join(lines), "utf-8")
    ran("node_modules/.bin/tsc", *STRICT, *MODULES, tmp_path / "agree.ts")
    assert len(lines) > 20
