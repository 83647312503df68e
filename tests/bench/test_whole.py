"""`make load` for a few seconds: real processes, one of them killed, and what the report says of it."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest
from rich.console import Console

from bench.whole.charts import Axis, Series, chart
from bench.whole.figures import gaps_of, step_of
from bench.whole.picture import line, picture
from bench.whole.plan import Kill, NoSuchKill, kill_of
from bench.whole.timeline import Answer, Mark, Sample, Timeline, Used, WatchersTick

ROOT = Path(__file__).parents[2]
OPTIONS = (
    *("--rate", "20", "--duration", "6", "--clients", "8", "--watchers", "2", "--accounts", "10"),
    *(
        "--kill",
        "processor@2s",
        "--kill",
        "api@4s",
        "--restart",
        "1",
        "--steps",
        "20",
        "--fans",
        "1,3",
        "--step-seconds",
        "1",
    ),
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the report of a run."""
    folder = tmp_path_factory.mktemp("load") / "report"
    command = [sys.executable, "-m", "bench.whole", *OPTIONS, "--out", str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


@pytest.fixture(scope="module")
def results(report: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((report / "results.json").read_text())
    return found


def test_each_mutation_has_an_outcome_and_the_system_is_sound(results: dict[str, Any]) -> None:
    assert results["steady_step"]["mutations"] == 120
    fans = 2 * 20  # at the steady rate
    assert sum(results["outcomes"].values()) == 2 * 10 + 20 + fans + 120
    assert set(results["outcomes"]) <= {"applied", "rejected"}
    assert results["promises"] and all(results["promises"].values())


def test_the_rates_and_the_watchers_are_measured(results: dict[str, Any]) -> None:
    assert [step["offered"] for step in results["steps"]] == [20]
    assert [fan["watchers"] for fan in results["fans"]] == [1, 3]
    assert all(fan["delivered"] > 0 for fan in results["fans"])
    names = {"api 1", "processor 1", "processor 2", "relay", "projections", "reactors", "Postgres", "NATS"}
    used, stored, behind = (
        {name for sample in results["samples"] for name in sample[kind]}
        for kind in ("used", "stored", "behind")
    )
    assert names | {"users", "watchers"} <= used
    assert stored == {"Postgres", "bank-COMMANDS", "bank-EVENTS"}
    assert {"queue", "relay", "projection account", "projection transfer", "reactor transfers"} <= behind


def test_failovers_are_measured_and_users_send_again_what_was_cut_off(results: dict[str, Any]) -> None:
    processor, api = results["gaps"]
    assert (processor["killed"], api["killed"]) == ("processor 1", "api 1")
    assert results["steady"][0] < processor["at"] < api["at"] < results["steady"][1]
    assert 0 < processor["seconds"] < 60 and 0 < api["seconds"] < 60
    assert api["sent_again"] > 0


def test_the_page_needs_no_other_file_and_no_other_host(report: Path) -> None:
    page = (report / "report.html").read_text()
    assert page.count("<svg") == len(list(report.glob("*.svg"))) == 9
    assert not re.search(r"""(src|href)\s*=|@import|url\(|<script""", page)
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "every guarantee holds" in page


def test_each_picture_is_an_svg_with_its_lines_inside(report: Path) -> None:
    for file in report.glob("*.svg"):
        root = ElementTree.fromstring(file.read_text())
        lines = root.findall(".//{*}polyline")
        points = [point.split(",") for line in lines for point in line.attrib["points"].split()]
        width, height = float(root.attrib["width"]), float(root.attrib["height"])
        assert points, file.name
        assert all(0 < float(x) < width and 0 < float(y) < height for x, y in points), file.name


def test_each_picture_is_a_png_too(report: Path) -> None:
    pictures = {file.stem for file in report.glob("*.svg")}
    assert {file.stem for file in report.glob("*.png")} == pictures
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in report.glob("*.png"))


def test_ctrl_c_ends_all_that_it_has_started_and_writes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.whole", *OPTIONS, "--out", str(tmp_path / "report")]
    written = tmp_path / "written"
    with written.open("wb") as file:
        started = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file, start_new_session=True)
    try:
        while not re.search(r"^(?!starting).+ outcomes/s", written.read_text(), re.MULTILINE):
            assert started.poll() is None, written.read_text()
            time.sleep(0.1)
        below = psutil.Process(started.pid).children(recursive=True)
        started.send_signal(signal.SIGINT)
        assert started.wait(60) == 130, written.read_text()
    finally:
        started.kill()
    assert len(below) > 7, "servers and parts"
    assert not psutil.wait_procs(below, timeout=30)[1]
    assert written.read_text().splitlines()[-1] == "load: interrupted; nothing was written: run it again"
    assert not (tmp_path / "report").exists()


def answers(*times: tuple[float, float]) -> list[Answer]:
    """Mutations that were due and answered at these times."""
    return [Answer(due, at, "deposit", "applied", 1) for due, at in times]


def test_time_counts_from_when_a_mutation_was_due_and_late_ones_are_not_throughput() -> None:
    late = answers(*((100 + number / 10, 105.0) for number in range(20)))
    step = step_of(late, offered=10, seconds=2)
    assert (step.mutations, step.answered, step.most) == (20, 0, 5000)
    assert step.is_saturated
    soon = answers(*((100 + number / 10, 100.05 + number / 10) for number in range(20)))
    step = step_of(soon, offered=10, seconds=2)
    assert (step.answered, round(step.p50)) == (10, 50)
    assert not step.is_saturated


def test_a_gap_is_the_longest_time_without_an_outcome_after_a_fault() -> None:
    timeline = Timeline(began=100)
    timeline.answers = answers((101, 101.1), (102, 102.1), (103, 105.5), (104, 105.6), (107, 107.1))
    timeline.marks = [Mark(103, "kill", "processor 1"), Mark(106, "kill", "api 1")]
    first, second = gaps_of(timeline)
    assert (first.killed, first.at, first.seconds, round(first.slowest)) == ("processor 1", 3, 2.5, 2500)
    assert (second.killed, round(second.seconds, 3)) == ("api 1", 1.1)
    assert gaps_of(Timeline()) == []


def test_the_terminal_shows_what_happens_now() -> None:
    timeline = Timeline(began=100)
    timeline.marks = [Mark(101, "stage", "steady"), Mark(110, "kill", "processor 1")]
    timeline.answers = answers(*((100 + number / 10, 100.05 + number / 10) for number in range(190)))
    timeline.waiting = 7
    used = {"processor 2": Used(0.5, 40 * 2**20)}
    timeline.samples = [Sample(118, 500, {"queue": 1234}, used, {"Postgres": 2**30})]
    timeline.delivered = [WatchersTick(118, 60, [3.0] * 60, 10, 0)]
    shown = io.StringIO()
    Console(file=shown, width=160, force_terminal=True).print(picture(timeline, 119))
    text = re.sub(r" +", " ", re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue()))
    for part in (
        *("steady 0:19", "outcomes/s 10", "p95 ms 50", "waiting 7", "applied 190"),
        *("delivered/s 20", "to 10 watchers", "queue 1,234", "processor 2 50% 40 MiB", "1,024.0 MiB"),
        "10 s killed: processor 1",
    ):
        assert part in text, f"{part!r} is not in\n{text}"
    assert line(timeline, 119) == (
        "steady: 10 outcomes/s, p50 50 ms, p95 50 ms, p99 50 ms, waiting 7; behind: queue 1,234"
    )


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_chart_of_one_point_or_of_none_is_drawn(logarithmic: bool) -> None:
    axis = Axis("number", logarithmic)
    for points in ([], [(3.0, 3.0)], [(0.0, 0.0)]):
        ElementTree.fromstring(chart("a < b", axis, axis, [Series("one & only", points)]))


def test_a_fault_is_a_part_and_a_time() -> None:
    assert kill_of("processor@20s") == Kill("processor", 20)
    assert kill_of("api@0.5") == Kill("api", 0.5)
    for wrong in ("processor", "mirror@3s", "api@soon"):
        with pytest.raises(NoSuchKill, match="such as processor@20s"):
            kill_of(wrong)
