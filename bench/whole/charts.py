"""Lines over two axes, as SVG without help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

Point = tuple[float, float]

_WIDTH, _HEIGHT = 640, 300
_LEFT, _TOP, _RIGHT = 80, 56, 30
_BELOW, _ROW, _COLUMNS = 64, 20, 4
_MARK_ROWS = 3
COLOURS = (
    *("#0b6e4f", "#c8553d", "#3d5a80", "#c9a227", "#7b4b94"),
    *("#2a9d8f", "#8a8a8a", "#e76f51", "#264653", "#b5838d", "#577590", "#90be6d"),
)


@dataclass(frozen=True)
class Axis:
    """logarithmic: values of 0 and below are left out."""

    label: str
    logarithmic: bool = False


@dataclass(frozen=True)
class Series:
    """A line. dots: whether each point is one that was measured, and not one of very many."""

    name: str
    points: Sequence[Point]
    dots: bool = False


def chart(
    title: str, x: Axis, y: Axis, lines: Sequence[Series], marks: Sequence[tuple[float, str]] = ()
) -> str:
    """A picture. marks: upright lines at values of x, such as of a fault, with a word."""
    shown = [Series(one.name, _visible(one.points, x, y), one.dots) for one in lines]
    points = [point for one in shown for point in one.points]
    rows = ceil(len(shown) / _COLUMNS)
    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BELOW + rows * _ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="24" font-size="15" font-weight="bold" fill="#222222">{escape(title)}</text>',
    ]
    if points:
        parts += _plot(x, y, shown, points, marks)
    parts += _legend([one.name for one in shown])
    return "\n".join([*parts, "</svg>"]) + "\n"


def _plot(
    x: Axis, y: Axis, lines: Sequence[Series], points: Sequence[Point], marks: Sequence[tuple[float, str]]
) -> list[str]:
    bottom, right = _TOP + _HEIGHT, _LEFT + _WIDTH
    at_x, x_ticks = _scale(x, [a for a, _ in points] + [a for a, _ in marks], _LEFT, right)
    at_y, y_ticks = _scale(y, [b for _, b in points], bottom, _TOP)
    parts = [_text(_LEFT, _TOP - 10, y.label, "start"), _text((_LEFT + right) / 2, bottom + 38, x.label)]
    for tick in x_ticks:
        parts += [_rule(at_x(tick), _TOP, at_x(tick), bottom), _text(at_x(tick), bottom + 18, _number(tick))]
    for tick in y_ticks:
        parts += [
            _rule(_LEFT, at_y(tick), right, at_y(tick)),
            _text(_LEFT - 8, at_y(tick) + 4, _number(tick), "end"),
        ]
    for number, (value, word) in enumerate(marks):
        parts += [
            _rule(at_x(value), _TOP, at_x(value), bottom, "#c8553d", "4 3"),
            _beside(at_x(value), number % _MARK_ROWS, word),
        ]
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{at_x(a):.1f},{at_y(b):.1f}" for a, b in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        if line.dots:
            parts += [
                f'<circle cx="{at_x(a):.1f}" cy="{at_y(b):.1f}" r="3.5" fill="{colour}"/>'
                for a, b in line.points
            ]
    return parts


def _beside(x: float, row: int, word: str) -> str:
    """A word at an upright line, on the side on which there is room. row: words of one row may overlap."""
    fits = x + 7 * len(word) < _LEFT + _WIDTH
    return _text(x + 4 if fits else x - 4, _TOP + 12 + 15 * row, word, "start" if fits else "end", "#c8553d")


def _visible(points: Sequence[Point], x: Axis, y: Axis) -> list[Point]:
    return [(a, b) for a, b in points if not ((x.logarithmic and a <= 0) or (y.logarithmic and b <= 0))]


def _scale(
    axis: Axis, values: Sequence[float], begin: float, end: float
) -> tuple[Callable[[float], float], list[float]]:
    """Where a value stands between begin and end, and the values that are named."""
    if axis.logarithmic:
        ticks = _decades(min(values), max(values))
        low, high = log10(ticks[0]), log10(ticks[-1])
        return lambda value: begin + (log10(value) - low) / (high - low) * (end - begin), ticks
    low, high = min(0.0, *values), max(*values, 0.0)
    step = _step((high - low) or 1)
    top = ceil(high / step) * step or step
    ticks = [low + number * step for number in range(round((top - low) / step) + 1)]
    return lambda value: begin + (value - low) / (top - low) * (end - begin), ticks


def _decades(least: float, most: float) -> list[float]:
    """1, 2 and 5 of each decade, from below the least to above the most."""
    every = [
        mantissa * 10.0**power
        for power in range(floor(log10(least)), ceil(log10(most)) + 1)
        for mantissa in (1, 2, 5)
    ]
    begin = max(number for number, tick in enumerate(every) if tick <= least)
    end = min((number for number, tick in enumerate(every) if tick >= most), default=len(every) - 1)
    return every[begin : max(end, begin + 1) + 1]


def _step(extent: float) -> float:
    """A round distance of which some five fit in."""
    power = 10.0 ** floor(log10(extent / 5))
    return next(mantissa * power for mantissa in (1, 2, 5, 10) if mantissa * power >= extent / 5)


def _legend(names: Sequence[str]) -> list[str]:
    parts = []
    for number, name in enumerate(names):
        x = _LEFT + number % _COLUMNS * (_WIDTH / _COLUMNS)
        y = _TOP + _HEIGHT + _BELOW + number // _COLUMNS * _ROW
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<rect x="{x:.1f}" y="{y - 8}" width="18" height="4" fill="{colour}"/>')
        parts.append(_text(x + 24, y - 2, name, "start"))
    return parts


def _number(tick: float) -> str:
    return f"{tick:,.0f}" if abs(tick) >= 1 or tick == 0 else f"{tick:g}"


def _text(x: float, y: float, text: str, anchor: str = "middle", colour: str = "#444444") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _rule(
    x1: float, y1: float, x2: float, y2: float, colour: str = "#e2e2e2", dashes: str | None = None
) -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dashed}/>'
