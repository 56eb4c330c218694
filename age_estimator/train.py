"""Trains the small age estimator on framed photographs, helped by the teacher's latents.

python age_estimator/train.py --photos photos.npz --samples teacher/samples --out estimator.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

from agetrans.cli.console import (
    DONE,
    CommandError,
    SentenceParser,
    check_file,
    check_folder,
    run_console,
    shown,
)


def parse(argv: list[str]) -> argparse.Namespace:
    """Flags of the program; `argv[0]` is its name."""
    parser = SentenceParser(prog="train.py", description="Trains the small age estimator.")
    add = parser.add_argument
    add(
        "--photos",
        type=Path,
        required=True,
        metavar="FILE",
        help="framed photographs, from python -m agetrans.data.photographs",
    )
    add("--samples", type=Path, required=True, metavar="DIR", help="the teacher's samples")
    add("--out", type=Path, required=True, metavar="FILE", help="weights to write (.safetensors)")
    add("--start", type=Path, metavar="FILE", help="weights to go on from, such as those of an earlier run")
    add(
        "--steps",
        type=int,
        default=2400,
        metavar="N",
        help="training steps of 48 photographs and 16 teacher pictures (default: 2400)",
    )
    add("--seed", type=int, default=0, metavar="N", help="of weights and data (default: 0)")
    return parser.parse_args(argv[1:])


def run(flags: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    check_file(flags.photos)
    check_folder(flags.samples)
    if not any(flags.samples.glob("*.npz")):
        raise CommandError(
            f"There are no samples in {flags.samples}: python -m agetrans.data.teacher makes them."
        )
    if flags.start:
        check_file(flags.start)
    if flags.steps < 1:
        raise CommandError(f"--steps must be at least 1, not {flags.steps}.")
    from agetrans.startup import start_keras

    start_keras()
    from agetrans.training.age_estimator import train

    train(flags.photos, flags.samples, flags.out, flags.start, flags.steps, flags.seed)
    print(f"The weights are in {shown(flags.out)}")
    return DONE


if __name__ == "__main__":
    run_console(parse, run)
