"""Recognisers on one list of pairs, side by side: a table with intervals over people, and differences to the first.

python -m benchmarks.recognition_table test/pairs.csv --layout dal runs/recognition_baseline runs/recognition_dal

Views are added. A person's pairs depend on each other, so whole people are drawn anew (a bootstrap over clusters), each
with all pairs that begin with a picture of theirs, and for all recognisers the same people.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agetrans.cli.layouts import add_layout_flags, layout_of
from agetrans.data.pairlists import read_pairs
from agetrans.evaluation.intervals import Estimate
from agetrans.recognition import protocols

FIGURES = ("accuracy, 10 folds", "AUC", "TAR at FAR 1 %", "AUC, 30+ years apart")
FAR, APART = 1e-2, 30.0


@dataclass(frozen=True)
class PairTable:
    """Pairs whose people and ages are known.

    Attributes:
        pictures: All pictures.
        first: `(P,)` places of the one picture of each pair.
        second: `(P,)` places of the other.
        same: `(P,)` bool.
        people: `(P,)` who the first picture shows.
        gaps: `(P,)` years between the two.
    """

    pictures: list[Path]
    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    people: np.ndarray
    gaps: np.ndarray


def read_table(flags: argparse.Namespace) -> PairTable:
    """The list of pairs that the flags name, with people and ages as its folder's layout has them."""
    folder = flags.pictures or flags.pairs.parent
    pairs = read_pairs(flags.pairs, folder)
    known = {photograph.path: photograph for photograph in layout_of(flags, folder).read(folder).photographs}
    pictures = list(dict.fromkeys(path for pair in pairs for path in (pair.first, pair.second)))
    unknown = [path for path in pictures if path not in known]
    if unknown:
        raise SystemExit(
            f"{unknown[0]} has no age in the layout {flags.layout}, and {len(unknown) - 1} others."
        )
    places = {path: place for place, path in enumerate(pictures)}
    first, second = (np.array([places[getattr(pair, end)] for pair in pairs]) for end in ("first", "second"))
    years = np.array([known[path].years for path in pictures])
    people = np.array([str(known[path].identity) for path in pictures])
    same = np.array([pair.same for pair in pairs])
    return PairTable(pictures, first, second, same, people[first], np.abs(years[first] - years[second]))


def figures_of(scores: np.ndarray, same: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """`FIGURES` of `(P,)` similarities, see `protocols`."""
    verified, apart = protocols.verify(scores, same), gaps >= APART
    area = protocols.area_under(*protocols.roc(scores[apart], same[apart]))
    return np.array([verified.accuracy, verified.auc, verified.tar[FAR], area])


def draws_of(people: np.ndarray, count: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Places of the pairs of as many people, drawn with replacement; the same seed draws the same."""
    _, numbers = np.unique(people, return_inverse=True)
    rows = [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
    random = np.random.default_rng(seed)
    for _ in range(count):
        yield np.concatenate([rows[number] for number in random.integers(len(rows), size=len(rows))])


def compared(
    scores: Mapping[str, np.ndarray], table: PairTable, resamples: int
) -> dict[str, tuple[list[Estimate], list[Estimate]]]:
    """`FIGURES` of each recogniser, and their differences to the first one's on the same draws.

    Args:
        scores: `(P,)` similarities by the recogniser's name.
        table: The pairs.
        resamples: Draws of people.
    """
    measured = {}
    for name, values in scores.items():
        drawn = [
            figures_of(values[rows], table.same[rows], table.gaps[rows])
            for rows in draws_of(table.people, resamples)
        ]
        measured[name] = figures_of(values, table.same, table.gaps), np.array(drawn)
    value, spread = next(iter(measured.values()))
    people = len(np.unique(table.people))
    return {
        name: (_estimates(own, drawn, people), _estimates(own - value, drawn - spread, people))
        for name, (own, drawn) in measured.items()
    }


def _estimates(values: np.ndarray, drawn: np.ndarray, count: int) -> list[Estimate]:
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return [Estimate(float(v), float(a), float(b), count) for v, a, b in zip(values, low, high, strict=True)]


def markdown(figures: Mapping[str, tuple[list[Estimate], list[Estimate]]]) -> str:
    """Two tables: figures in percent, and differences to the first recogniser in points."""
    first = next(iter(figures))
    lines = [_line(["recogniser", *FIGURES]), _line(["---"] * (1 + len(FIGURES)))]
    lines += [_line([name, *(_cell(x, "") for x in own)]) for name, (own, _) in figures.items()]
    lines += ["", _line([f"minus {first}", *FIGURES]), _line(["---"] * (1 + len(FIGURES)))]
    others = list(figures.items())[1:]
    return "\n".join(lines + [_line([name, *(_cell(x, "+") for x in less)]) for name, (_, less) in others])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(figure: Estimate, sign: str) -> str:
    value, low, high = (f"{100 * x:{sign}.1f}" for x in (figure.value, figure.low, figure.high))
    return f"{value} ({low} to {high})"


def main(flags: argparse.Namespace) -> None:
    """Prints the tables."""
    from agetrans.recognition.recognisers import find_recogniser, read_views

    table, scores = read_table(flags), {}
    for run in flags.runs:
        views = read_views(find_recogniser(run), table.pictures)
        if views.unused:
            raise SystemExit(f"{run}: {views.unused[0][0]} cannot be used, {views.unused[0][1]}.")
        faces = views.fused("added")
        scores[Path(run).name] = (faces[table.first] * faces[table.second]).sum(axis=1)
    people = len(np.unique(table.people))
    print(f"{len(table.same):,} pairs, {int(table.same.sum()):,} of one person, {people:,} people\n")
    print(markdown(compared(scores, table, flags.resamples)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path, metavar="LIST", help="a list of pairs")
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="runs of train-recognition; the first is the measure"
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="folder of the list's names (the list's)"
    )
    parser.add_argument("--resamples", type=int, default=1000)
    add_layout_flags(parser, "how ages and people are written", "dal", split=False)
    main(parser.parse_args())
