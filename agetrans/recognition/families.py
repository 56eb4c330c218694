"""The teacher's families as a collection of faces for recognition: `PERSON/NUMBER_AGE.png` and a list of pairs.

    python -m agetrans.recognition.families families/ --out faces/ --size 112 --first 0 --people 160

The people are synthetic and the ages those that the teacher was asked for; layout `dal` reads them.
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from absl import app
from absl.flags import argparse_flags

from agetrans.files import write_text
from agetrans.pictures import write_picture
from agetrans.recognition.alignment import align, five_of_68

PAIRS_FILE = "pairs.csv"


def read_families(
    folder: Path, first: int, people: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """People of shards of families: name, pictures `(F, 256, 256, 3)`, years `(F,)`, landmarks `(F, 68, 2)`.

    Args:
        folder: Of the shards, see `agetrans.data.teacher.families`.
        first: How many people are passed over.
        people: How many are read at most.
    """
    passed = 0
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as shard:
            years = shard["intended"]
            if passed + len(years) <= first:
                passed += len(years)
                continue
            pictures, landmarks = shard["pictures"], shard["landmarks"]
        for row in range(len(years)):
            passed += 1
            if first < passed <= first + people:
                yield f"{path.stem}-{row:02}", pictures[row], years[row], landmarks[row]
        if passed >= first + people:
            return


def write_people(
    folder: Path, out: Path, size: int | None, first: int, people: int
) -> tuple[list[str], np.ndarray]:
    """Writes people's pictures.

    Args:
        folder: Of the shards.
        out: Where to.
        size: Side of faces on recognition's template; None for the pictures as they are, framed as FFHQ's.
        first: See `read_families`.
        people: See `read_families`.

    Returns:
        Names of the files, person by person, and years `(people, F)`.
    """
    names, ages = [], []
    for name, pictures, years, landmarks in read_families(folder, first, people):
        for number, (picture, age) in enumerate(zip(pictures, years, strict=True)):
            if size is not None:
                picture = align(picture, five_of_68(landmarks[number]), size)
            path = out / name / f"{number:03}_{round(float(age))}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(path, picture)
            names.append(f"{name}/{path.name}")
        ages.append(years)
    return names, np.array(ages)


def cross_age_pairs(years: np.ndarray, seed: int = 0) -> list[tuple[int, int, bool]]:
    """All pairs of one person, and for each a pair of two people of the same ages as nearly as can be.

    So neither the years between two pictures nor the ages themselves tell what a pair is.

    Args:
        years: `(P, F)` ages of the people's pictures.
        seed: Which other person is taken.

    Returns:
        Places of the pictures (person times F plus number), and whether both show one person.
    """
    random = np.random.default_rng(seed)
    people, frames = years.shape
    pairs = []
    for person in range(people):
        for a in range(frames):
            for b in range(a + 1, frames):
                pairs.append((person * frames + a, person * frames + b, True))
                other = (person + random.integers(1, people)) % people
                nearest = int(np.argmin(np.abs(years[other] - years[person, b])))
                pairs.append((person * frames + a, int(other) * frames + nearest, False))
    return pairs


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse_flags.ArgumentParser(prog=argv[0], description=__doc__)
    parser.add_argument("families", type=Path, help="folder of the teacher's families")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--size",
        type=int,
        metavar="N",
        help="faces on recognition's template (default: pictures as they are)",
    )
    parser.add_argument("--first", type=int, default=0, metavar="N", help="people to pass over (default: 0)")
    parser.add_argument(
        "--people", type=int, default=10**9, metavar="N", help="people at most (default: all)"
    )
    return parser.parse_args(argv[1:])


def main(flags: argparse.Namespace) -> None:
    """Writes what the flags say."""
    names, years = write_people(flags.families, flags.out, flags.size, flags.first, flags.people)
    if not names:
        raise SystemExit(f"There are no families in {flags.families}, or fewer than --first passes over.")
    pairs = cross_age_pairs(years) if len(years) > 1 else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file_a", "file_b", "same"])
    writer.writerows([names[a], names[b], int(same)] for a, b, same in pairs)
    write_text(flags.out / PAIRS_FILE, text.getvalue())
    print(f"{len(names):,} pictures of {len(years):,} people and {len(pairs):,} pairs are in {flags.out}")


if __name__ == "__main__":
    app.run(main, flags_parser=_parse)
