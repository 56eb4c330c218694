"""`python test/main.py`, the entry that AgeTransGAN's users know: one photograph through all age groups."""

from __future__ import annotations

import argparse
from pathlib import Path

from agetrans.cli.ageing import FRAMINGS, PRECISIONS, Ageing, Wish
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
        "--group", type=int, default=10, metavar="N", help="number of age groups, 10 or 4 (default: 10)"
    )
    parser.add_argument(
        "--img_size", type=int, default=1024, metavar="PIXELS", help="side of the pictures (default: 1024)"
    )
    parser.add_argument(
        "--batch_size",
        type=int,
        default=16,
        metavar="N",
        help="pictures computed at once, fewer where memory is short (default: 16)",
    )
    parser.add_argument(
        "--snapshot",
        metavar="MODEL",
        help="a name, a folder, or AgeTransGAN's own .pt (default: agetrans_10group or agetrans_4group)",
    )
    parser.add_argument("--face", default="largest", metavar="largest|N", help="which face; 0 is the largest")
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
    return parser.parse_args(argv[1:])


def console(home: Path) -> None:
    """Runs the program whose pictures and results are in `home`, the folder test/."""
    run_console(parse, lambda arguments: run(arguments, home))


def run(arguments: argparse.Namespace, home: Path) -> int:
    """Does what the flags say; returns the exit status."""
    ageing = Ageing(
        Wish(
            group=arguments.group,
            snapshot=arguments.snapshot,
            ages=None,
            steps=STEPS,
            face=arguments.face,
            paste=False,
            size=arguments.img_size,
            seed=arguments.seed,
            framing=arguments.framing,
            precision=arguments.precision,
            batch_size=arguments.batch_size,
            kind=".png",
            sheet=True,
            film=True,
        )
    )
    photo = arguments.file
    if not photo.exists() and (home / photo).exists():
        photo = home / photo
    folder = home / "result" / str(arguments.group) / photo.stem
    count = ageing.age(photo, folder, progress)
    print(f"{count} pictures, a contact sheet and a film are in {shown(folder)}")
    print(ageing.timing())
    return DONE
