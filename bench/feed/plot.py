"""How the figures of a to d change with the number of subscribers, as an SVG without help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from math import ceil, floor, log10

from bench.feed.fanout import SUBJECTS, memory_of, rate_of
from bench.feed.subjects import Subject
from bench.report import Spread

_WIDTH, _HEIGHT = 420, 300
_LEFT, _TOP, _BETWEEN, _LEGEND = 70, 40, 100, 30
_COLOURS = ("#0b6e4f", "#c8553d", "#3d5a80", "#8a8a8a", "#c9a227")
Point = tuple[float, float]


def plot(spreads: Sequence[Spread], clients: Sequence[int]) -> str:
    """Two panels side by side, both axes logarithmic: deliveries per second, memory per idle subscriber."""
    medians = {spread.name: spread.median for spread in spreads}
    width = 2 * (_LEFT + _WIDTH) + _BETWEEN
    height = _TOP + _HEIGHT + 60 + _LEGEND * len(SUBJECTS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_panel(_LEFT, "deliveries per second", _lines(rate_of, medians, clients)),
        *_panel(2 * _LEFT + _WIDTH + 30, "KB per idle subscriber", _lines(memory_of, medians, clients)),
        *_legend(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _lines(
    named: Callable[[Subject, int], str], medians: dict[str, float], clients: Sequence[int]
) -> list[list[Point]]:
    """One line for each of SUBJECTS; a logarithm shows nothing that is not above 0."""
    return [
        [(n, medians[name]) for n in clients if medians.get(name := named(subject, n), 0) > 0]
        for subject in SUBJECTS
    ]


def _panel(left: float, title: str, lines: Sequence[Sequence[Point]]) -> list[str]:
    points = [point for line in lines for point in line]
    if not points:
        return []
    x, x_ticks = _scale([p[0] for p in points], left, left + _WIDTH)
    y, y_ticks = _scale([p[1] for p in points], _TOP + _HEIGHT, _TOP)
    bottom = _TOP + _HEIGHT
    parts = [_text(left, _TOP - 15, title, "start"), _text(left + _WIDTH / 2, bottom + 36, "subscribers")]
    for tick in x_ticks:
        parts += [_rule(x(tick), _TOP, x(tick), bottom), _text(x(tick), bottom + 18, _number(tick))]
    for tick in y_ticks:
        parts += [
            _rule(left, y(tick), left + _WIDTH, y(tick)),
            _text(left - 8, y(tick) + 4, _number(tick), "end"),
        ]
    for line, colour in zip(lines, _COLOURS, strict=True):
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3" fill="{colour}"/>' for a, b in line]
    return parts


def _scale(values: Sequence[float], begin: float, end: float) -> tuple[Callable[[float], float], list[float]]:
    """Where a value stands on a logarithmic axis over whole decades, and the decades."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    high = max(high, low + 1)
    return (
        lambda value: begin + (log10(value) - low) / (high - low) * (end - begin),
        [10.0**n for n in range(low, high + 1)],
    )


def _legend() -> list[str]:
    parts = []
    for number, (subject, colour) in enumerate(zip(SUBJECTS, _COLOURS, strict=True)):
        y = _TOP + _HEIGHT + 60 + number * _LEGEND
        parts.append(f'<rect x="{_LEFT}" y="{y}" width="24" height="4" fill="{colour}"/>')
        parts.append(_text(_LEFT + 34, y + 6, subject.name, "start"))
    return parts


def _number(tick: float) -> str:
    return f"{tick:,.0f}" if tick >= 1 else f"{tick:g}"


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'
