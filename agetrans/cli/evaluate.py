"""`agetrans evaluate`: how old results look, who they still are, what else changed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agetrans.cli.console import DONE, EXIT_CODES, CommandError, progress, shown

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
        "--cache", type=Path, metavar="FILE", help="where readings are kept (default: ~/.cache/agetrans)"
    )


def _years(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"ages of sources are two years such as 20-29, not {text!r}")
    return int(first), int(last)


def run(arguments: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    if arguments.out.exists() and not arguments.out.is_dir():
        raise CommandError(f"--out must be a folder, and {arguments.out} is a file.")
    if arguments.people is not None and arguments.people < 1:
        raise CommandError(f"--people must be at least 1, not {arguments.people}.")
    for path in (arguments.sources, arguments.outputs, arguments.real):
        if path is not None and not path.exists():
            raise CommandError(f"There is no {path}.")
    if arguments.real is None and arguments.sources.is_dir():
        raise CommandError(
            "--real is needed where the sources are a folder: real people of all ages to compare with."
        )
    from agetrans.evaluation.judges import MissingJudgeError
    from agetrans.evaluation.people import EvaluationError
    from agetrans.evaluation.readings import CacheError

    try:
        return _evaluate(arguments)
    except (EvaluationError, MissingJudgeError, CacheError) as error:
        raise CommandError(str(error)) from None


def _evaluate(arguments: argparse.Namespace) -> int:
    from agetrans.evaluation.people import read_real, read_sources
    from agetrans.evaluation.protocol import Protocol
    from agetrans.evaluation.readings import ReadingCache, default_cache
    from agetrans.evaluation.table import json_lines, table

    sources = read_sources(arguments.sources, arguments.source_ages, arguments.people)
    method = _method(arguments, sources)
    real = read_real(arguments.real or arguments.sources, method.age_groups)
    cache = ReadingCache(arguments.cache or default_cache())
    own_group = method.age_groups.index(sum(arguments.source_ages) / 2)
    protocol = Protocol(sources, real, method.age_groups, own_group, cache, progress)
    figures = protocol.figures(protocol.read(method))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "figures.jsonl").write_text(json_lines(method.name, figures), encoding="utf-8")
    print(f"{method.name}: {len(sources.names)} people, beside {len(real.members)} real ones")
    print(table(figures))
    print(f"The report is in {shown(arguments.out)}")
    return DONE


def _method(arguments: argparse.Namespace, sources: Sources) -> Method:
    from agetrans.evaluation.methods import FolderMethod, SnapshotMethod

    if arguments.outputs is not None:
        return FolderMethod(arguments.outputs, sources)
    return SnapshotMethod(arguments.snapshot or "agetrans_10group", sources)
