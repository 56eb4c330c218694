"""`faceplusplus_evaluation/*.sh`, the scripts that AgeTransGAN's users know: ages and verification by Face++."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from agetrans.cli.console import (
    DONE,
    SOME_FAILED,
    CommandError,
    SentenceParser,
    are,
    check_folder,
    counted,
    progress,
    run_console,
    shown,
)

_KEYS = (
    "the key comes from FACEPP_API_KEY and FACEPP_API_SECRET, the host from FACEPP_API_HOST (api-us.faceplusplus.com; "
    "api-cn.faceplusplus.com for keys of China). A second run goes on where the first one stopped"
)


def parse(argv: list[str]) -> argparse.Namespace:
    """Arguments of both scripts; `argv[0]` is the program."""
    parser = SentenceParser(prog="faceplusplus", description="Asks Face++ about every picture of a folder.")
    calls = parser.add_subparsers(title="calls", dest="call", required=True, metavar="CALL")
    age = calls.add_parser("age", prog="age.sh", description=f"Rows index,file,age in NAME_age.csv; {_KEYS}.")
    age.add_argument("folder", type=Path, metavar="FOLDER", help="pictures")
    age.add_argument("name", metavar="NAME", help="the rows go to NAME_age.csv")
    compare = calls.add_parser(
        "compare", prog="face_verification.sh", description=f"Rows index,file,confidence in CSV; {_KEYS}."
    )
    compare.add_argument("outputs", type=Path, metavar="OUTPUTS", help="generated pictures")
    compare.add_argument(
        "originals", type=Path, metavar="ORIGINALS", help="their sources, under the same names"
    )
    compare.add_argument("csv", type=Path, metavar="CSV", help="the file of the rows")
    return parser.parse_args(argv[1:])


def console() -> None:
    """Runs the program."""
    run_console(parse, lambda arguments: run(arguments, os.environ))


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Does what the arguments say; returns the exit status."""
    from agetrans.evaluation.faceplusplus_client import FacePlusPlus, FacePlusPlusError
    from agetrans.evaluation.faceplusplus_tables import AGE_SUFFIX

    try:
        client = FacePlusPlus.from_environment(environment)
        if arguments.call == "age":
            table = Path(f"{arguments.name}{AGE_SUFFIX}")
            return _fill(table, _pictures(arguments.folder), client.age, [])
        originals = {path.name: path for path in _pictures(arguments.originals)}
        outputs = _pictures(arguments.outputs)
        alone = [
            f"{path.name}: there is no such file in {arguments.originals}"
            for path in outputs
            if path.name not in originals
        ]
        return _fill(
            arguments.csv,
            [path for path in outputs if path.name in originals],
            lambda path: client.confidence(path, originals[path.name]),
            alone,
        )
    except FacePlusPlusError as error:
        raise CommandError(str(error)) from None


def _fill(table: Path, paths: list[Path], ask: Callable[[Path], float | None], failures: list[str]) -> int:
    from agetrans.evaluation.faceplusplus_client import PictureRefused
    from agetrans.evaluation.faceplusplus_tables import Rows

    rows = Rows(table)
    waiting = [(index, path) for index, path in enumerate(paths, start=1) if path.name not in rows.values]
    if len(waiting) < len(paths):
        known = len(paths) - len(waiting)
        print(f"{known} of {counted(len(paths), 'picture')} {are(known)} in {shown(table)} already")
    for index, path in progress(waiting, "Face++", len(waiting)):
        try:
            rows.add(index, path.name, ask(path))
        except PictureRefused as error:
            failures.append(f"{path.name}: {error}")
    done = sum(path.name in rows.values for path in paths)
    print(f"{done} of {counted(len(paths), 'picture')} {are(done)} in {shown(table)}")
    for failure in failures:
        print(f"agetrans: {_printable(failure)}", file=sys.stderr)
    return SOME_FAILED if failures else DONE


def _pictures(folder: Path) -> list[Path]:
    from agetrans.pictures import pictures_in

    check_folder(folder)
    pictures = pictures_in(folder)
    if not pictures:
        raise CommandError(f"There is no picture in {folder}.")
    return pictures


def _printable(text: str) -> str:
    """Names of files may hold bytes that are no text."""
    return text.encode("utf-8", "backslashreplace").decode()


if __name__ == "__main__":
    console()
