"""`agetrans transform`: photographs in, the people in them at other ages out."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from agetrans.cli.ageing import Ageing, Wish, add_model_flags
from agetrans.cli.console import (
    DONE,
    EXIT_CODES,
    SOME_FAILED,
    CommandError,
    are,
    check_out,
    counted,
    progress,
    shown,
)
from agetrans.cli.films import age_films, is_film

LISTED = 20
"""Photographs that could not be used and are named on the terminal; all are in the report."""


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
        "photo",
        type=Path,
        metavar="PHOTO_OR_FOLDER",
        help="a photograph, a folder of them, or a film (mp4, mov, mkv, webm, avi)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("result"), metavar="DIR", help="where to (default: result)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--ages",
        "--age",
        type=_ages,
        metavar="5,25,70",
        help="ages in years; without it, all age groups; a film needs one or more",
    )
    what.add_argument(
        "--steps", type=int, metavar="N", help="pictures from one age group to the next (default: 1)"
    )
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
        "--film", action=argparse.BooleanOptionalAction, help="an mp4 (default: with --steps)"
    )
    parser.add_argument(
        "--sheet", action=argparse.BooleanOptionalAction, default=True, help="a contact sheet"
    )
    parser.add_argument(
        "--format", choices=["png", "jpg"], default="png", help="of the pictures (default: png)"
    )
    add_model_flags(parser, batch_size=4)
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that share a folder (default: 1)"
    )
    parser.add_argument(
        "--runner",
        metavar="NAME",
        help="age a folder on this Apache Beam runner, such as DirectRunner or FlinkRunner",
    )
    parser.add_argument(
        "--beam_option",
        action="append",
        default=[],
        metavar="FLAG",
        help="a flag of that runner; may be repeated",
    )
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
    wish = Wish.of(
        arguments,
        paste=not arguments.crop,
        kind=f".{arguments.format}",
        film=(arguments.steps or 1) > 1 if arguments.film is None else arguments.film,
    )
    check_out(arguments.out)
    ageing = Ageing(wish)
    if arguments.workers < 1:
        raise CommandError(f"--workers must be at least 1, not {arguments.workers}.")
    if not arguments.photo.is_dir() and (arguments.workers > 1 or arguments.runner):
        raise CommandError("--workers and --runner share out a folder of photographs, and this is a file.")
    if arguments.photo.is_dir():
        status = _folder(ageing, arguments)
    elif is_film(arguments.photo):
        status = age_films(ageing, arguments.photo, arguments.out)
    else:
        status = _photo(ageing, arguments)
    if arguments.timing:
        print(ageing.timing())
    return status


def _photo(ageing: Ageing, arguments: argparse.Namespace) -> int:
    folder = arguments.out / arguments.photo.stem
    written = ageing.age(arguments.photo, folder, progress)
    print(f"{counted(written, 'picture')} {are(written)} in {shown(folder)}")
    return DONE


def _folder(ageing: Ageing, arguments: argparse.Namespace) -> int:
    from agetrans.inference.folder import do_jobs, job_doer, outcome_of, plan_jobs, write_report

    photos = _photos(arguments.photo)
    stems = Counter(photo.stem for photo in photos)
    folders = [arguments.out / (photo.stem if stems[photo.stem] == 1 else photo.name) for photo in photos]
    jobs = plan_jobs(photos, folders, arguments.out, ageing.signature())
    known = {job: outcome for job in jobs if (outcome := outcome_of(job)) is not None and outcome.is_settled}
    outcomes = list(known.values())
    left = [job for job in jobs if job not in known]
    if outcomes:
        print(f"Looked at before and left alone: {len(outcomes)} of {counted(len(jobs), 'photograph')}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    workers = min(arguments.workers, max(1, len(left)))
    make_ager = partial(Ageing, ageing.wish) if workers > 1 or arguments.runner else lambda: ageing
    try:
        if arguments.runner and left:
            from agetrans.pipelines import spread

            spread(left, partial(job_doer, make_ager), arguments.runner, arguments.beam_option)
            outcomes += [outcome for job in left if (outcome := outcome_of(job)) is not None]
        else:
            for outcome in progress(do_jobs(left, make_ager, workers), "Photographs", len(left)):
                outcomes.append(outcome)
    finally:
        report = write_report(outcomes, arguments.out)
    failures = sorted(f"{each.photograph}: {each.reason}" for each in outcomes if not each.is_done)
    done = len(outcomes) - len(failures)
    of_all = f"{done} of {counted(len(photos), 'photograph')} {are(done)} done"
    print(f"{of_all}, a folder for each is in {shown(arguments.out)}")
    for failure in failures[:LISTED]:
        print(f"agetrans: {failure}", file=sys.stderr)
    if len(failures) > LISTED:
        print(f"agetrans: and {len(failures) - LISTED} more, all of them in {shown(report)}", file=sys.stderr)
    return SOME_FAILED if done < len(photos) else DONE


def _photos(folder: Path) -> list[Path]:
    from agetrans.pictures import SUFFIXES, pictures_in

    photos = pictures_in(folder)
    if not photos:
        raise CommandError(
            f"There is no photograph in {folder}; endings that are looked for: {', '.join(SUFFIXES)}."
        )
    return photos
