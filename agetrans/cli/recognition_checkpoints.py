"""`agetrans convert mtlface`, `dal` and `iefp`: the authors' recognisers as folders of runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from agetrans.cli.console import DONE, CommandError, Kind, check_file, check_out, shown

_LISTED = 5
"""Names without a place that are listed."""


def _flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.pt", help="the checkpoint")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder to write (default: the file's name in runs/)"
    )


def _iefp_flags(parser: argparse.ArgumentParser) -> None:
    _flags(parser)
    parser.add_argument(
        "--branch",
        choices=("identity", "age"),
        default="identity",
        help="which of the two networks (default: identity); age is what --age_branch takes",
    )


def _convert(kind: str) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        check_file(arguments.file)
        out = arguments.out or Path("runs") / arguments.file.stem
        check_out(out)
        from agetrans.startup import start_keras

        start_keras()
        from agetrans.conversion.pickled import CheckpointError
        from agetrans.conversion.recognition import convert

        try:
            settings, rest = convert(kind, arguments.file, out, getattr(arguments, "branch", "identity"))
        except CheckpointError as error:
            raise CommandError(str(error)) from error
        height, width = settings.size
        package = ", the released package's" if settings.package else ""
        print(
            f"{settings.backbone}{package}, {height} x {width}, {settings.features} numbers, is in {shown(out)}"
        )
        if kind == "mtlface" and not settings.age_weight:
            print("It holds no age head: --train_fas alone cannot start from it")
        if rest:
            more = f" and {len(rest) - _LISTED:,} more" if len(rest) > _LISTED else ""
            print(f"Not taken, because recognition has no place for it: {', '.join(rest[:_LISTED])}{more}")
        print(f"agetrans verify ... --model {shown(out)} measures it")
        return DONE

    return run


KINDS = {
    "mtlface": Kind("a checkpoint of MTLFace, trained or released", _flags, _convert("mtlface")),
    "dal": Kind("a checkpoint of DAL", _flags, _convert("dal")),
    "iefp": Kind("a checkpoint of IEFP, one of its two networks", _iefp_flags, _convert("iefp")),
}
