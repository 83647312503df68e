"""What `commander client typescript` writes: documents that the API takes, and types for them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from uuid import UUID

import graphql
import pytest
from typer.testing import CliRunner

from commander import BigInt, Domain
from commander.cli.client import app
from commander.domain.errors import CommanderError
from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.execution.limits import excess_of, excess_of_tokens
from commander.schema.typescript.files import typescript_files

shop = Domain("shop")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Size:
    width: BigInt
    note: str | None


@shop.event
@dataclass(frozen=True)
class Cut:
    cloth_id: UUID
    sizes: tuple[Size, ...]


@shop.command
@dataclass(frozen=True)
class CutCloth:
    """Cut it. */ Not the comment."""

    cloth_id: UUID
    sizes: tuple[Size, ...]
    colour: Colour = Colour.RED


@shop.aggregate(key="cloth_id")
@dataclass(frozen=True)
class Cloth:
    pieces: int = 0

    def cut_cloth(self, command: CutCloth) -> Cut:
        return Cut(command.cloth_id, command.sizes)

    def cut(self, event: Cut) -> Cloth:
        return replace(self, pieces=self.pieces + len(event.sizes))


@shop.projection("cloth", key="cloth_id")
@dataclass(frozen=True)
class ClothRow:
    cloth_id: UUID
    sizes: tuple[Size, ...]

    @classmethod
    def cut(cls, event: Cut) -> ClothRow:
        return cls(event.cloth_id, event.sizes)


def files_of(domain: Domain) -> dict[str, str]:
    return dict(typescript_files(domain, build_schema(domain).as_str()))


def documents_of(files: dict[str, str]) -> list[str]:
    found = re.findall(
        r'(?:\w+|document): ("(?:query|mutation|subscription) .*?[^\\]")', files["operations.ts"]
    )
    return [json.loads(text) for text in found]


@pytest.mark.parametrize("domain", [bank, shop], ids=lambda domain: domain.name)
def test_the_api_takes_each_document_within_its_limits(domain: Domain) -> None:
    schema = graphql.build_schema(build_schema(domain).as_str())
    documents = documents_of(files_of(domain))
    public = [command for command in domain.commands.values() if not command.internal]
    assert len(documents) == 1 + len(public) + 4 * len(domain.projections)
    for document in documents:
        tree = graphql.parse(document)
        assert graphql.validate(schema, tree) == []
        assert excess_of_tokens(tree) is None
        assert excess_of(tree) is None


def test_value_objects_lists_enums_and_whole_numbers_keep_their_shape() -> None:
    types = files_of(shop)["types.ts"]
    assert "  sizes: readonly ({ width: BigInt; note: string | null })[];" in types
    assert 'export type Colour = "RED" | "BLUE";' in types
    assert "export type BigInt = string;" in types
    assert "  colour?: Colour" in types
    assert "*\u200b/ Not the comment" in types


def test_a_codec_says_where_its_scalar_is_in_requests_and_answers() -> None:
    files = dict(typescript_files(shop, build_schema(shop).as_str(), ["BigInt=../codecs.js"]))
    assert 'export type BigInt = ReturnType<(typeof BigIntCodec)["decode"]>;' in files["types.ts"]
    operations = files["operations.ts"]
    assert 'import { BigInt } from "../codecs.js";' in operations
    places = dict(re.findall(r'      "([\w ]+)": (\{ .* \}),', operations))
    assert places["Mutation cutCloth"] == '{ input: "CutClothInput" }'
    assert places["CutClothInput"] == '{ sizes: "SizeInput" }'
    assert places["SizeInput"] == places["Size"] == '{ width: "BigInt" }'
    assert all('sizes: "Size"' in places[one] for one in ("Cut", "Cloth"))
    assert 'events: "Event"' in places["CommandApplied"]
    assert "CommandRejected" not in places
    assert "coding" not in files_of(shop)["operations.ts"]


@pytest.mark.parametrize("text", ["Money=../codecs.js", "Decimal", "Int=../codecs.js"])
def test_a_codec_of_what_is_no_scalar_of_the_schema_is_an_error_that_lists_them(text: str) -> None:
    with pytest.raises(CommanderError, match=rf"--codec {text}: .*the scalars are BigInt, DateTime, JSON"):
        typescript_files(shop, build_schema(shop).as_str(), [text])


def test_the_files_are_written_once_and_a_check_says_which_are_old(tmp_path: Path) -> None:
    out, run = tmp_path / "src" / "commander", CliRunner().invoke
    assert run(app, ["typescript", "--out", str(out), "--check"]).exit_code == 1
    assert not out.exists()
    assert run(app, ["typescript", "--out", str(out)]).exit_code == 0
    assert {path.name: path.read_text("utf-8") for path in out.iterdir()} == files_of(bank)
    assert run(app, ["typescript", "--out", str(out), "--check"]).exit_code == 0
    (out / "caches.ts").write_text("")
    old = run(app, ["typescript", "--out", str(out), "--check"])
    assert (old.exit_code, "caches.ts" in old.stdout, "index.ts" in old.stdout) == (1, True, False)
