"""Metrics in the text format of Prometheus, version 0.0.4.

A client library would cost each process 3 MB, most of it for unused features.
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from commander.streaming.counters import Histogram

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NOT_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_NOT_IN_LABELS = _NOT_IN_HELP | str.maketrans({'"': r"\""})

Sample = tuple[str, Mapping[str, str], float]
"""The suffix of the metric's name, the labels, the value."""


@dataclass(frozen=True)
class Metric:
    """One metric with all its samples. kind: counter, gauge or histogram. help: its description."""

    name: str
    kind: str
    help: str
    samples: Sequence[Sample]


def counter(name: str, help: str, value: float) -> Metric:
    return Metric(name, "counter", help, [("", {}, value)])


def gauge(name: str, help: str, value: float) -> Metric:
    return Metric(name, "gauge", help, [("", {}, value)])


def gauges(name: str, help: str, label: str, values: Mapping[str, float]) -> Metric:
    return labelled("gauge", name, help, (({label: of}, value) for of, value in values.items()))


def labelled(kind: str, name: str, help: str, values: Iterable[tuple[Mapping[str, str], float]]) -> Metric:
    return Metric(name, kind, help, [("", labels, value) for labels, value in values])


def histogram(name: str, help: str, held: Histogram) -> Metric:
    bounds = [*(str(float(bound)) for bound in held.bounds), "+Inf"]
    counts = list(accumulate(held.counts))
    buckets = [("_bucket", {"le": le}, count) for le, count in zip(bounds, counts, strict=True)]
    return Metric(name, "histogram", help, [*buckets, ("_count", {}, counts[-1]), ("_sum", {}, held.sum)])


def exposition(metrics: Iterable[Metric]) -> bytes:
    """The body of an answer with these metrics. Each name begins with `commander_`."""
    return "".join(line + "\n" for metric in metrics for line in _lines(metric)).encode()


def _lines(metric: Metric) -> Iterator[str]:
    name = f"commander_{metric.name}"
    yield f"# HELP {name} {metric.help.translate(_NOT_IN_HELP)}"
    yield f"# TYPE {name} {metric.kind}"
    for suffix, labels, value in metric.samples:
        pairs = ",".join(f'{label}="{of.translate(_NOT_IN_LABELS)}"' for label, of in labels.items())
        yield f"{name}{suffix}{f'{{{pairs}}}' if pairs else ''} {float(value)}"
