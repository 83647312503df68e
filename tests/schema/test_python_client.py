"""What `commander client python` writes: a package that type checkers and linters take, and its documents."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import graphql
import pytest
from typer.testing import CliRunner

from commander.cli.client import app
from commander.domain.errors import CommanderError
from commander.domain.unique_rows import unique_rows_of
from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.python.files import python_files
from commander.schema.python.names import attributes, member
from commander.schema.python.runtime.codec import UNSET
from tests.e2e.nodejs import PACKAGE as NPM
from tests.e2e.nodejs import installed
from tests.e2e.python_client import write_files, write_package
from tests.schema.every_shape import shapes

ROOT = Path(__file__).parents[2]
DOMAINS = {"bank_client": bank, "shapes_client": shapes}

MYPY = [
    *(sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11"),
    *("--config-file", "", "--cache-dir", str(ROOT / ".mypy_cache")),
]

USE = """
import math
from decimal import Decimal
from typing import assert_never
from uuid import UUID

from bank_client import Client, LiveRows, connect, models


def said(outcome: models.CommandOutcome) -> str:
    match outcome:
        case models.CommandAccepted(command_id=command_id):
            return str(command_id)
        case models.CommandApplied(version=version, events=events):
            return f"{version + 1} {len(events)}"
        case models.CommandRejected(withdraw_code=models.WithdrawRejectionCode.INSUFFICIENT_FUNDS):
            return "poor"
        case models.CommandConflict() | models.CommandFailed() | models.CommandRejected():
            return outcome.message
        case models.VersionConflict(message=message) | models.CommandForbidden(message=message):
            return message
        case models.CommandInvalid(problems=problems):
            return ", ".join(problem.message for problem in problems)
        case models.CommandPending(stage=stage):
            return stage.lower()
        case models.CommandValid(version=version):
            return str(version)
        case models.UnknownCommandOutcome(position=position):
            return str(position)
        case _:
            assert_never(outcome)


def half(outcome: models.CommandOutcome) -> str:
    match outcome:
        case models.CommandApplied():
            return "applied"
        case _:
            assert_never(outcome)  # type: ignore[arg-type]


async def followed(bank: Client) -> Decimal:
    total = Decimal(0)
    async for item in bank.follow(0, filter=models.EventFilter(types=["MoneyDeposited"])):
        match item:
            case models.MoneyDeposited(amount=amount):
                total += amount
            case models.CaughtUp():
                break
            case _:
                item.amount  # type: ignore[union-attr]  # noqa: B018
    return total


async def sent(account: UUID) -> None:
    async with connect("http://localhost:8000/graphql") as bank:
        deposit = models.DepositInput(account_id=account, amount=Decimal("1.00"))
        await bank.commands.deposit(deposit, wait=models.Wait.PROJECTED, patience_seconds=math.inf)
        models.DepositInput(account_id=account, amount=1.5)  # type: ignore[arg-type]
        models.DepositInput(account_id=account)  # type: ignore[call-arg]
        await bank.commands.deposit(deposit, wait="PROJECTED")  # type: ignore[arg-type]
        await bank.commands.refund(deposit)  # type: ignore[attr-defined]
        row = await bank.read.account(account)
        row.owner  # type: ignore[union-attr]  # noqa: B018
        models.AccountWhere(owner=models.StringCondition(equals="Ada"))  # type: ignore[call-arg]
        await bank.read.account_at(account, models.AsOfVersion(version=1))
        models.AsOfVersion(version=1, position=1)  # type: ignore[call-arg]
        where = models.AccountWhere(owner=models.StringCondition(eq="Ada", in_=["Ada"]))
        async for shown in bank.live.accounts(where=where):
            rows: LiveRows[UUID, models.Account] = shown
            print([row.balance for row in rows.rows.values()])
"""


OWN_MONEY = """
class Money:
    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.text == self.text


class Id(str):
    pass
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clients of both domains, and a program that uses one."""
    folder = tmp_path_factory.mktemp("clients")
    for name, domain in DOMAINS.items():
        write_package(folder / name, domain)
    (folder / "use.py").write_text(USE.lstrip())
    return folder


@pytest.fixture(scope="module")
def shapes_client(packages: Path) -> Iterator[Any]:
    sys.path.insert(0, str(packages))
    for module in ("models", "runtime.codec"):
        importlib.import_module(f"shapes_client.{module}")
    yield importlib.import_module("shapes_client")
    sys.path.remove(str(packages))


def passed(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_mypy_in_strict_mode_takes_the_packages_and_refuses_what_is_wrong(packages: Path) -> None:
    passed(*MYPY, *DOMAINS, "use.py", cwd=packages)


def test_pyright_takes_the_package_and_refuses_what_is_wrong(packages: Path) -> None:
    installed()
    settings = {
        "include": ["bank_client", "use.py"],
        "typeCheckingMode": "standard",
        "pythonVersion": "3.11",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "reportMatchNotExhaustive": "error",
    }
    (packages / "pyrightconfig.json").write_text(json.dumps(settings))
    pyright = str(NPM / "node_modules" / ".bin" / "pyright")
    passed(pyright, "--pythonpath", sys.executable, cwd=packages)


@pytest.mark.parametrize("rules", ["those of this repository", "those of ruff"])
def test_ruff_finds_nothing(packages: Path, rules: str) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    config = ["--config", str(ROOT / "pyproject.toml")] if rules.endswith("repository") else ["--isolated"]
    passed(str(ruff), "check", "--no-cache", *config, *DOMAINS, cwd=packages)


@pytest.mark.parametrize("name", DOMAINS)
def test_the_api_takes_each_document(name: str, packages: Path) -> None:
    schema = graphql.build_schema(build_schema(DOMAINS[name]).as_str())
    found: dict[str, Any] = {}
    exec((packages / name / "operations.py").read_text(), found)
    documents = [
        found["FEED"],
        *(d for kind in ("COMMANDS", "QUERIES", "LIVE") for d in found[kind].values()),
    ]
    projections = DOMAINS[name].projections
    public = [command for command in DOMAINS[name].commands.values() if not command.internal]
    by_keys = sum(len(unique_rows_of(DOMAINS[name], one)) for one in projections.values())
    assert len(documents) == 1 + len(public) + 5 * len(projections) + by_keys
    for document in documents:
        assert graphql.validate(schema, graphql.parse(document)) == []


def test_values_of_every_type_survive_the_way_to_json_and_back(shapes_client: Any) -> None:
    models, codec = shapes_client.models, shapes_client.runtime.codec
    decoder = codec.decoder
    given = models.EverythingInput(
        shape_id=uuid4(),
        count=3,
        large=2**60,
        small=7,
        ratio=0.5,
        exact=Decimal("1.50"),
        at=datetime(2030, 1, 31, 12, tzinfo=UTC),
        on=date(2030, 1, 31),
        until=time(12, 30),
        colour=models.Colour.RED,
        from_=models.PlaceInput(name="A", ids=[1, 2**40], note=None),
        places=[models.PlaceInput(name="B", ids=[], note="x")],
        note=None,
    )
    sent = json.loads(json.dumps(codec.encoded(given)))
    assert (sent["count"], sent["large"], sent["small"]) == (3, str(2**60), "7")
    assert (sent["from_"]["name"], sent["from_"]["ids"]) == ("A", ["1", str(2**40)])
    assert sent["note"] is None
    assert "left" not in sent, "what is not given is not sent"
    read = {
        **sent,
        **{
            "from": sent["from_"],
            "left": "x",
            "version": 1,
            "position": "9",
            "logEpoch": 1,
            "id": "e",
            "stream": "s",
        },
        **{"aggregate": "a", "type": "t", "schemaVersion": 1, "recordedAt": sent["at"]},
        **{"commandId": sent["shapeId"], "correlationId": sent["shapeId"], "causationPosition": None},
    }
    event = decoder(models.Event)({**read, "__typename": "Shaped"})
    assert type(event) is models.Shaped
    for name in ("shape_id", "count", "large", "small", "ratio", "exact", "at", "on", "until", "colour"):
        assert getattr(event, name) == getattr(given, name), name
        assert type(getattr(event, name)) is type(getattr(given, name)), name
    assert event.from_ == models.Place(name="A", ids=(1, 2**40), note=None)
    assert event.places == (models.Place(name="B", ids=(), note="x"),)
    unknown = decoder(models.Event)({**read, "__typename": "MadeLater"})
    assert (type(unknown), unknown.position) == (models.UnknownEvent, 9)
    assert models.Colour("MAUVE") == "MAUVE", "a member that the client does not know"
    with pytest.raises(shapes_client.ClientError, match="Advice"):
        decoder(models.FeedItem)({"__typename": "Advice", "position": "9", "logEpoch": 1})


def test_a_scalar_can_be_a_class_of_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = build_schema(shapes).as_str()
    files = python_files(shapes, schema, ["Decimal=own_money:Money", "UUID=own_money:Id"])
    write_files(tmp_path / "own_client", files)
    (tmp_path / "own_money.py").write_text(OWN_MONEY)
    monkeypatch.syspath_prepend(tmp_path)
    models, money = importlib.import_module("own_client.models"), importlib.import_module("own_money")
    codec = sys.modules["own_client.runtime.codec"]
    place: dict[str, Any] = {"name": "A", "ids": [], "note": None}
    row = {
        "shapeId": str(uuid4()),
        "colour": "RED",
        "from": place,
        "large": "1",
        "exact": "1.50",
        "prices": ["2"],
    }
    read = codec.decoder(models.Shape)({**row, "from_": place})
    assert (read.exact, read.prices) == (money.Money("1.50"), (money.Money("2"),))
    assert isinstance(read.shape_id, money.Id)
    where = models.DecimalCondition(eq=read.exact, in_=[read.exact])
    assert codec.encoded(where) == {"eq": "1.50", "in": ["1.50"]}
    passed(*MYPY, "own_client", cwd=tmp_path)
    for wrong in ("Money=own_money:Money", "Decimal=own_money", "Decimal=own money:Money"):
        with pytest.raises(CommanderError, match="SCALAR=MODULE:CLASS; the scalars are BigInt, Date,"):
            python_files(shapes, schema, [wrong])


def test_names_that_python_cannot_have_get_a_line_and_no_two_are_equal() -> None:
    assert attributes(["accountId", "in", "str", "fooBar", "foo_bar", "isURL"]) == {
        "accountId": "account_id",
        "in": "in_",
        "str": "str_",
        "fooBar": "foo_bar",
        "foo_bar": "foo_bar_",
        "isURL": "is_url",
    }
    assert [member(name) for name in ("RED", "None", "title", "mro")] == ["RED", "None_", "title_", "mro_"]
    assert repr(UNSET) == "UNSET"


def test_the_package_is_written_once_and_a_check_says_which_files_are_old(tmp_path: Path) -> None:
    out, run = tmp_path / "src" / "bank_client", CliRunner().invoke
    assert run(app, ["python", "--out", str(out), "--check"]).exit_code == 1
    assert not out.exists()
    assert run(app, ["python", "--out", str(out)]).exit_code == 0
    files = python_files(bank, build_schema(bank).as_str())
    written = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert written == set(files)
    assert run(app, ["python", "--out", str(out), "--check"]).exit_code == 0
    (out / "runtime" / "feed.py").write_text("")
    old = run(app, ["python", "--out", str(out), "--check"])
    assert (old.exit_code, "runtime/feed.py" in old.stdout, "models.py" in old.stdout) == (1, True, False)
    assert run(app, ["python", "--out", str(tmp_path / "bank-client")]).exit_code == 1


def test_the_package_needs_httpx_alone(packages: Path) -> None:
    """Neither Commander, nor websockets unless its transport is imported."""
    program = (
        "import sys; sys.modules |= dict.fromkeys(['commander', 'websockets', 'graphql', 'strawberry']);"
        "import bank_client, bank_client.models"
    )
    passed(sys.executable, "-c", program, cwd=packages)
    shutil.rmtree(packages / "bank_client" / "__pycache__", ignore_errors=True)
