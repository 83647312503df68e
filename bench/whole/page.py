"""The report of a run: a page that needs nothing else, pictures, tables in Markdown, figures as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from bench.measuring import percentile
from bench.whole.charts import Axis, Series, chart
from bench.whole.figures import PERCENTS, per_second
from bench.whole.results import WHERE, Result, markdown, tables_of
from bench.whole.timeline import Answer, Timeline

_MIB = 2**20


def write(folder: Path, result: Result, timeline: Timeline) -> list[Path]:
    """Writes report.html, results.md, results.json and the pictures. Returns the files.

    PNGs need resvg-py, of the extra `load`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = pictures_of(result, timeline)
    files = {f"{name}.svg": svg.encode() for name, svg in pictures.items()}
    files["report.html"] = page(result, pictures).encode()
    files["results.md"] = markdown(result).encode()
    samples = [msgspec.structs.asdict(one) | {"at": one.at - timeline.began} for one in timeline.samples]
    kept = msgspec.to_builtins(result) | {"samples": samples}
    files["results.json"] = msgspec.json.format(msgspec.json.encode(kept), indent=1)
    try:
        render: Any = import_module("resvg_py").svg_to_bytes
    except ModuleNotFoundError:
        render = None
    if render is not None:
        files |= {f"{name}.png": bytes(render(svg_string=svg, zoom=2)) for name, svg in pictures.items()}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def pictures_of(result: Result, timeline: Timeline) -> dict[str, str]:
    """The pictures as SVG, by name. Those without a measurement are left out."""
    begin, end = result.steady
    marks = [
        (
            mark.at - timeline.began - begin,
            f"kill -9 {mark.what}" if mark.kind == "kill" else f"{mark.what} is back",
        )
        for mark in timeline.marks
        if mark.kind != "stage" and mark.at - timeline.began < end
    ]
    buckets = per_second(timeline.answers, timeline.began + begin)
    seconds = range(int(end - begin))
    second = Axis("seconds of the steady load")
    milliseconds = Axis("ms from when a mutation was due to its outcome", logarithmic=True)
    made = {}
    if result.steps:
        answered = Axis("outcomes per second")
        lines = [
            Series(name, [(step.answered, getattr(step, name)) for step in result.steps], dots=True)
            for name in ("p50", "p95", "p99")
        ]
        made["saturation"] = chart("Throughput and latency, up to saturation", answered, milliseconds, lines)
    if result.fans:
        watchers = Axis("watchers, each of which receives every event", logarithmic=True)
        rates = [Series("delivered", [(fan.watchers, fan.delivered) for fan in result.fans], dots=True)]
        title = f"Fan-out at {result.settings['steady rate'].partition(' for')[0]}"
        made["fan-out"] = chart(title, watchers, Axis("events per second to all", logarithmic=True), rates)
        lines = [
            Series(name, [(fan.watchers, getattr(fan, name)) for fan in result.fans], dots=True)
            for name in ("p50", "p95", "p99")
        ]
        delay = Axis("ms from when an event was recorded to its watcher", logarithmic=True)
        made["fan-out-latency"] = chart("Fan-out: from recorded to delivered", watchers, delay, lines)
    rate = [Series("outcomes", [(at, len(buckets.get(at, []))) for at in seconds])]
    made["steady"] = chart("Steady load with faults: outcomes", second, Axis("per second"), rate, marks)
    lines = [
        Series(
            f"p{percent}" if percent < 100 else "slowest",
            [(at, _of(buckets.get(at, []), percent)) for at in seconds],
        )
        for percent in (*PERCENTS, 100)
    ]
    made["steady-latency"] = chart("Steady load with faults: latency", second, milliseconds, lines, marks)
    return made | _over_the_run(timeline)


def _of(answers: Sequence[Answer], percent: float) -> float:
    return percentile([one.milliseconds for one in answers], percent)


def _over_the_run(timeline: Timeline) -> dict[str, str]:
    axis = Axis("seconds of the run")
    marks = [(mark.at - timeline.began, "kill -9") for mark in timeline.marks if mark.kind == "kill"]

    def lines(values: Sequence[Mapping[str, float]]) -> list[Series]:
        names = list(dict.fromkeys(name for one in values for name in one))
        times = [sample.at - timeline.began for sample in timeline.samples]
        return [
            Series(name, [(at, one[name]) for at, one in zip(times, values, strict=True) if name in one])
            for name in names
        ]

    samples = timeline.samples
    behind = lines([sample.behind for sample in samples])
    cpu = lines([{name: one.cpu for name, one in sample.used.items()} for sample in samples])
    memory = lines([{name: one.memory / _MIB for name, one in sample.used.items()} for sample in samples])
    stored = lines([{name: size / _MIB for name, size in sample.stored.items()} for sample in samples])
    return {
        "behind": chart("What each part is behind", axis, Axis("messages or events"), behind, marks),
        "cpu": chart("CPU of each process", axis, Axis("cores"), cpu, marks),
        "memory": chart(
            "Memory of each process", axis, Axis("MiB, a shared page by its share"), memory, marks
        ),
        "store": chart("Growth of the store", axis, Axis("MiB"), stored),
    }


def page(result: Result, pictures: Mapping[str, str]) -> str:
    """The page, with its pictures in it."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Commander under load</title>",
        f"<style>{_STYLE}</style><h1>Commander under load</h1>",
        f"<p>{escape(result.measured_at)}. {escape(WHERE)}</p>",
    ]
    for one in tables_of(result):
        head = "".join(f"<th>{escape(column)}</th>" for column in one.columns)
        rows = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in one.rows]
        parts.append(f"<h2>{escape(one.title)}</h2><table><tr>{'</tr><tr>'.join([head, *rows])}</tr></table>")
    parts += [f"<figure>{svg}</figure>" for svg in pictures.values()]
    return "\n".join(parts) + "</html>\n"


_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;"
    "background:#fff}table{border-collapse:collapse;margin:.5rem 0 1rem}td,th{padding:.15rem .8rem .15rem 0;"
    "text-align:left;border-bottom:1px solid #ddd;font-variant-numeric:tabular-nums}figure{margin:1rem 0}"
    "svg{max-width:100%;height:auto}"
)
