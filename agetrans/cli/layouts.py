"""Flags that say how a collection's ages and people are written, for every verb that reads one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agetrans.data.layouts import Layout

FOLDERS = "folders"
"""What verbs that can do without ages call a folder a person."""


def add_layout_flags(
    parser: argparse.ArgumentParser,
    what: str = "how ages are written (default: found out)",
    default: str | None = "auto",
    split: bool = True,
) -> None:
    """Adds `--layout`, `--labels`, `--pat` and `--pos`, which `layout_of` reads.

    Args:
        parser: Of the verb.
        what: Help of `--layout`.
        default: Of `--layout`.
        split: Adds `--split` too.
    """
    add = parser.add_argument
    add("--layout", default=default, metavar="NAME", help=what)
    add("--labels", type=Path, metavar="FILE", help="list of labels, where the layout has one")
    if split:
        add("--split", metavar="NAME", help="only rows of a CSV whose column split says so")
    add("--pat", default=r"_|\.", help="layout dal: what splits the file name")
    add("--pos", type=int, default=1, help="layout dal: which part is the age, from 0")


def layout_of(flags: argparse.Namespace, folder: Path) -> Layout:
    """The layout that the flags say a folder has.

    Raises:
        DataError: No layout fits, or there is none of that name.
    """
    from agetrans.data.layouts import find_layout

    split = getattr(flags, "split", None)
    return find_layout(flags.layout, folder, flags.labels, split, flags.pat, flags.pos)
