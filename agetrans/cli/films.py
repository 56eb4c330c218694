"""Films on the command line: `agetrans transform clip.mp4 --age 70`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agetrans.cli.console import DONE, CommandError, progress, shown

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
    if not wish.paste or wish.size is not None or wish.seed is not None:
        raise CommandError("Films are aged as a whole: --crop, --size and --seed are for photographs.")
    from agetrans.inference.filmsource import read_facts
    from agetrans.inference.sequence import named_by_age

    read_facts(source)
    out.mkdir(parents=True, exist_ok=True)
    transformer = ageing.frame_transformer()
    from agetrans.inference.refilm import age_film

    for years, name in zip(wish.ages, named_by_age(wish.ages), strict=True):
        target = out / f"{source.stem}_{name}.mp4"
        frames = age_film(
            transformer, source, target, years, which=wish.face, model=ageing.signature(), track=progress
        )
        print(f"{frames} frames are in {shown(target)}")
    return DONE
