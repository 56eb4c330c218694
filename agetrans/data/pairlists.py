"""Lists of pairs of photographs and whether each pair shows one person, as verification sets have them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agetrans.data.labelled import DataError
from agetrans.files import write_text

_SUFFIX = r"\.(?:jpe?g|png|webp|bmp|tiff?)"
_PAIR = re.compile(rf"(.+?{_SUFFIX})[ \t]+(.+{_SUFFIX})[ \t]+(-?\d+)", re.IGNORECASE)
_SINGLE = re.compile(rf"(.+{_SUFFIX})[ \t]+(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """Two pictures.

    Attributes:
        first: Path of the one.
        second: Path of the other.
        same: Whether both show one person.
    """

    first: Path
    second: Path
    same: bool


def read_pairs(path: Path, folder: Path) -> list[Pair]:
    """Reads a list of pairs.

    Understood are: CALFW's, CACD-VS' and our own lines `imageA imageB label` (1 the same person; 0 or -1 another;
    names may hold spaces); CALFW's and CPLFW's official lists, one picture a line with its fold, 0 for different
    people, two lines a pair; LFW's `pairs.txt` (`name 1 4`, `name 1 other_name 2`); a CSV with the columns `file_a`,
    `file_b`, `same`.

    Args:
        path: The list.
        folder: Names are relative to it.

    Raises:
        DataError: A line cannot be read; the message names it. Missing pictures are not looked for here.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a list of pairs: {error}.") from error
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line]
    if not numbered:
        raise DataError(f"{path} has no pair.")
    first = numbered[0][1]
    if first.replace(" ", "").startswith("file_a,file_b,same"):
        return _from_csv(lines, path, folder)
    if _PAIR.fullmatch(first):
        return [_from_line(line, number, path, folder) for number, line in numbered]
    if _SINGLE.fullmatch(first):
        return _from_two_lines(numbered, path, folder)
    return _from_lfw(numbered, path, folder)


def write_pairs(path: Path, pairs: Sequence[tuple[str, str, bool]]) -> None:
    """Writes lines `imageA imageB label` with 1 for one person and 0 for two."""
    write_text(path, "".join(f"{first} {second} {int(same)}\n" for first, second, same in pairs))


def missing_pictures(pairs: Sequence[Pair]) -> list[Path]:
    """Pictures of a list that are not there, each once, in the list's order."""
    paths = dict.fromkeys(path for pair in pairs for path in (pair.first, pair.second))
    return [path for path in paths if not path.is_file()]


def _from_line(line: str, number: int, path: Path, folder: Path) -> Pair:
    match = _PAIR.fullmatch(line)
    if match is None or match[3] not in ("1", "0", "-1"):
        raise _unreadable(path, number, "'imageA imageB label' with a label of 1, 0 or -1")
    return Pair(folder / match[1], folder / match[2], match[3] == "1")


def _from_csv(lines: list[str], path: Path, folder: Path) -> list[Pair]:
    pairs = []
    for number, row in enumerate(csv.DictReader(lines, skipinitialspace=True), 2):
        first, second, same = row.get("file_a"), row.get("file_b"), row.get("same")
        if not first or not second or same not in ("1", "0"):
            raise _unreadable(path, number, "file_a,file_b,same with 1 or 0 for same")
        pairs.append(Pair(folder / first, folder / second, same == "1"))
    return pairs


def _from_two_lines(numbered: list[tuple[int, str]], path: Path, folder: Path) -> list[Pair]:
    matches = []
    for number, line in numbered:
        match = _SINGLE.fullmatch(line)
        if match is None:
            raise _unreadable(path, number, "a picture and its fold")
        matches.append((number, match[1], match[2]))
    if len(matches) % 2:
        raise DataError(f"{path} has {len(matches)} lines, and two make a pair: one is missing.")
    pairs = []
    for (_, first, fold), (number, second, other) in zip(matches[::2], matches[1::2], strict=True):
        if fold != other:
            raise _unreadable(path, number, f"of the same fold as the line before it, {fold}")
        pairs.append(Pair(folder / first, folder / second, fold != "0"))
    return pairs


def _from_lfw(numbered: list[tuple[int, str]], path: Path, folder: Path) -> list[Pair]:
    """LFW's list; its first line says how many folds and pairs there are."""
    pairs = []
    for position, (number, line) in enumerate(numbered):
        fields = line.split("\t") if "\t" in line else line.split()
        if not position and all(field.isdecimal() for field in fields):
            continue
        if len(fields) == 3 and fields[1].isdecimal() and fields[2].isdecimal():
            name, other, same = fields[0], fields[0], True
            places = fields[1], fields[2]
        elif len(fields) == 4 and fields[1].isdecimal() and fields[3].isdecimal():
            name, other, same = fields[0], fields[2], False
            places = fields[1], fields[3]
        else:
            raise _unreadable(path, number, "'name 1 2', 'name 1 other 2', or 'imageA imageB label'")
        pairs.append(Pair(_lfw(folder, name, places[0]), _lfw(folder, other, places[1]), same))
    return pairs


def _lfw(folder: Path, name: str, number: str) -> Path:
    return folder / name / f"{name}_{int(number):04}.jpg"


def _unreadable(path: Path, number: int, wanted: str) -> DataError:
    return DataError(f"{path}, line {number}: it should be {wanted}.")
