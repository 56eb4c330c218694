"""Frames labelled photographs once, for training: one face a picture, 256 pixels, in one file.

python -m agetrans.data.photographs --labels labels.csv --pictures DIR --out photos.npz
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from agetrans.cli.console import DONE, CommandError, SentenceParser, run_console, shown

TAKEN = ("pictures", "age", "male", "file", "path", "allow_pickle")
"""Names that the file, or what writes it, uses itself."""


def main(flags: argparse.Namespace) -> int:
    """Writes the file that the flags ask for; returns the exit status."""
    import numpy as np
    from tqdm import tqdm

    from agetrans.data.framed import frame
    from agetrans.files import save_npz
    from agetrans.pictures import PictureError, read_picture

    sets = zip(flags.labels, flags.pictures, flags.pad or [0] * len(flags.labels), strict=True)
    rows = []
    for labels, folder, pad in sets:
        with open(labels, newline="", encoding="utf-8") as file:
            rows += [
                (Path(folder) / row["file"], row, pad)
                for row in csv.DictReader(file)
                if row["split"] == flags.split
            ]
    missing = [name for name in flags.keep if any(row.get(name) is None for _, row, _ in rows)]
    if missing:
        raise CommandError(f"--keep: the labels have photographs without {' and without '.join(missing)}.")
    try:
        years = [min(float(row["age"]), 100.0) for _, row, _ in rows]
    except ValueError as error:
        raise CommandError(f"The ages of --labels must be numbers ({error}).") from None
    pictures, ages, kept, unused = [], [], [], []
    for (path, row, pad), age in zip(tqdm(rows, unit="photograph"), years, strict=True):
        try:
            crop = frame(read_picture(path), pad)
        except PictureError:
            crop = None
        if crop is None:
            unused.append(str(path))
            continue
        pictures.append(crop)
        ages.append(age)
        kept.append(row)
    if not pictures:
        raise CommandError(f"No face of a photograph with the split {flags.split!r} could be framed.")
    save_npz(
        Path(flags.out),
        pictures=np.stack(pictures),
        age=np.array(ages, np.float32),
        male=np.array([row["gender"] == "m" for row in kept], np.float32),
        **{name: np.array([row[name] for row in kept]) for name in flags.keep},
    )
    print(
        f"Wrote {len(pictures)} photographs to {shown(Path(flags.out))}; {len(unused)} could not be used:",
        *unused,
        sep="\n  ",
    )
    return DONE


def parse(argv: list[str]) -> argparse.Namespace:
    """The flags of a command line; refuses in one sentence sets that are not complete."""
    parser = SentenceParser(
        prog="python -m agetrans.data.photographs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--labels",
        action="append",
        required=True,
        help="CSV with the columns file, split, age, gender (m or f); may be repeated",
    )
    add(
        "--pictures",
        action="append",
        required=True,
        help="folder of the pictures of each --labels, in the same order",
    )
    add(
        "--pad",
        action="append",
        type=int,
        help="pixels of reflection around the pictures of each --labels: tight crops need some",
    )
    add(
        "--keep",
        action="append",
        default=[],
        metavar="COLUMN",
        help="column to keep as text; may be repeated",
    )
    add("--split", default="train", help="rows with this split are taken")
    add("--out", required=True, help="the .npz to write")
    flags = parser.parse_args(argv[1:])
    for name in ("pictures", "pad"):
        given = getattr(flags, name)
        if given and len(given) != len(flags.labels):
            parser.error(f"--{name} is needed once for each --labels: {len(given)} for {len(flags.labels)}")
    for name in flags.keep:
        if name in TAKEN:
            parser.error(f"--keep {name}: a column of this name cannot be kept")
    for path in (*flags.labels, *flags.pictures):
        if not Path(path).exists():
            parser.error(f"there is no {path}")
    return flags


if __name__ == "__main__":
    run_console(parse, main)
