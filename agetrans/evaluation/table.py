"""Figures as a table for the terminal and as JSON lines for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agetrans.evaluation.protocol import Figure

COLUMNS = (
    ("mean_age", "judged", 1.0, 1),
    ("mean_age_of_real", "real", 1.0, 1),
    ("age_err_against_real", "Err", 1.0, 1),
    ("same_person_far1_per_person", "same %", 100.0, 0),
    ("verified_far1_per_gap", "gap %", 100.0, 0),
    ("kid_face128", "KID", 1.0, 3),
    ("gender_kept", "gender %", 100.0, 0),
    ("glasses_kept_bridge_edge", "glasses %", 100.0, 0),
    ("outside_head_255", "outside", 1.0, 2),
    ("eye_colour_drift_cie76", "eyes dE", 1.0, 1),
    ("skin_colour_drift_cie76", "skin dE", 1.0, 1),
)
"""Metric, heading, factor and decimals of the table's columns."""
SENTENCES = {
    "same_person_far1_per_person_from_7_without_own": "same person, groups from 7 years on without the own: {:.1%}",
    "outside_head_255": "mean change outside the head: {:.2f} of 255",
    "age_rank_correlation_per_face": "rank correlation of judged age and group, a face: {:.2f}",
    "flicker_second_difference_255": "flicker along a run, mean second difference: {:.3f} of 255",
    "largest_step_over_mean_step": "largest step of a run over its mean step: {:.2f}",
    "step_95th_percentile_255": "from a frame of a run to the next, 95th percentile: {:.2f} of 255",
    "ages_rise_one_2_year_fall_forgiven": "ages rise through all groups (one fall below 2 years forgiven): {:.0%}",
}
"""How figures of all groups together are said."""


def table(figures: Sequence[Figure]) -> str:
    """The figures of one method: a row a group, a sentence each for those of all groups, rows for those by label."""
    parts = [figure for figure in figures if figure.people is not None]
    figures = [figure for figure in figures if figure.people is None]
    # Of several judges of a metric the first one is shown.
    by_place = {(figure.metric, figure.group): figure.estimate.value for figure in reversed(figures)}
    groups = list(dict.fromkeys(figure.group for figure in figures if figure.group is not None))
    lines = ["group " + "".join(f"{heading:>10}" for _, heading, _, _ in COLUMNS)]
    for group in groups:
        cells = (
            number(by_place.get((metric, group), math.nan) * factor, decimals)
            for metric, _, factor, decimals in COLUMNS
        )
        lines.append(f"{group:>6}" + "".join(f"{cell:>10}" for cell in cells))
    for figure in figures:
        if figure.group is None and figure.metric in SENTENCES and figure.estimate.count:
            lines.append(SENTENCES[figure.metric].format(figure.estimate.value))
    lines += _rows_of_people(parts)
    return "\n".join(lines)


def _rows_of_people(parts: Sequence[Figure]) -> list[str]:
    """Judged ages, and same person in %, through the groups: two rows for the people with each value of a label."""
    groups = dict.fromkeys(str(figure.group) for figure in parts)
    lines = ["by label".ljust(36) + "".join(f"{group:>7}" for group in groups)] if parts else []
    for people in dict.fromkeys(figure.people for figure in parts):
        for metric, heading, factor, decimals in COLUMNS:
            row = [part.estimate for part in parts if (part.people, part.metric) == (people, metric)]
            if row:
                cells = (number(estimate.value * factor, decimals) for estimate in row)
                count = max(estimate.count for estimate in row)
                lines.append(
                    f"{people} ({count}), {heading}:".ljust(36) + "".join(f"{cell:>7}" for cell in cells)
                )
    return lines


def number(value: float, decimals: int) -> str:
    """A number of a table; a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"


def json_lines(method: str, figures: Sequence[Figure]) -> str:
    """One JSON object a figure and line; what could not be measured has the value null."""
    rows = []
    for figure in figures:
        estimate = figure.estimate
        rows.append(
            {
                "method": method,
                "metric": figure.metric,
                "group": figure.group,
                "people": figure.people,
                **{key: _finite(getattr(estimate, key)) for key in ("value", "low", "high")},
                "count": estimate.count,
                "judge": figure.judge,
                "independent": figure.independent,
            }
        )
    return "".join(json.dumps(row) + "\n" for row in rows)


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
