"""Forks of Commander are processes as the tests need them; see tests/forking.py."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.clusters import Clusters
from tests.e2e.bank import opened
from tests.e2e.parts import Part, Parts
from tests.faults.waiting import until
from tests.forking import fork_server
from tests.system import PARTS, System

NO_SERVERS = ("postgresql://nobody@127.0.0.1:9/x", "nats://127.0.0.1:9")


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Part]:
    """A fork that looks for its servers."""
    with Parts(*NO_SERVERS, tmp_path) as parts:
        yield parts.start("relay", ready=False)[0]


def test_a_fork_is_told_what_it_runs_with(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import os\nraise SystemExit(f'{os.environ} in {os.getcwd()}')")
    ended = fork_server().run(["schema", "own:own"], {"ALONE": "yes"}, tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"environ({{'ALONE': 'yes'}}) in {tmp_path}\n"


async def test_a_fork_can_be_stopped_and_killed_and_says_how_it_ended(relay: Part) -> None:
    fork = relay.process.process
    process = psutil.Process(fork.pid)
    assert os.getsid(fork.pid) == fork.pid, "a session of its own, as a started process has"
    fork.send_signal(signal.SIGSTOP)
    await until(lambda: process.status() == psutil.STATUS_STOPPED, "it is stopped")
    assert fork.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        fork.wait(timeout=0.01)
    fork.kill()
    assert fork.wait(timeout=10) == -signal.SIGKILL == fork.returncode
    assert not process.is_running(), "it is not left as a zombie"


def test_a_fork_that_is_told_to_end_ends_with_0(relay: Part) -> None:
    relay.end()


def test_what_is_forked_has_no_thread_no_connection_and_no_library_that_is_hidden(relay: Part) -> None:
    parent = psutil.Process(relay.process.process.pid).parent()
    assert parent is not None
    assert (parent.num_threads(), parent.net_connections("inet")) == (1, [])
    mapped = " ".join(region.path for region in parent.memory_maps())
    assert "/asyncpg/" in mapped, "what is looked for can be found"
    assert "/aiohttp/" not in mapped


async def test_the_parts_of_a_forked_tree_are_forks_with_their_own_environment_and_end_with_it(
    clusters: Clusters,
) -> None:
    with System(clusters.copy("forked"), OWN="yes") as system:
        opened(system)
        tree = psutil.Process(system.process.pid)
        parts = {name: system.find(name) for name in PARTS}
        assert {process.parent() for process in parts.values()} == {tree}
        assert {os.getsid(process.pid) for process in parts.values()} == {p.pid for p in parts.values()}
        ports = {system.environment_of(name)["COMMANDER_HEALTH_PORT"] for name in PARTS}
        assert len(ports) == len(PARTS)
        assert parts["relay"].cmdline() == tree.cmdline(), "it was not executed"
        system.kill("relay")

        def another_runs() -> bool:
            try:
                return system.find("relay").pid != parts["relay"].pid
            except LookupError:
                return False

        await until(another_runs, "the relay is started again")
        everything = [*system.descendants(), tree]
        system.process.kill()
        system.process.wait(10)
        gone, alive = psutil.wait_procs(everything, timeout=20)
        assert (len(gone), alive) == (len(everything), [])
