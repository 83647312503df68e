"""`make load`, or `python -m bench.whole`: a run, shown while it goes on, and its report."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from bench.measuring import machine
from bench.processes import ROOT
from bench.whole.figures import gaps_of, outcomes_of, step_of
from bench.whole.page import write
from bench.whole.picture import shown
from bench.whole.plan import Plan, kill_of
from bench.whole.results import Result, settings_of
from bench.whole.sampling import Sampling
from bench.whole.stages import Run, run_on
from bench.whole.system import System, system
from bench.whole.timeline import Timeline
from commander.domain import CommanderError

_STEPS = "50,75,100,150,200,300,400,500,600,800,1000,1200,1500,2000,3000"


def main(
    rate: Annotated[float, typer.Option(min=1, help="Mutations per second of the steady load.")] = 100,
    duration: Annotated[float, typer.Option(min=1, help="Seconds of the steady load.")] = 40,
    clients: Annotated[int, typer.Option(min=1, help="Connections of users.")] = 256,
    watchers: Annotated[int, typer.Option(min=0, help="Subscribers of all events.")] = 10,
    apis: Annotated[int, typer.Option(min=1, help="Processes of the part api.")] = 1,
    processors: Annotated[int, typer.Option(min=1, help="Processes of the part processor.")] = 2,
    accounts: Annotated[int, typer.Option(min=2, help="Accounts between which money moves.")] = 500,
    kill: Annotated[
        list[str] | None, typer.Option(help="kill -9 of a part during the steady load: processor@20s.")
    ] = None,
    restart: Annotated[float, typer.Option(min=0, help="Seconds until a killed part is started again.")] = 5,
    steps: Annotated[str, typer.Option(help="Rates up to saturation; none: ''.")] = _STEPS,
    fans: Annotated[str, typer.Option(help="Numbers of watchers to compare; none: ''.")] = "1,10,30,100",
    step_seconds: Annotated[float, typer.Option(min=1, help="For how long each of these.")] = 8,
    postgres: Annotated[
        str | None, typer.Option(help="URL of an empty database. Default: a new Postgres.")
    ] = None,
    nats: Annotated[str | None, typer.Option(help="URL of a NATS. Default: a new one.")] = None,
    out: Annotated[Path, typer.Option(help="The folder of the report.")] = Path("load"),
) -> None:
    """Put the whole system under load through GraphQL, show it, and write a report with pictures."""
    console = Console(highlight=False)
    try:
        plan = Plan(
            rate=rate,
            seconds=duration,
            clients=clients,
            watchers=watchers,
            apis=apis,
            processors=processors,
            accounts=accounts,
            steps=tuple(map(float, _listed(steps))),
            fans=tuple(map(int, _listed(fans))),
            step_seconds=step_seconds,
            kills=tuple(kill_of(text) for text in kill or ()),
            restart_seconds=restart,
        )
        result, timeline = asyncio.run(_run(plan, postgres, nats, console))
    except CommanderError as error:
        print(f"load: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("load: interrupted; nothing was written: run it again", file=sys.stderr)
        raise SystemExit(130) from None
    for file in write(out, result, timeline):
        console.print(str(file), soft_wrap=True)


def _listed(text: str) -> list[str]:
    """The numbers of a list with commas. Raises BadParameter."""
    listed = [one.strip() for one in text.split(",") if one.strip()]
    if wrong := [one for one in listed if not one.isdecimal() or int(one) < 1]:
        raise typer.BadParameter(f"{', '.join(wrong)}: give whole numbers from 1 on, such as 50,100")
    return listed


async def _run(
    plan: Plan, postgres: str | None, nats: str | None, console: Console
) -> tuple[Result, Timeline]:
    timeline = Timeline()
    async with shown(timeline, console), system(plan, postgres, nats) as made:
        sampling = Sampling(made, timeline)
        task = asyncio.create_task(sampling.run())
        try:
            run = run_on(plan, made, timeline, sampling)
            result = await _measured(run, await _machine(made))
        finally:
            task.cancel()
    return result, timeline


async def _measured(run: Run, environment: dict[str, str]) -> Result:
    plan, timeline = run.plan, run.timeline
    await run.open_accounts()
    steps = await run.saturate()
    fans = await run.fan_out()
    begin, end = await run.hold()
    timeline.mark("stage", "commander verify")
    promises = _promises(await run.system.verified())
    due = timeline.answers_due(begin, end)
    return Result(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=environment,
        settings=settings_of(plan),
        outcomes=outcomes_of(timeline.answers),
        steps=steps,
        fans=fans,
        gaps=gaps_of(timeline),
        steady=(begin - timeline.began, end - timeline.began),
        steady_step=step_of(due, plan.rate, plan.seconds),
        promises=promises,
    )


def _promises(lines: bytes) -> dict[str, bool | None]:
    """What each check of `commander verify --json` says."""
    found: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines.splitlines()]
    return {one["promise"]: one["holds"] for one in found if one["kind"] == "check"}


async def _machine(made: System) -> dict[str, str]:
    """What the figures depend on."""
    nats = made.nats.client.connected_server_version
    revision = await asyncio.to_thread(_revision)
    return {
        **{name: str(value) for name, value in machine().items()},
        "Commander": f"{version('commander')}{f', revision {revision}' if revision else ''}",
        "Postgres": str(await made.database.fetchval("show server_version")),
        "NATS": f"{nats.major}.{nats.minor}.{nats.patch}",
        "load average before": f"{os.getloadavg()[0]:.1f}",
    }


def _revision() -> str:
    asked = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


if __name__ == "__main__":
    typer.run(main)
