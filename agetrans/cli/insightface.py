"""`agetrans prepare insightface`: InsightFace's training and test sets to folders, and back."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from agetrans.cli.console import (
    DONE,
    SOME_FAILED,
    CommandError,
    are,
    check_out,
    counted,
    height_and_width,
    shown,
)

EPILOG = """
A folder with train.rec, train.idx and property, or a .rec file, becomes PERSON/NUMBER.jpg; a .bin test set becomes a
folder of pictures and a list of pairs. Pictures are copied as they are. With --pack the other way: a list of pairs to a
.bin file, a folder of people to train.rec. MXNet is not needed, and nothing that a .bin file asks for is run.
"""


def add_verb(verbs: Any, name: str) -> None:
    """Adds the verb and its flags to the command."""
    parser = verbs.add_parser(
        name,
        help="InsightFace's RecordIO and .bin files to folders of pictures, and back",
        description="Reads and writes InsightFace's training sets (RecordIO) and test sets (.bin).",
        epilog=EPILOG,
    )
    add = parser.add_argument
    add("source", type=Path, metavar="SOURCE", help="a folder with train.rec, a .rec or a .bin file")
    add("--out", type=Path, required=True, metavar="PATH", help="folder to write; with --pack a .bin file")
    add("--pack", action="store_true", help="SOURCE is a list of pairs, or a folder of people")
    add("--pictures", type=Path, metavar="DIR", help="with --pack: the folder that the list's names start at")
    add(
        "--size",
        type=height_and_width,
        default=(112, 112),
        metavar="HxW",
        help="with --pack: size of the pictures (112x112)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    from agetrans.data.labelled import DataError

    if not arguments.source.exists():
        raise CommandError(f"There is no {arguments.source}.")
    try:
        return _pack(arguments) if arguments.pack else _extract(arguments)
    except DataError as error:
        raise CommandError(str(error)) from error


def _extract(arguments: argparse.Namespace) -> int:
    from agetrans.data.insightface import extract_pair_bin, extract_records
    from agetrans.data.unused import UNUSED_FILE

    source, out = arguments.source, arguments.out
    check_out(out)
    if source.suffix == ".bin":
        pairs = extract_pair_bin(source, out)
        print(
            f"{counted(len(pairs.same), 'pair')}, {sum(pairs.same):,} of one person: pictures in "
            f"{shown(out / source.stem)}, pairs in {shown(out / source.stem)}.txt"
        )
        return DONE
    result = extract_records(source, out, _progress)
    pictures = f"{counted(result.written, 'picture')} of {counted(result.people, 'person', 'people')}"
    print(f"{pictures} {are(result.written)} in {shown(out)}")
    if result.unused:
        print(
            f"{counted(len(result.unused), 'record')} could not be used: {shown(out / UNUSED_FILE)} says why"
        )
    return SOME_FAILED if result.unused else DONE


def _pack(arguments: argparse.Namespace) -> int:
    from agetrans.data.insightface import pack_pair_bin, pack_records

    source, out = arguments.source, arguments.out
    if source.is_dir():
        count = pack_records(source, out, arguments.size)
        print(f"{counted(count, 'picture')} {are(count)} in {shown(out / 'train.rec')}")
        return DONE
    if out.suffix != ".bin":
        raise CommandError(f"A list of pairs becomes a .bin file: --out {out}.bin?")
    count = pack_pair_bin(source, arguments.pictures or source.parent, out)
    print(f"{counted(count, 'pair')} {are(count)} in {shown(out)}")
    return DONE


def _progress(keys: Iterable[int], count: int) -> Iterable[int]:
    from tqdm import tqdm

    return tqdm(keys, total=count, unit="picture", leave=False, disable=None, file=sys.stderr)
