"""The report for the eye: one HTML file with tables, a chart and pictures, which needs nothing else."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from agetrans.evaluation.intervals import Estimate
from agetrans.evaluation.protocol import AGE_JUDGE, Figure
from agetrans.evaluation.table import COLUMNS, SENTENCES, number
from agetrans.evaluation.verification import FALSE_ACCEPTS

_CELL = 112
_COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#7b2d8b", "#b08900")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; } th { background: #f4f4f1; }
td small { color: #777; display: block; font-size: .72rem; }
.mark { color: #a33; } .note { color: #555; max-width: 60rem; }
.facts td { text-align: left; }
.groups { display: flex; font-size: .8rem; color: #555; } .groups span { flex: 0 0 112px; }
.faces { overflow-x: auto; } .faces img { display: block; } figure { margin: 1rem 0; } figcaption { color: #555; }
"""


@dataclass(frozen=True, eq=False)
class Judged:
    """A method as a report shows it.

    Attributes:
        name: of the method.
        figures: all of them.
        shown: pictures of the first people, one list a person; None where there is none.
    """

    name: str
    figures: Sequence[Figure]
    shown: Sequence[Sequence[np.ndarray | None]] = field(default=())


def report(
    title: str,
    facts: Mapping[str, str],
    methods: Sequence[Judged],
    sources: Sequence[np.ndarray],
    thresholds: Sequence[Estimate],
    groups: Sequence[str],
) -> str:
    """The HTML of a report.

    Args:
        title: its heading.
        facts: what was judged and how, name and value.
        methods: the judged method first, then the controls.
        sources: pictures of the people shown.
        thresholds: one a group.
        groups: names of the groups.
    """
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        '<p class="note">The pictures show real people or were made from them: keep this report to yourself. '
        "docs/evaluation.md says what each number can and cannot say.</p>",
        _rows((html.escape(name), html.escape(value)) for name, value in facts.items()),
        "<h2>Judged age by group</h2>",
        _chart(methods, groups),
    ]
    for method in methods:
        parts += [f"<h2>{html.escape(method.name)}</h2>", _table(method, groups), _sentences(method)]
        parts += [_further_judges(method, groups), _by_label(method, groups)]
        if method.shown:
            parts += [_faces(method, sources, groups)]
    parts += ["<h2>Thresholds of verification</h2>", _thresholds(thresholds, groups)]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows)
    return f'<table class="facts">{cells}</table>'


def _estimates(figures: Sequence[Figure], judge: str | None = None, people: str | None = None) -> dict:
    return {
        (figure.metric, figure.group): figure
        for figure in reversed(figures)  # the first judge of a metric wins
        if figure.people == people and (judge is None or figure.judge == judge)
    }


def _cell(figure: Figure | None, factor: float, decimals: int) -> str:
    if figure is None or not figure.estimate.count:
        return "<td>-</td>"
    value, low, high = (
        number(x * factor, decimals)
        for x in (figure.estimate.value, figure.estimate.low, figure.estimate.high)
    )
    return f'<td title="{figure.estimate.count} cases">{value}<small>{low} to {high}</small></td>'


def _table(method: Judged, groups: Sequence[str]) -> str:
    found = _estimates(method.figures)
    head = "".join(f'<th title="{metric}">{html.escape(heading)}</th>' for metric, heading, _, _ in COLUMNS)
    rows = [
        f"<tr><td>{group}</td>"
        + "".join(
            _cell(found.get((metric, group)), factor, decimals) for metric, _, factor, decimals in COLUMNS
        )
        + "</tr>"
        for group in groups
    ]
    return f'<div class="faces"><table><tr><th>group</th>{head}</tr>{"".join(rows)}</table></div>'


def _sentences(method: Judged) -> str:
    sentences = [
        SENTENCES[figure.metric].format(figure.estimate.value)
        for figure in method.figures
        if figure.group is None and figure.metric in SENTENCES and figure.estimate.count
    ]
    return f"<p>{html.escape('; '.join(sentences))}</p>"


def _further_judges(method: Judged, groups: Sequence[str]) -> str:
    judges = {
        figure.judge: figure.independent
        for figure in method.figures
        if figure.metric == "mean_age" and figure.judge != AGE_JUDGE
    }
    if not judges:
        return ""
    rows = []
    for judge, independent in judges.items():
        found = _estimates(method.figures, judge)
        mark = "" if independent else ' <span class="mark">trained this model: does not count</span>'
        for metric, what in (
            ("mean_age", "judged"),
            ("mean_age_of_real", "real"),
            ("age_err_against_real", "Err"),
        ):
            cells = "".join(_cell(found.get((metric, group)), 1.0, 1) for group in groups)
            rows.append(f"<tr><td>{html.escape(judge)}: {what}{mark}</td>{cells}</tr>")
    return _details("Further judges of age", "judge", rows, groups)


def _by_label(method: Judged, groups: Sequence[str]) -> str:
    rows = []
    for people in dict.fromkeys(figure.people for figure in method.figures if figure.people):
        found = _estimates(method.figures, people=people)
        for metric, heading, factor, decimals in COLUMNS:
            if (metric, groups[0]) in found:
                cells = "".join(_cell(found.get((metric, group)), factor, decimals) for group in groups)
                rows.append(f"<tr><td>{html.escape(people)}: {html.escape(heading)}</td>{cells}</tr>")
    return _details("By label", "people", rows, groups) if rows else ""


def _details(title: str, what: str, rows: Sequence[str], groups: Sequence[str]) -> str:
    """An open part of the report: a table with a column a group."""
    head = "".join(f"<th>{group}</th>" for group in groups)
    return (
        f'<details open><summary>{title}</summary><div class="faces"><table><tr><th>{what}</th>{head}'
        f"</tr>{''.join(rows)}</table></div></details>"
    )


def _thresholds(thresholds: Sequence[Estimate], groups: Sequence[str]) -> str:
    head = "".join(f"<th>{group}</th>" for group in groups)
    rows = [
        ("similarity", [f"{t.value:.3f}" for t in thresholds]),
        ("95 % interval", [f"{t.low:.3f} to {t.high:.3f}" for t in thresholds]),
        ("impostor pairs", [str(t.count) for t in thresholds]),
    ]
    body = "".join(
        f"<tr><td>{name}</td>{''.join(f'<td>{value}</td>' for value in values)}</tr>" for name, values in rows
    )
    return (
        f'<p class="note">Column "gap %": similarity above which {FALSE_ACCEPTS:.0%} of the pairs of a source and '
        "another real person of the target group lie. Column "
        '"same %": the same share, for each source apart.</p>'
        f'<div class="faces"><table><tr><th></th>{head}</tr>{body}</table></div>'
    )


def _chart(methods: Sequence[Judged], groups: Sequence[str]) -> str:
    """Judged mean ages as lines, real people as a dashed one; drawn as SVG."""
    width, height, left, bottom = 900, 340, 50, 40
    x = [left + (width - left - 20) * k / max(1, len(groups) - 1) for k in range(len(groups))]

    def y(years: float) -> float:
        return height - bottom - (height - bottom - 15) * years / 90

    def line(metric: str, method: Judged, colour: str, dash: str) -> str:
        found = _estimates(method.figures, AGE_JUDGE)
        points = [
            f"{place:.1f},{y(found[(metric, group)].estimate.value):.1f}"
            for place, group in zip(x, groups, strict=True)
            if (metric, group) in found and found[(metric, group)].estimate.count
        ]
        return (
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2.5"{dash}/>'
        )

    parts = [
        f'<line x1="{left}" x2="{width - 20}" y1="{y(t):.1f}" y2="{y(t):.1f}" stroke="#ddd"/>'
        f'<text x="{left - 8}" y="{y(t) + 4:.1f}" text-anchor="end" font-size="12">{t}</text>'
        for t in range(0, 91, 15)
    ]
    parts += [
        f'<text x="{place:.1f}" y="{height - 18}" text-anchor="middle" font-size="12">{group}</text>'
        for place, group in zip(x, groups, strict=True)
    ]
    parts.append(line("mean_age_of_real", methods[0], "#222", ' stroke-dasharray="6 5"'))
    legend = ['<span style="color:#222">- - real people</span>']
    for i, method in enumerate(methods):
        colour = _COLOURS[i % len(_COLOURS)]
        parts.append(line("mean_age", method, colour, ""))
        legend.append(f'<span style="color:{colour}">&#9644; {html.escape(method.name)}</span>')
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" width="{width}" style="max-width:100%" role="img" '
        f'aria-label="judged mean age by target group">{"".join(parts)}</svg>'
        f"<figcaption>{' &nbsp; '.join(legend)} (years, {html.escape(AGE_JUDGE)})</figcaption></figure>"
    )


def _faces(method: Judged, sources: Sequence[np.ndarray], groups: Sequence[str]) -> str:
    empty = np.full((_CELL, _CELL, 3), 235, np.uint8)
    rows = [
        np.concatenate([_small(source), *(empty if face is None else _small(face) for face in faces)], axis=1)
        for source, faces in zip(sources, method.shown, strict=False)
    ]
    code = cv2.imencode(".jpg", np.concatenate(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[1]
    data = base64.b64encode(code.tobytes()).decode()
    names = "".join(f"<span>{name}</span>" for name in ("input", *groups))
    return (
        f'<figure class="faces"><div class="groups">{names}</div><img alt="the input and {len(groups)} age groups" '
        f'src="data:image/jpeg;base64,{data}"></figure>'
    )


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (_CELL, _CELL), interpolation=cv2.INTER_AREA)
