"""`agetrans evaluate`: how old results look, who they still are, what else changed."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agetrans.cli.console import DONE, EXIT_CODES, SOME_FAILED, CommandError, check_out, progress, shown

if TYPE_CHECKING:
    from agetrans.evaluation.methods import Method
    from agetrans.evaluation.people import Sources


def add_verb(verbs: Any, name: str) -> None:
    """Adds the verb and its flags to the command."""
    parser = verbs.add_parser(
        name,
        help="judge a snapshot, or any method's pictures",
        description="Judges pictures of people at other ages: judged ages against real people of that age, the same "
        "person or not, and what else changed. docs/evaluation.md says what each number means.",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "sources",
        type=Path,
        nargs="?",
        metavar="SOURCES",
        help="whose ages are changed: a folder of photographs, or a .npz of python -m agetrans.data.photographs",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--snapshot", metavar="NAME_OR_FOLDER", help="the model to judge (default: agetrans_10group)"
    )
    what.add_argument(
        "--outputs",
        type=Path,
        metavar="FOLDER",
        help="pictures to judge, of any method: FOLDER/20-29/name.png",
    )
    what.add_argument(
        "--faceplusplus",
        type=Path,
        metavar="FOLDER",
        help="only the authors' two tables, from what the scripts in faceplusplus_evaluation/ wrote: "
        "FOLDER/70+_age.csv and FOLDER/70+_verification.csv",
    )
    parser.add_argument(
        "--real",
        type=Path,
        metavar="NPZ_OR_FOLDER",
        help="real people of all ages, a .npz or FOLDER/20-29/*.jpg (default: SOURCES, if that is a .npz)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("evaluation"), metavar="DIR", help="where to (default: evaluation)"
    )
    parser.add_argument("--people", type=int, metavar="N", help="only the first N sources")
    parser.add_argument(
        "--source_ages",
        type=_years,
        default=(20, 29),
        metavar="20-29",
        help="how old the sources are; of a .npz, these people are taken (default: 20-29)",
    )
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="LABEL",
        help="also judge by itself who has each value of a label that the .npz was made to keep; may be repeated",
    )
    parser.add_argument(
        "--runs",
        type=int,
        default=4,
        metavar="N",
        help="people whose run of 91 frames is looked at (default: 4)",
    )
    parser.add_argument(
        "--estimator",
        type=Path,
        metavar="FILE",
        help="a further judge of age, such as the authors' PyTorch weights",
    )
    parser.add_argument(
        "--cache", type=Path, metavar="FILE", help="where readings are kept (default: ~/.cache/agetrans)"
    )


def _years(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"ages of sources are two years such as 20-29, not {text!r}")
    return int(first), int(last)


def run(arguments: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    if arguments.faceplusplus is not None:
        return _faceplusplus(arguments.faceplusplus)
    if arguments.sources is None:
        raise CommandError("whose ages were changed? Give a folder of photographs, or a .npz of framed ones.")
    check_out(arguments.out)
    if arguments.runs < 0:
        raise CommandError(f"--runs must be at least 0, not {arguments.runs}.")
    if arguments.people is not None and arguments.people < 1:
        raise CommandError(f"--people must be at least 1, not {arguments.people}.")
    for path in (arguments.sources, arguments.outputs, arguments.real):
        if path is not None and not path.exists():
            raise CommandError(f"There is no {path}.")
    if arguments.real is None and arguments.sources.is_dir():
        raise CommandError(
            "--real is needed where the sources are a folder: real people of all ages to compare with."
        )
    from agetrans.evaluation.errors import EvaluationError
    from agetrans.evaluation.judges import MissingJudgeError
    from agetrans.evaluation.readings import CacheError

    try:
        return _evaluate(arguments)
    except (EvaluationError, MissingJudgeError, CacheError) as error:
        raise CommandError(str(error)) from None


def _faceplusplus(folder: Path) -> int:
    from agetrans.evaluation.errors import EvaluationError
    from agetrans.evaluation.faceplusplus_tables import read_tables, tables

    try:
        print(tables(read_tables(folder)))
    except EvaluationError as error:
        raise CommandError(str(error)) from None
    return DONE


def _evaluate(arguments: argparse.Namespace) -> int:
    from agetrans.evaluation.estimators import find_estimator
    from agetrans.evaluation.methods import CopyControl, FolderMethod, SnapshotMethod, StrangerControl
    from agetrans.evaluation.people import read_real, read_sources
    from agetrans.evaluation.protocol import SHOWN, Protocol
    from agetrans.evaluation.readings import ReadingCache, default_cache
    from agetrans.evaluation.report import Judged, report
    from agetrans.evaluation.runs import run_figures, seconds
    from agetrans.evaluation.table import json_lines, table
    from agetrans.files import write_text

    sources = read_sources(arguments.sources, arguments.source_ages, arguments.people, arguments.by)
    method = _method(arguments, sources)
    age_groups = method.age_groups
    real = read_real(arguments.real or arguments.sources, age_groups)
    estimators = [find_estimator()]
    if arguments.estimator is not None:
        estimators.append(find_estimator(arguments.estimator))
    cache = ReadingCache(arguments.cache or default_cache())
    own_group = age_groups.index(sum(arguments.source_ages) / 2)
    protocol = Protocol(sources, real, age_groups, own_group, cache, estimators, progress)
    judged = []
    for shown_method in (
        method,
        CopyControl(sources, age_groups),
        StrangerControl(sources, real, age_groups),
    ):
        outputs = protocol.read(shown_method)
        judged.append(Judged(shown_method.name, protocol.figures(outputs), outputs.shown))
    people = len(sources.names)
    facts = {
        "sources": f"{people} people of {arguments.sources.name}",
        "real people": f"{len(real.members)} of {(arguments.real or arguments.sources).name}",
    }
    if isinstance(method, SnapshotMethod):
        runs = min(arguments.runs, people)
        frames = people * age_groups.count + runs * len(age_groups.sequence())
        judged[0] = replace(judged[0], figures=[*judged[0].figures, *run_figures(method, runs, progress)])
        speed = seconds(method, frames, people + runs)
        facts["speed here, at 256 pixels"] = (
            f"{speed['encoding_a_face']:.3f} s to encode a face, {speed['a_frame']:.3f} s a frame"
        )
    unusable = [*sources.unusable, *(method.unusable if isinstance(method, FolderMethod) else ())]
    if unusable:
        facts["could not be used"] = "; ".join(unusable)

    lines = "".join(json_lines(each.name, each.figures) for each in judged)
    write_text(arguments.out / "figures.jsonl", lines)
    page = report(
        f"Evaluation of {method.name}",
        facts,
        judged,
        list(sources.pictures[:SHOWN]),
        protocol.thresholds,
        age_groups.names,
    )
    write_text(arguments.out / "report.html", page)
    for each in judged:
        print(f"{each.name}\n{table(each.figures)}\n")
    for name, value in facts.items():
        print(f"{name}: {value}")
    print(
        f"report.html and figures.jsonl are in {shown(arguments.out)}; the report shows people: keep it to yourself"
    )
    return SOME_FAILED if unusable else DONE


def _method(arguments: argparse.Namespace, sources: Sources) -> Method:
    from agetrans.evaluation.methods import FolderMethod, SnapshotMethod

    if arguments.outputs is not None:
        return FolderMethod(arguments.outputs, sources)
    return SnapshotMethod(arguments.snapshot or "agetrans_10group", sources)
