"""`agetrans export KIND SNAPSHOT`: snapshots to the files of other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from agetrans.cli.console import DONE, CommandError, Kind, add_kinds, shown


def add_verb(verbs: Any, name: str) -> None:
    """Adds the verb, its kinds and their flags to the command."""
    parser = verbs.add_parser(
        name,
        help="write a snapshot for another program",
        description="Writes a snapshot as a file that another program reads.",
    )
    add_kinds(parser, KINDS)


def run(arguments: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    return KINDS[arguments.kind].run(arguments)


def _agetransgan_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("snapshot", metavar="SNAPSHOT", help="a snapshot of the model AgeTransGAN")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.pt", help="the checkpoint to write")


def _agetransgan(arguments: argparse.Namespace) -> int:
    from agetrans.snapshot import find_snapshot, load_snapshot, read_config

    if arguments.out.is_dir():
        raise CommandError(f"--out must be a file, and {arguments.out} is a folder.")
    folder = find_snapshot(arguments.snapshot)
    model = read_config(folder).model_class
    if model != "AgeTransGAN":
        raise CommandError(f"{folder} holds an {model}, and the authors' program runs AgeTransGAN alone.")
    snapshot = load_snapshot(folder)
    from agetrans.conversion import agetransgan

    agetransgan.save(snapshot.generator, arguments.out)
    print(f"The checkpoint is {shown(arguments.out)}")
    return DONE


KINDS = {
    "agetransgan": Kind("a checkpoint for the official program (PyTorch)", _agetransgan_flags, _agetransgan),
}
