"""`python test/main.py`, the entry that AgeTransGAN's users know: one photograph through all age groups."""

from __future__ import annotations

import argparse
from pathlib import Path

from agetrans.cli.ageing import Ageing, Wish, add_model_flags
from agetrans.cli.console import DONE, EXIT_CODES, SentenceParser, progress, run_console, shown

STEPS = 10
"""Pictures from one group to the next: 91 for ten groups, 31 for four."""


def parse(argv: list[str]) -> argparse.Namespace:
    """Flags of test/main.py; `argv[0]` is the program."""
    parser = SentenceParser(
        prog="main.py",
        description="Ages the person in a photograph through all age groups: pictures, a contact sheet and a film "
        "in test/result/<group>/<picture name>.",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "--file",
        type=Path,
        default=Path("img/1.jpg"),
        metavar="PHOTO",
        help="the photograph; relative paths: first from the current folder, then from test/ (default: img/1.jpg)",
    )
    parser.add_argument(
        "--img_size", type=int, default=1024, metavar="PIXELS", help="side of the pictures (default: 1024)"
    )
    parser.add_argument("--face", default="largest", metavar="largest|N", help="which face; 0 is the largest")
    add_model_flags(parser, batch_size=16)
    return parser.parse_args(argv[1:])


def console(home: Path) -> None:
    """Runs the program whose pictures and results are in `home`, the folder test/."""
    run_console(parse, lambda arguments: run(arguments, home))


def run(arguments: argparse.Namespace, home: Path) -> int:
    """Does what the flags say; returns the exit status."""
    ageing = Ageing(Wish.of(arguments, steps=STEPS, size=arguments.img_size))
    photo = arguments.file
    if not photo.exists() and (home / photo).exists():
        photo = home / photo
    folder = home / "result" / str(ageing.groups) / photo.stem
    count = ageing.age(photo, folder, progress)
    print(f"{count} pictures, a contact sheet and a film are in {shown(folder)}")
    print(ageing.timing())
    return DONE
