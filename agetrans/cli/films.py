"""Films on the command line: `agetrans transform clip.mp4 --age 70`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agetrans.cli.console import DONE, CommandError, are, counted, progress, shown

if TYPE_CHECKING:
    from agetrans.cli.ageing import Ageing

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
"""Endings, in lower case, that are taken for films."""


def is_film(path: Path) -> bool:
    """Whether the name is that of a film."""
    return path.suffix.lower() in SUFFIXES


def age_films(ageing: Ageing, source: Path, out: Path) -> int:
    """Writes a film for each age that was asked for; returns the exit status.

    Raises:
        CommandError: no age, or crops were asked for.
        FilmError: the film cannot be read.
        FaceNotFound: nobody in it.
    """
    wish = ageing.wish
    if not wish.ages:
        raise CommandError("A film is shown at one age: say which, such as --age 70.")
    if not wish.paste or wish.size is not None or wish.seed is not None or wish.landmarks != 5:
        raise CommandError(
            "Films are aged as a whole: --crop, --size, --seed and --landmarks 68 are for photographs."
        )
    from agetrans.inference.filmsource import read_facts
    from agetrans.inference.sequence import named_by_age

    read_facts(source)
    out.mkdir(parents=True, exist_ok=True)
    transformer = ageing.frame_transformer()
    from agetrans.inference.refilm import age_film

    name = _name(source)
    targets = {
        years: out / f"{name}_{age}.mp4"
        for years, age in zip(wish.ages, named_by_age(wish.ages), strict=True)
    }
    films = age_film(transformer, source, targets, which=wish.face, model=ageing.signature(), track=progress)
    for target, frames in films:
        print(f"{counted(frames, 'frame')} {are(frames)} in {shown(target)}")
    return DONE


def _name(source: Path) -> str:
    """What the films that are made of one are called: with its ending where another beside it differs in that alone."""
    same = [path for path in source.parent.iterdir() if path.stem == source.stem and is_film(path)]
    return source.stem if len(same) == 1 else source.name
