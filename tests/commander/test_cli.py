"""The command line: what it prints, and that what a person can mend is one line and no traceback.

The fixture `installed` starts it as a user does, for one test of each way in. The others fork.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from graphql import build_schema

from commander.examples.bank import bank
from commander.schema import build
from tests.commander.conftest import Run

SHOP = """
from uuid import UUID
from commander import Domain

shop = Domain("shop")

@shop.command
class Sell:
    item_id: UUID

@shop.event
class Sold:
    item_id: UUID
"""


@pytest.fixture
def installed(tmp_path: Path) -> Run:
    """The script `commander`; otherwise as the fixture `commander`."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("commander")), *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


FOR_EVERY_DOMAIN = (
    *("submit", "cancelCommand", "retryDeadLetter", "dropDeadLetter"),
    *("retryEffect", "dropEffect", "retryReaction", "skipReaction"),
    *("rebuildProjection", "switchProjection", "rollBackProjection", "dropProjectionTable"),
)


def test_schema_prints_the_schema_with_each_mutation_and_nothing_internal(installed: Run) -> None:
    ended = installed("schema")
    assert (ended.returncode, ended.stderr) == (0, "")
    schema = build_schema(ended.stdout)
    assert schema.mutation_type is not None
    mutations = {name[0].lower() + name[1:] for name, type_ in bank.commands.items() if not type_.internal}
    assert set(schema.mutation_type.fields) == mutations | set(FOR_EVERY_DOMAIN)
    assert "withdraw" in mutations
    for name, type_ in bank.commands.items():
        assert (f"{name}Input" in schema.type_map) is not type_.internal
        assert not (type_.internal and re.search(rf"\b{name}\b", ended.stdout, re.IGNORECASE))
    assert set(bank.events) <= set(schema.type_map)


def test_schema_prints_that_of_a_subgraph_and_no_client_is_written_for_one(
    commander: Run, tmp_path: Path
) -> None:
    ended = commander("schema", COMMANDER_FEDERATION="subgraph")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{build.build_schema(bank, subgraph=True).sdl}\n"
    refused = commander(
        "client", "typescript", "--out", str(tmp_path / "out"), COMMANDER_FEDERATION="subgraph"
    )
    assert one_line(refused.stderr).startswith(
        "COMMANDER_FEDERATION='subgraph': the client is for an API that"
    )
    assert (refused.returncode, (tmp_path / "out").exists()) == (1, False)


def one_line(text: str) -> str:
    assert text.startswith("commander: ")
    assert text.count("\n") == 1, text
    return text.removeprefix("commander: ").rstrip("\n")


@pytest.mark.parametrize("part", ["schema", "dev", "processor"])
def test_an_unknown_domain_is_one_line(installed: Run, tmp_path: Path, part: str) -> None:
    urls = {"COMMANDER_POSTGRES_URL": "postgresql://db/bank", "COMMANDER_NATS_URL": "nats://nats"}
    ended = installed(part, "nowhere:shop", **urls)
    assert one_line(ended.stderr) == f"there is no module nowhere; {tmp_path} was searched too"
    assert (ended.returncode, ended.stdout) == (1, "")


def test_a_mistake_in_a_domain_is_one_line_that_names_the_place(commander: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    for part in ("schema", "dev"):
        ended = commander(part, "shop:shop")
        assert one_line(ended.stderr) == f"{tmp_path / 'shop.py'}:7: no aggregate decides the command Sell"
        assert ended.returncode == 1


@pytest.mark.parametrize("is_there", [False, True], ids=["new data", "data from before"])
def test_a_name_of_the_api_s_own_is_told_and_leaves_the_data_as_it_was(
    commander: Run, tmp_path: Path, is_there: bool
) -> None:
    data_dir = tmp_path / ".commander"
    if is_there:
        (data_dir / "of-before").mkdir(parents=True)
        (data_dir / "lock").touch()
    aggregate = """
@shop.event
class Command:
    item_id: UUID

@shop.aggregate(key="item_id")
class Item:
    def sell(self, command: Sell) -> None: ...
    def sold(self, event: Sold) -> "Item": ...
    def command(self, event: Command) -> "Item": ...
"""
    (tmp_path / "shop.py").write_text(SHOP + aggregate)
    ended = commander("dev", "shop:shop", "--port", "0")
    assert one_line(ended.stderr).startswith(f"{tmp_path / 'shop.py'}:15: Type Command is defined multiple")
    assert ended.returncode == 1
    assert (data_dir / "of-before").exists() is data_dir.exists() is is_there


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "COMMANDER_POSTGRES_URL"),
        ({"COMMANDER_POSTGRES_URL": "postgresql://db/bank"}, "COMMANDER_NATS_URL"),
    ],
)
def test_a_part_without_its_servers_names_the_variable(
    commander: Run, given: dict[str, str], missing: str
) -> None:
    ended = commander("api", **given)
    assert one_line(ended.stderr) == f"{missing} is not set (commander dev starts its own)"
    assert ended.returncode == 2


def test_a_wrong_setting_is_one_line(installed: Run) -> None:
    ended = installed("dev", COMMANDER_PORT="many", COMMANDER_POSTGRES_URL="mysql://ada:s3cret@db/bank")
    line = one_line(ended.stderr)
    assert "COMMANDER_PORT='many'" in line
    assert "COMMANDER_POSTGRES_URL='mysql://db/bank'" in line
    assert ended.returncode == 1


def test_dev_on_a_port_in_use_says_so_and_starts_nothing(commander: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ended = commander("dev", "--port", str(port))
    assert (
        one_line(ended.stderr)
        == f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another port with --port"
    )
    assert (ended.returncode, list(tmp_path.iterdir())) == (1, [])


@pytest.mark.skipif(
    not has_ipv6(),
    reason="NOT RUN: no IPv6 here (containers often have none): no port can be in use",
)
@pytest.mark.parametrize("host", ["::1", "::"])
def test_dev_on_a_port_in_use_on_ipv6_says_so(commander: Run, host: str) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        ended = commander("dev", "--port", str(port), COMMANDER_HOST=host)
    assert (
        one_line(ended.stderr)
        == f"cannot listen on {host}:{port}: Address already in use; choose another port with --port"
    )


def test_dev_on_an_address_that_is_not_this_machine_s_says_so(commander: Run) -> None:
    ended = commander("dev", "--port", "8000", COMMANDER_HOST="no.such.host.invalid")
    assert one_line(ended.stderr).startswith("cannot listen on no.such.host.invalid:8000: ")


def test_dev_on_data_in_use_says_so_and_starts_nothing(commander: Run, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    with (data_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = commander("dev", "--port", "0", "--data-dir", str(data_dir))
    assert (
        one_line(ended.stderr)
        == f"another commander dev uses {data_dir}; stop it, or choose another with --data-dir"
    )
    assert (ended.returncode, [path.name for path in data_dir.iterdir()]) == (1, ["lock"])


@pytest.mark.parametrize(
    ("data_dir", "problem"),
    [
        ("file", "cannot use the data directory file: File exists; choose another with --data-dir"),
        ("file/data", "cannot use the data directory file/data: Not a directory; choose another with"),
        ("/proc/data", "cannot use the data directory /proc/data: No such file or directory; choose another"),
        ("foreign", "foreign has files of something else in it; choose a new or an empty directory with"),
        ("a\nline", r"the data directory 'a\nline' has a control character; choose another with --data-dir"),
    ],
)
def test_a_data_directory_that_cannot_be_used_is_one_line(
    commander: Run, tmp_path: Path, data_dir: str, problem: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes").touch()
    ended = commander("dev", "--port", "0", "--data-dir", data_dir)
    assert one_line(ended.stderr).startswith(problem)
    assert ended.returncode == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "foreign", "notes"]


def test_what_initdb_says_is_one_line(commander: Run, tmp_path: Path) -> None:
    (tmp_path / ".commander" / "postgres").mkdir(parents=True)
    (tmp_path / ".commander" / "postgres" / "notes").touch()
    (tmp_path / ".commander" / "lock").touch()
    ended = commander("dev", "--port", "0")
    there = tmp_path / ".commander" / "postgres"
    problem = f'initdb: error: directory "{there}" exists but is not empty'
    assert f"commander: postgres cannot make its database in {there}: {problem}\n" in ended.stderr
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/health/ready", "nonsense", "localhost:{port}"])
def test_health_of_nobody_is_one_line(commander: Run, url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = url.format(port=server.getsockname()[1])
    ended = commander("health", "--url", url)
    assert ended.stderr.startswith(f"{url}: ")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
