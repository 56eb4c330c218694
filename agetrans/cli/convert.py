"""`agetrans convert KIND FILE`: runs of `train.py` and other programs' checkpoints to snapshots."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from agetrans.cli import recognition_checkpoints
from agetrans.cli.console import DONE, CommandError, Kind, add_kinds, check_file, say, shown
from agetrans.framings import FRAMINGS

RUN_CARD = """# {name}

Made of a run of `train.py` ({size} pixels, age groups {group}, at most {kimg:g} thousand photographs). How good it is
has not been measured: `agetrans evaluate` does that.

```json
{settings}
```
"""
RUN_LICENSES = """# Whose terms these weights are under

Those of the photographs that they were trained on, and of the weights that they started from. Who passes them on
writes here what these are.
"""


def add_verb(verbs: Any, name: str) -> None:
    """Adds the verb, its kinds and their flags to the command."""
    parser = verbs.add_parser(
        name,
        help="make a snapshot of a run of train.py or of another program's checkpoint",
        description="Makes a snapshot of a run of train.py or of another program's checkpoint. "
        "Nothing that the file asks for is run.",
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


def _run_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="the run's folder, or one of its weights files")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the snapshot to write")
    parser.add_argument(
        "--framing",
        choices=FRAMINGS,
        default="ffhq",
        help="how the photographs of the run were framed (default: ffhq)",
    )


def _run(arguments: argparse.Namespace) -> int:
    from agetrans.startup import start_keras

    start_keras()
    from agetrans.data.labelled import DataError, parse_groups
    from agetrans.snapshot import save_snapshot
    from agetrans.training.build import read_run

    try:
        settings, generator = read_run(arguments.run)
    except DataError as error:
        raise CommandError(str(error)) from error
    if settings.model == "agetrans" and arguments.framing != "ffhq":
        raise CommandError(
            "AgeTrans changes what lies around the head in the ffhq framing: prepare its photographs with that."
        )
    facts = {"size": settings.size, "group": settings.group, "kimg": settings.kimg}
    card = RUN_CARD.format(name=arguments.out.name, settings=settings.to_json(), **facts)
    save_snapshot(
        generator,
        parse_groups(settings.group),
        arguments.out,
        card=card,
        licenses=RUN_LICENSES,
        framing=arguments.framing,
    )
    print(f"The snapshot is in {shown(arguments.out)}")
    return DONE


KINDS = {
    "run": Kind("a run of train.py", _run_flags, _run),
    "agetransgan": Kind("a checkpoint of the official AgeTransGAN", _agetransgan_flags, _agetransgan),
    **recognition_checkpoints.KINDS,
}
