"""`agetrans prepare`: finds and frames the faces of labelled photographs once, for training."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from agetrans.cli.console import DONE, CommandError, are, check_folder, counted, shown
from agetrans.cli.layouts import add_layout_flags, layout_of

EPILOG = """
layouts: ffhq-aging, morph, cacd, utkface, all-age-faces, fg-net (ages in a CSV or in the file names as these sets have
them), dal (person/000_12.jpg), mtlface (a list of 'id filename age gender'), iefp (person/05179510_age_39.jpg), csv
(columns file and age, if you like gender, identity and split). A run that is cut off goes on where it stopped.
"""


def add_verb(verbs: Any, name: str) -> None:
    """Adds the verb and its flags to the command."""
    parser = verbs.add_parser(
        name,
        help="find and frame the faces of labelled photographs, for training",
        description="Finds the face in every photograph of a labelled collection, cuts it out, and writes shards that "
        "train.py reads.",
        epilog=EPILOG,
    )
    add = parser.add_argument
    add("photographs", type=Path, metavar="FOLDER", help="the collection")
    add(
        "--out",
        type=Path,
        default=Path("data/prepared"),
        metavar="DIR",
        help="where to (default: data/prepared)",
    )
    add_layout_flags(parser)
    add(
        "--group",
        default="10",
        metavar="N",
        help="age groups of the report: 10, 4, or lower bounds 15,30,40,50",
    )
    add(
        "--framing",
        choices=["ffhq", "agetransgan", "none"],
        default="ffhq",
        help="none: they are framed already",
    )
    add("--size", type=int, default=256, metavar="PIXELS", help="side of the faces (default: 256)")
    add("--pad", type=int, default=0, metavar="PIXELS", help="reflection around tight crops (default: 0)")
    add(
        "--format",
        choices=["jpg", "png"],
        default="jpg",
        help="of the faces inside the shards (default: jpg)",
    )
    add("--shard_size", type=int, default=256, metavar="N", help="photographs a shard (default: 256)")
    add("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: one a core)")
    add(
        "--runner", metavar="NAME", help="run on this Apache Beam runner, such as DirectRunner or FlinkRunner"
    )
    add(
        "--beam_option",
        action="append",
        default=[],
        metavar="FLAG",
        help="a flag of that runner; may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    from agetrans.data.labelled import DataError

    try:
        return _prepare(arguments)
    except DataError as error:
        raise CommandError(str(error)) from error


def _prepare(arguments: argparse.Namespace) -> int:
    from agetrans.data import prepare
    from agetrans.data.labelled import check_groups, describe_groups, parse_groups, suspicious_identities
    from agetrans.data.shards import Shards
    from agetrans.data.unused import UNUSED_FILE

    check_folder(arguments.photographs)
    if arguments.size < 16 or arguments.shard_size < 1 or arguments.jobs < 1:
        raise CommandError("--size must be 16 or more, --shard_size and --jobs 1 or more.")
    age_groups = parse_groups(arguments.group)
    layout = layout_of(arguments, arguments.photographs)
    found = layout.read(arguments.photographs)
    if not found.photographs:
        raise CommandError(
            f"No photograph of {arguments.photographs} could be read as {layout.name}"
            + (f": {found.unused[0][0]}: {found.unused[0][1]}." if found.unused else ".")
        )
    print(f"{counted(len(found.photographs), 'photograph')}, layout {layout.name}")
    for sentence in suspicious_identities(found.photographs):
        print(f"Careful: {sentence}", file=sys.stderr)
    framing = prepare.Framing(arguments.framing, arguments.size, arguments.pad, f".{arguments.format}")
    shards = prepare.plan_shards(found.photographs, arguments.out, framing, arguments.shard_size)
    _make(shards, arguments)
    unused = prepare.write_unused(shards, found.unused, arguments.out)
    years = Shards(arguments.out).years.tolist()
    faces = f"{counted(len(years), 'face')} of {arguments.size} pixels {are(len(years))}"
    print(f"{faces} in {shown(arguments.out)}")
    print("\n".join(describe_groups(years, age_groups)))
    if unused:
        print(f"{unused:,} could not be used: {shown(arguments.out / UNUSED_FILE)} says why")
    try:
        warnings = check_groups(years, age_groups)
    except ValueError as error:
        warnings = [str(error)]
    for sentence in warnings:
        print(f"Careful: {sentence}", file=sys.stderr)
    return DONE


def _make(shards: list[Any], arguments: argparse.Namespace) -> None:
    from tqdm import tqdm

    from agetrans.data.prepare import make_shard, make_shards, missing_shards
    from agetrans.pipelines import spread

    missing = missing_shards(shards)
    if len(missing) < len(shards):
        made = len(shards) - len(missing)
        print(f"{made} of {counted(len(shards), 'shard')} {are(made)} there already")
    if arguments.runner:
        spread(missing, lambda: make_shard, arguments.runner, arguments.beam_option)
        return
    with tqdm(
        total=sum(len(shard.photographs) for shard in missing),
        unit="photograph",
        disable=None,
        file=sys.stderr,
    ) as bar:
        for shard in make_shards(missing, min(arguments.jobs, max(1, len(missing)))):
            bar.update(len(shard.photographs))
