"""`agetrans convert KIND FILE`: other programs' checkpoints to snapshots."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from agetrans.cli import recognition_checkpoints
from agetrans.cli.console import DONE, Kind, add_kinds, check_file, say, shown


def add_verb(verbs: Any, name: str) -> None:
    """Adds the verb, its kinds and their flags to the command."""
    parser = verbs.add_parser(
        name,
        help="make a snapshot of another program's checkpoint",
        description="Makes a snapshot of another program's checkpoint. Nothing that the file asks for is run.",
    )
    add_kinds(parser, KINDS)


def run(arguments: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    return KINDS[arguments.kind].run(arguments)


def _agetransgan_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.pt", help="the checkpoint")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="the snapshot to write (default: the file's name in snapshot/)",
    )
    parser.add_argument(
        "--bounds",
        type=_bounds,
        metavar="0,13,20,40",
        help="lower bounds of its age groups in years, where there are neither 10 nor 4",
    )


def _bounds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"bounds are whole years with commas between, such as 0,13,20,40, not {text!r}"
        ) from None


def _agetransgan(arguments: argparse.Namespace) -> int:
    from agetrans.snapshot import convert_agetransgan

    check_file(arguments.file)
    out = arguments.out or Path("snapshot") / arguments.file.stem
    folder = convert_agetransgan(arguments.file, out, arguments.bounds, say)
    print(f"The snapshot is in {shown(folder)}")
    return DONE


KINDS = {
    "agetransgan": Kind("a checkpoint of the official AgeTransGAN", _agetransgan_flags, _agetransgan),
    **recognition_checkpoints.KINDS,
}
