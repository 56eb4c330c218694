"""Curves as SVG: a ROC, or the share found at each rank."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping

import numpy as np

Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Name to x and y, each `(N,)`, x rising."""
_COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#7b2d8b", "#b08900", "#444444")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 656, 480, 64, 16, 32, 52


def roc_curve(curves: Curves) -> str:
    """False-accept rates, on a logarithmic axis, and true-accept rates: the text of an SVG file."""
    positive = np.concatenate([x[x > 0] for x, _ in curves.values()])
    decades = max(1, math.ceil(-math.log10(positive.min()) - 1e-9))
    ticks = {10.0**-n: f"{100 * 10.0**-n:g} %" for n in range(decades, -1, -1)}
    places = {
        name: (np.log10(np.maximum(x, 10.0**-decades)) / decades + 1, y) for name, (x, y) in curves.items()
    }
    return _svg(
        places,
        {math.log10(x) / decades + 1: text for x, text in ticks.items()},
        "false accepts",
        "true accepts",
    )


def rank_curve(curves: Curves) -> str:
    """Ranks and the share of probes found up to each: the text of an SVG file."""
    first = min(x.min() for x, _ in curves.values())
    last = max(x.max() for x, _ in curves.values())
    span = max(last - first, 1)
    ranks = np.unique(np.concatenate([x for x, _ in curves.values()]))
    shown = ranks[:: max(1, len(ranks) // 10)]
    places = {name: ((x - first) / span, y) for name, (x, y) in curves.items()}
    return _svg(places, {(rank - first) / span: f"{rank:g}" for rank in shown}, "rank", "found")


def _svg(curves: Curves, ticks: Mapping[float, str], x_label: str, y_label: str) -> str:
    """Curves with both coordinates in [0, 1]."""

    def across(x: float) -> float:
        return _LEFT + x * (_WIDTH - _LEFT - _RIGHT)

    def down(y: float) -> float:
        return _HEIGHT - _BOTTOM - y * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for tick in range(0, 101, 20):
        y = down(tick / 100)
        parts.append(f'<line x1="{across(0):g}" x2="{across(1):g}" y1="{y:g}" y2="{y:g}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:g}" text-anchor="end">{tick} %</text>')
    for place, text in ticks.items():
        x = across(place)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{down(0):g}" y2="{down(1):g}" stroke="#eee"/>')
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 32}" text-anchor="middle">{text}</text>')
    for number, (name, (xs, ys)) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = dict.fromkeys(f"{across(x):.1f},{down(y):.1f}" for x, y in zip(xs, ys, strict=True))
        parts.append(
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        y = down(0) - 14 - 18 * (len(curves) - 1 - number)
        parts.append(
            f'<text x="{across(1) - 10:g}" y="{y:g}" text-anchor="end" fill="{colour}">{html.escape(name)}</text>'
        )
    middle_x, middle_y = across(0.5), down(0.5)
    parts.append(f'<text x="{middle_x:g}" y="{_HEIGHT - 10}" text-anchor="middle">{x_label}</text>')
    parts.append(
        f'<text transform="translate(14 {middle_y:g}) rotate(-90)" text-anchor="middle">{y_label}</text>'
    )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )
