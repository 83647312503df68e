"""The processes that are measured or measure.

They are told to end when their parent dies, and nothing is ended that was not started here.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import psutil

from commander.dev.embedded import ends_with_parent
from commander.domain import CommanderError

ROOT = Path(__file__).resolve().parents[1]


class MeasurementFailed(CommanderError):
    """A process that was measured, or that measured, ended or was not done in time; with its last lines."""


async def until(
    reached: Callable[[], Awaitable[bool]], timeout_seconds: float, look_seconds: float = 0.05
) -> None:
    """Waits for what can only be asked for. Raises TimeoutError."""
    async with asyncio.timeout(timeout_seconds):
        while not await reached():  # noqa: ASYNC110
            await asyncio.sleep(look_seconds)


class Process:
    """A process that runs until it is stopped, and what it wrote."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    @classmethod
    async def started(
        cls,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        log: Path,
        core: int | None = None,
        folder: Path = ROOT,
    ) -> Process:
        """core: the one it may run on; None for any."""
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *map(str, command),
                env=environment_of(environment),
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=before_it_runs(core),
            )
        return cls(process, log)

    def cpu_seconds(self) -> float:
        """How long it has been on a CPU since its start."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory(self) -> int:
        """What it holds of the machine's memory, in bytes (resident)."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    @property
    def has_ended(self) -> bool:
        return self._process.returncode is not None

    def must_run(self) -> None:
        """Raises MeasurementFailed when it has ended by itself."""
        if self._process.returncode is not None:
            raise MeasurementFailed(f"a process ended by itself:\n{last_lines(self._log.read_bytes())}")

    async def stop(self, timeout_seconds: float = 15) -> None:
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def output_of(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    given: bytes = b"",
    timeout_seconds: float = 300,
    folder: Path = ROOT,
    core: int | None = None,
) -> bytes:
    """What a command prints, run to its end. Raises MeasurementFailed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        env=environment_of(environment or {}),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        preexec_fn=before_it_runs(core),
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            out, err = await process.communicate(given)
    except TimeoutError:
        raise MeasurementFailed(f"{command[0]} was not done in {timeout_seconds} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise MeasurementFailed(f"{command[0]} ended with {process.returncode}:\n{last_lines(err or out)}")
    return out


async def measured_by(module: str, *arguments: str, given: bytes = b"", core: int | None = None) -> bytes:
    """What a module prints when it measures, as a process of its own."""
    return await output_of([sys.executable, "-m", module, *arguments], given=given, core=core)


async def until_it_answers(
    process: Process, url: str, timeout_seconds: float = 30, look_seconds: float = 0.05
) -> None:
    """Waits until a GET of the URL succeeds. Raises MeasurementFailed, TimeoutError."""

    async def answers() -> bool:
        process.must_run()
        return await asyncio.to_thread(_answers, url)

    await until(answers, timeout_seconds, look_seconds)


def before_it_runs(core: int | None) -> Callable[[], None]:
    """What a child does first: it will end with its parent, and stay on its core."""
    arrange = ends_with_parent()

    def run() -> None:
        if arrange is not None:
            arrange()
        if core is not None:
            os.sched_setaffinity(0, {core})

    return run


def environment_of(given: Mapping[str, str]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("COMMANDER_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **given}


def _answers(url: str) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=2):
            return True
    except OSError:
        return False


def last_lines(written: bytes) -> str:
    return "\n".join(written.decode("utf-8", "replace").splitlines()[-12:])
