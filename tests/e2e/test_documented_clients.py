"""The code of docs/clients.md: each client watches a balance, deposits, and follows the feed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import graphql
import pytest

from commander.examples.bank import bank
from commander.schema.build import build_schema
from commander.schema.typescript.files import typescript_files
from tests.e2e.bank import apply, opened
from tests.e2e.nodejs import PACKAGE, installed, script
from tests.e2e.proxy import Proxy
from tests.e2e.python_client import bank_package
from tests.e2e.relay import compiled
from tests.system import System

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
ADDRESS = "http://localhost:8000/graphql"
SECONDS = 20


def code_of(title: str, url: str) -> str:
    """The block of the page with this title, for a bank at this URL."""
    found = re.search(
        rf'^```\w+ title="{re.escape(title)}"\n(.*?)^```$', PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found is not None, title
    return found[1].replace(ADDRESS, url)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the blocks are written, with the files of `commander client typescript` and npm's packages."""
    installed()
    made = tmp_path_factory.mktemp("documented")
    (made / "node_modules").symlink_to(PACKAGE / "node_modules")
    (made / "package.json").write_text('{ "type": "module" }')
    write_commander(made / "commander")
    return made


def write_commander(folder: Path) -> None:
    sdl = build_schema(bank).as_str()
    files = typescript_files(bank, sdl)
    folder.mkdir()
    (folder / "schema.graphql").write_text(files["schema.graphql"])
    (folder / "schema.json").write_text(
        json.dumps(graphql.introspection_from_schema(graphql.build_schema(sdl)))
    )
    types = r"^type .*\n|: Record<[^=]*>|: string(?=\))|: Key(?= =>)"
    plain = re.sub(types, "", files["caches.ts"], flags=re.MULTILINE)  # what a compiler does to it
    (folder / "caches.js").write_text(plain)


def write_block(folder: Path, name: str, url: str) -> Path:
    """The block as a module. Relay's documents are compiled."""
    (folder / "documents.js").write_text(code_of("documents.js", url))
    path = folder / f"{name}.js"
    path.write_text(code_of(f"{name}.js", url))
    return compiled(folder, name, "commander/schema.graphql") if name == "relay" else path


class Shown:
    """What a process of documented.js prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.lines: list[dict[str, Any]] = []
        self._process = process
        self._changed = asyncio.Event()

    def all(self, kind: str) -> list[Any]:
        return [line[kind] for line in self.lines if kind in line]

    async def do(self, *what: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(what)}\n".encode())
        await self._process.stdin.drain()

    async def read(self) -> None:
        assert self._process.stdout is not None
        async for text in self._process.stdout:
            self.lines.append(json.loads(text))
            self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not in {SECONDS} s: {self.lines[-5:]}") from None


@asynccontextmanager
async def shown(path: Path) -> AsyncIterator[Shown]:
    async with script("documented.js", str(path)) as process:
        running = Shown(process)
        reading = asyncio.create_task(running.read())
        try:
            yield running
        finally:
            reading.cancel()


@pytest.mark.parametrize("name", ["apollo", "urql", "relay"])
async def test_a_javascript_client_of_the_docs(system: System, folder: Path, name: str) -> None:
    account = await asyncio.to_thread(opened, system)
    first = await asyncio.to_thread(deposited, system, account)
    async with Proxy(system.port) as proxy:
        path = await asyncio.to_thread(write_block, folder, name, f"http://127.0.0.1:{proxy.port}/graphql")
        async with shown(path) as client:

            def amounts() -> list[int]:
                return [
                    int(item["position"]) for item in client.all("item") if item.get("accountId") == account
                ]

            await client.do("watch", account)
            await client.until(lambda: client.all("balance") == ["1.00"])
            await client.do("deposit", account, "2.00")
            await client.until(lambda: client.all("balance")[-1] == "3.00")
            await client.do("follow", str(first - 1))
            await client.until(lambda: len(amounts()) == 2)
            proxy.cut()
            await asyncio.to_thread(deposited, system, account)
            proxy.mend()
            await client.until(lambda: len(amounts()) == 3)
        assert client.all("warning") == []
        assert len(client.all("deposited")) == 1
        positions = [int(item["position"]) for item in client.all("item")]
        assert positions == sorted(positions)
        assert len(set(amounts())) == 3


def deposited(system: System, account: str) -> int:
    """The position of a deposit."""
    return int(apply(system, "deposit", {"accountId": account, "amount": "1.00"})["position"])


async def test_gql_of_the_docs(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await asyncio.to_thread(opened, system)
    first = await asyncio.to_thread(deposited, system, account)
    write_commander(tmp_path / "commander")
    monkeypatch.chdir(tmp_path)
    async with Proxy(system.port) as proxy, asyncio.timeout(SECONDS):
        code = code_of("with_gql.py", f"http://127.0.0.1:{proxy.port}/graphql")
        found: dict[str, Any] = {}
        exec(compile(code, "with_gql.py", "exec"), found)
        outcome = await found["deposit"](UUID(account), Decimal("2.00"))
        assert outcome["account"]["balance"] == Decimal("3.00")
        async with aclosing(found["follow"](first - 1)) as items:

            async def deposit() -> int:
                while (item := await anext(items)).get("accountId") != UUID(account):
                    pass
                position: int = item["position"]
                return position

            seen = [await deposit(), await deposit()]
            proxy.cut()
            await asyncio.to_thread(deposited, system, account)
            proxy.mend()
            seen.append(await deposit())
    assert seen[0] == first
    assert sorted(set(seen)) == seen


async def test_our_client_in_python_of_the_docs(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    bank_package()  # it can be imported now
    found: dict[str, Any] = {}
    exec(compile(code_of("bank_page.py", ""), "bank_page.py", "exec"), found)
    owner = f"Reader {uuid4()}"
    account = await asyncio.to_thread(opened, system, owner=owner, balance="1.00")
    said = await found["pay_in"](system.url, UUID(account), Decimal("2.00"))
    assert re.fullmatch(r"3\.00 at \d+", said)
    assert await found["pay_in"](system.url, uuid4(), Decimal("2.00")) == "CommandRejected"
    assert await found["pay_in"](system.url, UUID(account), Decimal(-1))
    for following, said in (
        (found["deposits"](system.url, 0), "the history is over"),
        (found["balances"](system.url, owner), "3.00"),
    ):
        task = asyncio.create_task(following)
        printed = ""
        async with asyncio.timeout(SECONDS):
            while said not in (printed := printed + capsys.readouterr().out):
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
