"""Each system has a data directory of its own, and `commander dev` uses no other system's."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from commander.dev.data_dir import DataOfAnotherSystem, default_data_dir, settle_owner, sole_use
from commander.dev.embedded import EmbeddedPostgres
from tests.clusters import Clusters
from tests.commander.conftest import Run

SHOP = """
from uuid import UUID
from commander import Domain

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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with the domain shop in it."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def of_before(directory: Path) -> Path:
    """The directory as an earlier version has left it: data without a record of whose it is."""
    directory.mkdir(exist_ok=True)
    (directory / "lock").touch()
    return directory


def test_each_system_has_its_own_directory(here: Path) -> None:
    for system in ("bank", "lock", "postgres"):
        with sole_use(default_data_dir(system), system):
            pass
    assert default_data_dir("shop") == Path(".commander/shop")


async def test_a_directory_of_before_stays_that_of_its_system(here: Path) -> None:
    old = of_before(Path(".commander"))
    assert default_data_dir("bank") == default_data_dir("shop") == old
    await settle_owner(old, "bank", None)
    assert default_data_dir("bank") == old
    assert default_data_dir("shop") == old / "shop"


def test_dev_on_the_data_of_another_system_says_what_to_do_and_starts_nothing(
    commander: Run, here: Path
) -> None:
    (of_before(here / "data") / "system").write_text("bank\n")
    ended = commander("dev", "shop:shop", "--port", "0", "--data-dir", "data")
    assert ended.stderr == (
        "commander: data has the data of the system bank, and this is the system shop (COMMANDER_SYSTEM, by "
        "default the domain's name); choose another with --data-dir, or leave --data-dir out to use "
        ".commander/shop\n"
    )
    assert ended.returncode == 1
    assert sorted(path.name for path in (here / "data").iterdir()) == ["lock", "system"]
    ended = commander("dev", "shop:shop", "--port", "0", "--data-dir", "data", COMMANDER_SYSTEM="Bank")
    assert "this is the system Bank" in ended.stderr


async def test_the_database_says_whose_the_data_of_before_is(database_url: str, here: Path) -> None:
    old = of_before(Path(".commander"))
    record = old / "system"
    await execute(database_url, "update system_identity set name = ''")  # older than names
    await settle_owner(old, "shop", database_url)
    assert not record.exists()
    await execute(database_url, "update system_identity set name = 'bank'")
    with pytest.raises(DataOfAnotherSystem, match=r"the system bank, and this is the system shop"):
        await settle_owner(old, "shop", database_url)
    assert (record.read_text(), default_data_dir("shop")) == ("bank\n", old / "shop")
    await settle_owner(old, "bank", database_url)


async def execute(url: str, script: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(script)
    await connection.close()


def said_until_ready(domain: str) -> list[str]:
    """The lines of `commander dev`, which is stopped as soon as it is ready."""
    with subprocess.Popen(
        [sys.executable, "-m", "commander", "dev", domain, "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if line == "Ctrl-C stops it.\n":
                process.send_signal(signal.SIGINT)
    assert process.returncode == 0, said
    return said


async def test_dev_leaves_the_data_of_another_system_and_makes_its_own(
    clusters: Clusters, here: Path
) -> None:
    clusters.copy("of-before").rename(here / ".commander")
    postgres = EmbeddedPostgres(here / ".commander")
    await postgres.start()
    await execute(postgres.url, "create table system_identity as select 'bank' as name")
    await postgres.stop()

    said = await asyncio.to_thread(said_until_ready, "shop:shop")
    assert f"  data                  {here}/.commander/shop\n" in said
    assert "  in another terminal   source .commander/shop/environment\n" in said
    assert not [line for line in said if "ERROR" in line or "belongs to" in line]
    assert (here / ".commander" / "system").read_text() == "bank\n"
    assert not (here / ".commander" / "environment").exists()
