"""`python age_estimator/main_test.py`, the entry that AgeTransGAN's users know: the ages of a folder's faces as CSV."""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agetrans.cli.console import (
    DONE,
    EXIT_CODES,
    SOME_FAILED,
    CommandError,
    SentenceParser,
    are,
    check_folder,
    counted,
    progress,
    run_console,
    shown,
)

if TYPE_CHECKING:
    import numpy as np

    from agetrans.evaluation.estimators import Estimator

_BATCH = 32


def parse(argv: list[str]) -> argparse.Namespace:
    """Flags of age_estimator/main_test.py; `argv[0]` is the program."""
    parser = SentenceParser(
        prog="main_test.py",
        description="Estimates the age of the largest face of every picture in a folder: rows file,age. A second run "
        "goes on where the first one stopped.",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "-path", "--pred_path", type=Path, required=True, metavar="FOLDER", help="pictures, framed or not"
    )
    parser.add_argument(
        "-out",
        "--outcsv",
        type=Path,
        required=True,
        metavar="FILE",
        help="rows to write; .csv is added if missing",
    )
    parser.add_argument(
        "-pm",
        "--pred_model",
        type=Path,
        metavar="FILE",
        help="weights: a .safetensors of train.py, or the authors' PyTorch file (default: the shipped small ones)",
    )
    parser.add_argument(
        "--framed",
        action="store_true",
        help="the pictures are cropped faces already: take them whole, as the authors' program does",
    )
    return parser.parse_args(argv[1:])


def console() -> None:
    """Runs the program."""
    run_console(parse, run)


def run(arguments: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    from agetrans.evaluation.errors import EvaluationError
    from agetrans.evaluation.estimators import find_estimator
    from agetrans.pictures import pictures_in

    folder, table = arguments.pred_path, arguments.outcsv
    check_folder(folder)
    if table.suffix.lower() != ".csv":
        table = table.with_name(f"{table.name}.csv")
    try:
        estimator = find_estimator(arguments.pred_model)
    except EvaluationError as error:
        raise CommandError(str(error)) from None
    pictures = pictures_in(folder)
    if not pictures:
        raise CommandError(f"There is no picture in {folder}.")
    ages = Ages(table, {"weights": estimator.name, "framed": arguments.framed})
    waiting = [path for path in pictures if path.name not in ages.rows]
    if len(waiting) < len(pictures):
        known = len(pictures) - len(waiting)
        print(f"{known} of {counted(len(pictures), 'picture')} {are(known)} in {shown(table)} already")
    try:
        unusable = _estimate(estimator, waiting, arguments.framed, ages)
    except EvaluationError as error:
        raise CommandError(str(error)) from None
    print(f"The ages of {len(ages.rows)} of {counted(len(pictures), 'picture')} are in {shown(table)}")
    for sentence in unusable:
        print(f"agetrans: {sentence}", file=sys.stderr)
    return SOME_FAILED if unusable else DONE


class Ages:
    """Rows `file,age` on disk, whole at any moment.

    Args:
        path: the CSV; what is in it already is kept.
        made_with: what ages depend on; it is kept beside the rows, so that ages of different origin never mix.

    Raises:
        CommandError: rows that were made with something else.
    """

    def __init__(self, path: Path, made_with: dict[str, object]) -> None:
        self._path, self._record, self._made_with = path, path.with_suffix(".json"), made_with
        self.rows: dict[str, str] = {}
        if path.exists():
            before = json.loads(self._record.read_text(encoding="utf-8")) if self._record.exists() else None
            if before != made_with:
                raise CommandError(
                    f"{path} was not written with these weights and flags: name another file, or remove it."
                )
            with path.open(newline="", encoding="utf-8") as file:
                self.rows = {row[0]: row[1] for row in csv.reader(file) if len(row) == 2}

    def add(self, names: list[str], years: np.ndarray) -> None:
        """Adds rows, ages rounded to whole years and written as the authors do: `23.0`."""
        from agetrans.files import write_text

        for name, age in zip(names, years, strict=True):
            self.rows[name] = str(float(round(float(age))))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(self.rows.items())
        write_text(self._record, json.dumps(self._made_with) + "\n")
        write_text(self._path, text.getvalue())


def _estimate(estimator: Estimator, paths: list[Path], framed: bool, ages: Ages) -> list[str]:
    """Adds the ages of all pictures; returns a sentence for each that has none."""
    from agetrans.evaluation.people import frame_photograph
    from agetrans.faces import FaceNotFound
    from agetrans.pictures import PictureError, read_picture

    unusable: list[str] = []
    names: list[str] = []
    pictures: list[np.ndarray] = []
    for path in progress(paths, "Pictures", len(paths)):
        try:
            picture = read_picture(path)
            if not framed:
                picture = frame_photograph(picture, estimator.framing, estimator.size)[0]
        except (PictureError, FaceNotFound) as error:
            unusable.append(f"{path.name}: {error}")
            continue
        names.append(path.name)
        pictures.append(picture)
        if len(names) == _BATCH:
            ages.add(names, estimator.read(pictures)[:, 0])
            names, pictures = [], []
    if names:
        ages.add(names, estimator.read(pictures)[:, 0])
    return unusable
