"""`agetrans transform`: photographs in, the people in them at other ages out."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from agetrans.cli.ageing import FRAMINGS, PRECISIONS, Ageing, Wish
from agetrans.cli.console import DONE, EXIT_CODES, SOME_FAILED, CommandError, expected_errors, progress, shown


def add_verb(verbs: Any, name: str) -> None:
    """Adds the verb and its flags to the command."""
    parser = verbs.add_parser(
        name,
        help="show the people in photographs at other ages",
        description="Shows the person in a photograph, or in every photograph of a folder, at other ages: ten age "
        "groups, or the ages you name.",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "photo", type=Path, metavar="PHOTO_OR_FOLDER", help="a photograph, or a folder of them"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("result"), metavar="DIR", help="where to (default: result)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--ages", type=_ages, metavar="5,25,70", help="ages in years; without it, all age groups"
    )
    what.add_argument(
        "--steps", type=int, metavar="N", help="pictures from one age group to the next (default: 1)"
    )
    parser.add_argument("--group", type=int, metavar="N", help="number of age groups, 10 or 4 (default: 10)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--paste", action="store_true", help="the whole photograph with the face changed (default)"
    )
    where.add_argument("--crop", action="store_true", help="only the face, cut out")
    parser.add_argument(
        "--size", type=int, metavar="PIXELS", help="side of the crop (default: 1024, or the face's own)"
    )
    parser.add_argument(
        "--face", default="largest", metavar="largest|all|N", help="which face; 0 is the largest"
    )
    parser.add_argument(
        "--snapshot",
        metavar="MODEL",
        help="a name, a folder, or AgeTransGAN's own .pt (default: agetrans_10group)",
    )
    parser.add_argument(
        "--film", action=argparse.BooleanOptionalAction, help="an mp4 (default: with --steps)"
    )
    parser.add_argument(
        "--sheet", action=argparse.BooleanOptionalAction, default=True, help="a contact sheet"
    )
    parser.add_argument(
        "--format", choices=["png", "jpg"], default="png", help="of the pictures (default: png)"
    )
    parser.add_argument(
        "--batch_size",
        type=int,
        default=4,
        metavar="N",
        help="pictures computed at once, fewer where memory is short (default: 4)",
    )
    parser.add_argument(
        "--framing",
        choices=FRAMINGS,
        help="how the face is cut out: as AgeTransGAN's program does, or FFHQ's (default: what the model is used to)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="bfloat16 is faster on newer processors, and less exact (default: float32)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seeds the model's noise (default: no noise)")
    parser.add_argument("--timing", action="store_true", help="say where the time went")


def _ages(text: str) -> list[float]:
    try:
        return list(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"ages are years with commas between, such as 5,25,70, not {text!r}"
        ) from None


def run(arguments: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    wish = Wish(
        group=arguments.group,
        snapshot=arguments.snapshot,
        ages=arguments.ages,
        steps=arguments.steps,
        face=arguments.face,
        paste=not arguments.crop,
        size=arguments.size,
        seed=arguments.seed,
        framing=arguments.framing,
        precision=arguments.precision,
        batch_size=arguments.batch_size,
        kind=f".{arguments.format}",
        sheet=arguments.sheet,
        film=(arguments.steps or 1) > 1 if arguments.film is None else arguments.film,
    )
    if arguments.out.exists() and not arguments.out.is_dir():
        raise CommandError(f"--out must be a folder, and {arguments.out} is a file.")
    ageing = Ageing(wish)
    status = _folder(ageing, arguments) if arguments.photo.is_dir() else _photo(ageing, arguments)
    if arguments.timing:
        print(ageing.timing())
    return status


def _photo(ageing: Ageing, arguments: argparse.Namespace) -> int:
    folder = arguments.out / arguments.photo.stem
    written = ageing.age(arguments.photo, folder, progress)
    print(f"{written} pictures are in {shown(folder)}")
    return DONE


def _folder(ageing: Ageing, arguments: argparse.Namespace) -> int:
    photos = _photos(arguments.photo)
    stems = Counter(photo.stem for photo in photos)
    failures = []
    for photo in progress(photos, "Photographs", len(photos)):
        name = photo.stem if stems[photo.stem] == 1 else photo.name
        try:
            ageing.age(photo, arguments.out / name)
        except expected_errors() as error:
            if isinstance(error, CommandError):
                raise
            failures.append(f"{photo.name}: {error}")
    done = len(photos) - len(failures)
    print(f"{done} of {len(photos)} photographs are done, a folder for each is in {shown(arguments.out)}")
    for failure in failures:
        print(f"agetrans: {failure}", file=sys.stderr)
    return SOME_FAILED if failures else DONE


def _photos(folder: Path) -> list[Path]:
    from agetrans.pictures import SUFFIXES

    photos = sorted(
        entry for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES and entry.is_file()
    )
    if not photos:
        raise CommandError(
            f"There is no photograph in {folder}; endings that are looked for: {', '.join(SUFFIXES)}."
        )
    return photos
