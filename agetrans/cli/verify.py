"""`agetrans verify KIND`: recognisers in the protocols of cross-age recognition."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agetrans.cli.console import (
    DONE,
    SOME_FAILED,
    CommandError,
    Kind,
    add_kinds,
    check_file,
    check_folder,
    check_out,
    counted,
    shown,
)
from agetrans.cli.layouts import FOLDERS, add_layout_flags, layout_of

if TYPE_CHECKING:
    from agetrans.data.labelled import Photograph
    from agetrans.recognition.benchmarks import Benchmark


def add_verb(verbs: Any, name: str) -> None:
    """Adds the verb, its kinds and their flags to the command."""
    parser = verbs.add_parser(
        name,
        help="how well a recogniser knows people across ages",
        description="Measures a recogniser with the protocols of cross-age recognition; docs/recognition.md says what "
        "each number means. Pictures that cannot be used are counted and listed.",
    )
    add_kinds(parser, KINDS)


def run(arguments: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    from agetrans.data.labelled import DataError
    from agetrans.evaluation.judges import MissingJudgeError

    check_out(arguments.out)
    try:
        return KINDS[arguments.kind].run(arguments)
    except (DataError, MissingJudgeError) as error:
        raise CommandError(str(error)) from error


def _common_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--model",
        default="dlib",
        metavar="RUN",
        help="a run of train-recognition, a converted checkpoint, or dlib, the packaged recogniser (default: dlib)",
    )
    add(
        "--faces",
        choices=("found", "framed"),
        help="whether faces are found first or pictures are framed already (default: found for dlib, else framed)",
    )
    add(
        "--out",
        type=Path,
        default=Path("verification"),
        metavar="DIR",
        help="where to (default: verification)",
    )


def _age_flags(parser: argparse.ArgumentParser, layout: str | None) -> None:
    what = "how ages are written, as for agetrans prepare" + (
        "; accuracy by age gap needs it" if layout is None else f", or {FOLDERS}: a folder a person, no ages"
    )
    add_layout_flags(parser, f"{what} (default: {layout or 'no ages'})", layout, split=False)


def _pairs_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sets", type=Path, nargs="+", metavar="LIST", help="lists of pairs, and .bin files")
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="folder that the lists' names start at (default: the list's)",
    )
    _age_flags(parser, None)
    _common_flags(parser)


def _identification_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="pictures of people, such as FG-NET")
    parser.add_argument(
        "--distractors", type=Path, metavar="DIR", help="pictures of other people (default: those of the set)"
    )
    _age_flags(parser, "auto")
    _common_flags(parser)


def _gallery_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("probes", type=Path, metavar="PROBES", help="folder of the pictures to identify")
    parser.add_argument(
        "gallery", type=Path, metavar="GALLERY", help="folder of the pictures of known people"
    )
    parser.add_argument(
        "--engine",
        choices=("numpy", "faiss"),
        default="numpy",
        help="what searches the gallery (default: numpy)",
    )
    _age_flags(parser, "auto")
    _common_flags(parser)


def _verify_pairs(arguments: argparse.Namespace) -> int:
    import numpy as np

    from agetrans.data.pairbins import read_pair_bin
    from agetrans.data.pairlists import read_pairs
    from agetrans.recognition.benchmarks import verify_pairs

    sets: list[tuple[str, list[Any], Any, Any, list[bool]]] = []
    for path in arguments.sets:
        check_file(path)
        if path.suffix == ".bin":
            content = read_pair_bin(path)
            pictures: list[Any] = [
                (f"{path.name}, picture {number}", data) for number, data in enumerate(content.pictures, 1)
            ]
            first, second = np.arange(0, len(pictures), 2), np.arange(1, len(pictures), 2)
            sets.append((path.name, pictures, first, second, content.same))
        else:
            pairs = read_pairs(path, arguments.pictures or path.parent)
            places = {
                name: n for n, name in enumerate(dict.fromkeys(p for q in pairs for p in (q.first, q.second)))
            }
            first, second = (
                np.array([places[getattr(pair, end)] for pair in pairs]) for end in ("first", "second")
            )
            sets.append((path.name, list(places), first, second, [pair.same for pair in pairs]))
    ages = _ages(arguments)
    reader = _Reader(arguments)
    results = []
    for name, pictures, first, second, same in sets:
        views = reader.read(pictures)
        years = None if ages is None else np.array([ages.get(picture, np.nan) for picture in pictures])
        results.append(verify_pairs(name, views, first, second, np.array(same), years))
    return _report(arguments.out, reader, results, "roc.svg")


def _leave_one_out(arguments: argparse.Namespace) -> int:
    import numpy as np

    from agetrans.data.layouts import picture_files
    from agetrans.recognition.benchmarks import leave_one_out

    found = _people(arguments.folder, arguments)
    others = None
    if arguments.distractors is not None:
        check_folder(arguments.distractors)
        others = list(picture_files(arguments.distractors))
        if not others:
            raise CommandError(f"There is no picture in {arguments.distractors}.")
    reader = _Reader(arguments)
    views = reader.read([photograph.path for photograph in found])
    distractors = reader.read(others) if others else None
    years = np.array([photograph.years for photograph in found], np.float64)
    known = None if np.isnan(years).all() else years
    people = [str(photograph.identity) for photograph in found]
    result = leave_one_out(arguments.folder.name, views, people, known, distractors)
    return _report(arguments.out, reader, [result], "ranks.svg")


def _probe_and_gallery(arguments: argparse.Namespace) -> int:
    from agetrans.recognition.benchmarks import probe_and_gallery

    found = [_people(folder, arguments) for folder in (arguments.probes, arguments.gallery)]
    reader = _Reader(arguments)
    views = [reader.read([photograph.path for photograph in part]) for part in found]
    people = [[str(photograph.identity) for photograph in part] for part in found]
    result = probe_and_gallery(
        arguments.probes.name, views[0], people[0], views[1], people[1], arguments.engine
    )
    return _report(arguments.out, reader, [result], "ranks.svg")


class _Reader:
    """Reads pictures with the recogniser that the flags name, and keeps what could not be used."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from agetrans.recognition.recognisers import find_recogniser

        framed = None if arguments.faces is None else arguments.faces == "framed"
        self.recogniser = find_recogniser(arguments.model, framed)
        self.unused: list[tuple[str, str]] = []

    def read(self, pictures: Sequence[Any]) -> Any:
        """Views of pictures, see `read_views`."""
        from agetrans.recognition.recognisers import read_views

        try:
            views = read_views(self.recogniser, pictures, _progress)
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.unused += views.unused
        return views


def _progress(items: Iterable[Any], what: str, count: int) -> Iterable[Any]:
    import sys

    from tqdm import tqdm

    return tqdm(items, desc=what, total=count, unit="64 pictures", leave=False, disable=None, file=sys.stderr)


def _ages(arguments: argparse.Namespace) -> dict[Path, float] | None:
    """Ages by picture, where a layout is named."""
    if arguments.layout is None:
        return None
    folder = arguments.pictures or arguments.sets[0].parent
    check_folder(folder)
    photographs = layout_of(arguments, folder).read(folder).photographs
    return {photograph.path: photograph.years for photograph in photographs}


def _people(folder: Path, arguments: argparse.Namespace) -> list[Photograph]:
    """The photographs of a folder, each with its person.

    Raises:
        CommandError: There is no such folder.
        DataError: There is no photograph whose person is known.
    """
    from agetrans.data.labelled import DataError
    from agetrans.data.layouts import people_in_folders

    check_folder(folder)
    if arguments.layout == FOLDERS:
        found = people_in_folders(folder)
    else:
        collection = layout_of(arguments, folder).read(folder)
        if collection.unused:
            name, reason = collection.unused[0]
            raise DataError(
                f"{counted(len(collection.unused), 'file')} of {folder} cannot be used, the first is {name}: {reason}. "
                f"Without them it would be another set; --layout {FOLDERS} takes a folder a person, without ages."
            )
        found = collection.photographs
    unknown = [photograph.path for photograph in found if photograph.identity is None]
    if unknown or not found:
        which = f"who {unknown[0]} shows" if unknown else f"who is in {folder}"
        raise DataError(f"Nothing says {which}, and identification needs to know.")
    return found


def _report(out: Path, reader: _Reader, results: Sequence[Benchmark], curve_file: str) -> int:
    """Prints and writes tables, figures, curves, and the pictures that could not be used."""
    from agetrans.data.unused import UNUSED_FILE, write_reasons
    from agetrans.files import write_text
    from agetrans.recognition.curves import rank_curve, roc_curve

    several = len(results) > 1
    curves = {
        f"{result.name}, {fusion}" if several else fusion: curve
        for result in results
        for fusion, curve in result.curves.items()
        if not several or fusion == "added"
    }
    out.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(result.table() for result in results) + "\n"
    print(f"{reader.recogniser.name}\n\n{text}")
    write_text(out / "table.txt", f"{reader.recogniser.name}\n\n{text}")
    write_text(out / "figures.jsonl", "".join(result.json_lines() for result in results))
    write_text(out / curve_file, (roc_curve if curve_file == "roc.svg" else rank_curve)(curves))
    print(f"table.txt, figures.jsonl and {curve_file} are in {shown(out)}")
    if not reader.unused:
        return DONE
    write_reasons(out, reader.unused, "picture")
    print(f"{counted(len(reader.unused), 'picture')} could not be used: {shown(out / UNUSED_FILE)} says why")
    return SOME_FAILED


KINDS = {
    "pairs": Kind("lists of pairs and .bin files: 10-fold verification", _pairs_flags, _verify_pairs),
    "leave-one-out": Kind(
        "FG-NET's protocol, and rank k among distractors", _identification_flags, _leave_one_out
    ),
    "probe-gallery": Kind(
        "MORPH II's protocol: folders of probes and of a gallery", _gallery_flags, _probe_and_gallery
    ),
}
