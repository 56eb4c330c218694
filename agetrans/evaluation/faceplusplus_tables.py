"""The two tables of AgeTransGAN's authors from the rows that the Face++ scripts wrote."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agetrans.evaluation.errors import EvaluationError
from agetrans.evaluation.table import number
from agetrans.files import write_text
from agetrans.groups import AgeGroups

NO_FACE = "no_face"
RECTIFIED = {
    "0-2": 61.8, "3-6": 68.9, "7-9": 72.7, "10-14": 74.2, "15-19": 76.6,
    "30-39": 76.3, "40-49": 71.7, "50-69": 65.2, "70+": 65.2,
}  # fmt: skip
"""The authors' thresholds of Face++'s confidence for sources of 20 to 29, by target group."""
COMMON = 76.5
"""The threshold that the field uses for all ages."""
_ANY_NAME = "surrogateescape"
"""How file names that are no UTF-8 are read and written."""
AGE_SUFFIX, VERIFICATION_SUFFIX = "_age.csv", "_verification.csv"


class Rows:
    """Rows `index,file,value` on disk; a run that was cut off loses none and asks for none again.

    Args:
        path: the CSV. A last line that was cut off is removed, and so are the rows without a value that the authors'
            scripts write where they got no answer: both are asked for again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        found = _read(path)
        self.values = {row[1]: row[2] for row in found}
        text = _lines(found)
        if path.exists() and text != _text(path):
            write_text(path, text, errors=_ANY_NAME)

    def add(self, index: int, name: str, value: float | None) -> None:
        """Appends a row and waits until it is on disk; None is recorded as `no_face`."""
        self.values[name] = NO_FACE if value is None else f"{value:g}"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", newline="", encoding="utf-8", errors=_ANY_NAME) as file:
            file.write(_lines([[str(index), name, self.values[name]]]))
            file.flush()
            os.fsync(file.fileno())


def _text(path: Path) -> str:
    with path.open(newline="", encoding="utf-8", errors=_ANY_NAME) as file:
        return file.read()


def _lines(rows: list[list[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _read(path: Path) -> list[list[str]]:
    """The rows of a file with an answer in them; without the last one if it is torn, none if there is no file."""
    if not path.exists():
        return []
    text = _text(path)
    rows = list(csv.reader(io.StringIO(text, newline="")))
    if text and not text.endswith("\n"):
        rows.pop()
    return [row for row in rows if len(row) == 3 and (row[2] == NO_FACE or _is_number(row[2]))]


@dataclass(frozen=True)
class GroupRow:
    """A group of both tables.

    Attributes:
        group: its name.
        mean_age: average of Face++'s estimated ages; NaN without any.
        ages: how many pictures that is.
        rectified: share of pairs, in per cent, at or above the group's rectified threshold.
        common: the same at 76.5.
        pairs: how many pairs that is; pairs in which Face++ saw no face count as not verified.
        faceless: pictures and pairs in which it saw none.
    """

    group: str
    mean_age: float
    ages: int
    rectified: float
    common: float
    pairs: int
    faceless: int


def read_tables(folder: Path) -> list[GroupRow]:
    """Reads `GROUP_age.csv` and `GROUP_verification.csv` of all groups that are there.

    Raises:
        EvaluationError: there is none.
    """
    rows = []
    for group in AgeGroups.of(10).names:
        ages, pairs = (_values(folder / f"{group}{suffix}") for suffix in (AGE_SUFFIX, VERIFICATION_SUFFIX))
        if not ages and not pairs:
            continue
        seen = [float(value) for value in ages if value != NO_FACE]
        sure = [-math.inf if value == NO_FACE else float(value) for value in pairs]
        rows.append(
            GroupRow(
                group,
                sum(seen) / len(seen) if seen else math.nan,
                len(seen),
                _share(sure, RECTIFIED.get(group, math.nan)),
                _share(sure, COMMON),
                len(pairs),
                len(ages) - len(seen) + pairs.count(NO_FACE),
            )
        )
    if not rows:
        raise EvaluationError(
            f"{folder} has no rows of Face++: they are expected in files such as 0-2{AGE_SUFFIX} and "
            f"0-2{VERIFICATION_SUFFIX}."
        )
    return rows


def tables(rows: Iterable[GroupRow]) -> str:
    """Both tables as text: estimated ages, and verification rates at the rectified and the common threshold."""
    rows = list(rows)
    lines = ["Face++, average of estimated age, years", f"{'group':>6}{'age':>8}{'pictures':>10}"]
    lines += [f"{row.group:>6}{number(row.mean_age, 1):>8}{row.ages:>10}" for row in rows]
    lines += [
        "",
        f"Face++, verification rate, %, at the rectified threshold and at {COMMON}",
        f"{'group':>6}{'threshold':>11}{'rectified':>11}{'common':>8}{'pairs':>7}",
    ]
    for row in rows:
        threshold = number(RECTIFIED.get(row.group, math.nan), 1)
        lines.append(
            f"{row.group:>6}{threshold:>11}{number(row.rectified, 2):>11}{number(row.common, 2):>8}{row.pairs:>7}"
        )
    faceless = sum(row.faceless for row in rows)
    if faceless:
        lines.append(f"No face was seen {faceless} times: not counted as an age, counted as not verified.")
    return "\n".join(lines)


def _share(values: list[float], threshold: float) -> float:
    if not values or math.isnan(threshold):
        return math.nan
    return 100 * sum(value >= threshold for value in values) / len(values)


def _values(path: Path) -> list[str]:
    return [row[2] for row in _read(path)]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
