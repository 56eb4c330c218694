"""How known collections of faces write ages: one small class for each layout."""

from __future__ import annotations

import csv
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from agetrans.data.labelled import Collection, DataError, Photograph
from agetrans.data.unused import UNUSED_FILE
from agetrans.groups import AgeGroups

PICTURE_KINDS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
DETECTION_SHARE = 0.9
"""Share of a folder's pictures that a layout must read to be recognised by itself."""


class Layout(ABC):
    """Reads a folder. `name` is what `agetrans prepare --layout` calls it."""

    name: str

    @abstractmethod
    def read(self, folder: Path) -> Collection:
        """The photographs of a folder.

        Raises:
            DataError: A list that the layout needs is missing or has other columns.
        """


def picture_files(folder: Path) -> Iterator[Path]:
    """All picture files below a folder, in the order of their paths."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURE_KINDS and path.is_file():
            yield path


def people_in_folders(folder: Path) -> list[Photograph]:
    """Photographs of a folder a person, such as `prepare insightface` writes; their ages are not known, so NaN."""
    files = (path for path in picture_files(folder) if path.parent != folder)
    return [Photograph(path, float("nan"), identity=path.parent.name) for path in files]


class FileNames(Layout):
    """Layouts that write everything into the file name.

    A subclass gives `pattern`, a regular expression for the whole file name with the group `age` and, where there
    are such, `identity` and `gender`; and what `gender` reads for a man.
    """

    pattern: re.Pattern[str]
    man = "M"

    def read(self, folder: Path) -> Collection:
        found = Collection()
        for path in picture_files(folder):
            match = self.pattern.fullmatch(path.name)
            if match is None:
                found.unused.append((str(path), f"the file name is not one of {self.name}"))
                continue
            groups = match.groupdict()
            found.add(path, groups["age"], self.male(groups), self.identity(path, groups))
        return found

    def male(self, groups: dict[str, str]) -> bool | None:
        """The gender that a file name tells."""
        return groups["gender"].upper() == self.man if groups.get("gender") else None

    def identity(self, path: Path, groups: dict[str, str]) -> str | None:
        """The person that a file name tells."""
        return groups.get("identity")


class Morph(FileNames):
    """MORPH II: `009055_1M54.JPG` is person 009055, picture 1, a man of 54."""

    name = "morph"
    pattern = re.compile(r"(?P<identity>\d+)_\d+(?P<gender>[MF])(?P<age>\d+)\.\w+", re.IGNORECASE)


class CACD(FileNames):
    """CACD: `14_Aaron_Johnson_0001.jpg` is Aaron Johnson at 14."""

    name = "cacd"
    pattern = re.compile(r"(?P<age>\d+)_(?P<identity>.*[^\d_].*)_\d{4}\.\w+")


class UTKFace(FileNames):
    """UTKFace: `54_0_2_20170110142234.jpg` is 54 years, gender 0 (a man), race 2, a date; no person is named."""

    name = "utkface"
    pattern = re.compile(r"(?P<age>\d+)_(?P<gender>[01])_[0-4]_\d+(\.jpg\.chip)?\.\w+")
    man = "0"


class AllAgeFaces(FileNames):
    """All-Age-Faces: `07436A02.jpg` is person 7436 at 2 years; women have the numbers 0 to 7380."""

    name = "all-age-faces"
    pattern = re.compile(r"(?P<identity>\d{5})A(?P<age>\d+)\.\w+")

    def male(self, groups: dict[str, str]) -> bool | None:
        return int(groups["identity"]) > 7380


class FGNET(FileNames):
    """FG-NET: `001A43a.JPG` is person 1 at 43, the first picture of that age."""

    name = "fg-net"
    pattern = re.compile(r"(?P<identity>\d{3})A(?P<age>\d+)[a-z]?\.\w+", re.IGNORECASE)


class IEFP(FileNames):
    """IEFP's MS1MV3: `<identity>/05179510_age_39.jpg` is 39 years; the folder is the person."""

    name = "iefp"
    pattern = re.compile(r".*_age_(?P<age>\d+)\.\w+")

    def identity(self, path: Path, groups: dict[str, str]) -> str | None:
        return path.parent.name


class DAL(Layout):
    """DAL's folders: `id7/000_12.jpg` is person id7 at 12.

    Args:
        pat: Regular expression that the file name is split at.
        pos: Which of the parts is the age, from 0.
    """

    name = "dal"

    def __init__(self, pat: str = r"_|\.", pos: int = 1) -> None:
        self.pat, self.pos = pat, pos

    def read(self, folder: Path) -> Collection:
        found = Collection()
        for path in picture_files(folder):
            parts = re.split(self.pat, path.name)
            age = parts[self.pos].strip("[]") if self.pos < len(parts) - 1 else ""
            if path.parent == folder or not age.isdecimal():
                found.unused.append((str(path), "not of the form PERSON/NUMBER_AGE.jpg"))
            else:
                found.add(path, age, identity=path.parent.name)
        return found


class FFHQAging(Layout):
    """FFHQ-Aging: `00042.png`, alone or in folders of a thousand, and a CSV of labels.

    The label is an age group (`0-2` ... `70-120`): a picture counts as its group's centre.

    Args:
        labels: The CSV; without it, the only CSV of the folder.
    """

    name = "ffhq-aging"

    def __init__(self, labels: Path | None = None) -> None:
        self.labels = labels

    def read(self, folder: Path) -> Collection:
        labels = self.labels or _only(folder, "*.csv")
        groups = AgeGroups.of(10)
        centres = dict(zip((*groups.names[:-1], "70-120"), groups.centres, strict=True))
        rows = {row["image_number"]: row for row in _rows(labels, ("image_number", "age_group", "gender"))}
        found, seen = Collection(), set()
        for path in picture_files(folder):
            number = path.stem.lstrip("0") or "0"
            row = rows.get(number)
            if row is None:
                found.unused.append((str(path), f"{labels.name} has no line for it"))
            elif row["age_group"] not in centres:
                found.unused.append(
                    (str(path), f"the age group {row['age_group']!r} is not one of FFHQ-Aging")
                )
            else:
                seen.add(number)
                found.add(path, centres[row["age_group"]], _male(row["gender"]), number)
        missing = len(rows) - len(seen)
        if missing:
            found.unused.append((str(labels), f"{missing} of its lines have no picture in {folder}"))
        return found


class MTLFaceList(Layout):
    """MTLFace's list: lines of `id filename age gender`, gender 1 a man; file names may hold spaces.

    Args:
        labels: The list; without it, the only .txt of the folder. File names are relative to the folder.
    """

    name = "mtlface"
    line = re.compile(r"(\S+) (.+) (\S+) ([01])")

    def __init__(self, labels: Path | None = None) -> None:
        self.labels = labels

    def read(self, folder: Path) -> Collection:
        labels, found = self.labels or _only(folder, "*.txt"), Collection()
        for number, line in enumerate(_text(labels).splitlines(), 1):
            match = self.line.fullmatch(line.strip())
            if match is not None:
                identity, file, age, gender = match.groups()
                found.add(folder / file, age, gender == "1", identity)
            elif line.strip():
                found.unused.append((f"{labels}:{number}", "the line is not 'id filename age gender'"))
        return found


class Manifest(Layout):
    """A CSV with the columns `file` and `age`, and where there are such `gender`, `identity` and `split`.

    Args:
        labels: The CSV; without it, the only CSV of the folder. File names are relative to the folder.
        split: Rows with another `split` are left out.
    """

    name = "csv"

    def __init__(self, labels: Path | None = None, split: str | None = None) -> None:
        self.labels, self.split = labels, split

    def read(self, folder: Path) -> Collection:
        labels, found = self.labels or _only(folder, "*.csv"), Collection()
        columns = ("file", "age") if self.split is None else ("file", "age", "split")
        for row in _rows(labels, columns):
            if self.split is None or row["split"] == self.split:
                found.add(
                    folder / row["file"], row["age"], _male(row.get("gender")), row.get("identity") or None
                )
        return found


FILE_NAME_LAYOUTS = {layout.name: layout for layout in (Morph, UTKFace, AllAgeFaces, FGNET, IEFP, CACD)}
"""Layouts that need no list."""
LAYOUTS = (*FILE_NAME_LAYOUTS, DAL.name, FFHQAging.name, MTLFaceList.name, Manifest.name)
"""Names of all layouts."""


def find_layout(
    name: str,
    folder: Path,
    labels: Path | None = None,
    split: str | None = None,
    pat: str = r"_|\.",
    pos: int = 1,
) -> Layout:
    """The layout of a name; for "auto" the one that the folder's files or lists show.

    Args:
        name: One of `LAYOUTS`, or "auto".
        folder: Of the photographs.
        labels: A list of labels, for the layouts that have one.
        split: See `Manifest`.
        pat: See `DAL`.
        pos: See `DAL`.

    Raises:
        DataError: No layout fits, or there is none of that name.
    """
    if name == "auto":
        name, labels = _detect(folder, labels)
    listed = {
        FFHQAging.name: FFHQAging(labels),
        MTLFaceList.name: MTLFaceList(labels),
        Manifest.name: Manifest(labels, split),
        DAL.name: DAL(pat, pos),
    }
    if name in FILE_NAME_LAYOUTS:
        return FILE_NAME_LAYOUTS[name]()
    if name in listed:
        return listed[name]
    raise DataError(f"There is no layout {name}: the layouts are {', '.join(LAYOUTS)}.")


def _detect(folder: Path, labels: Path | None) -> tuple[str, Path | None]:
    """The name of the layout that a folder shows, and its list of labels where it has one."""
    if labels is not None:
        if labels.suffix == ".txt":
            return MTLFaceList.name, labels
        return FFHQAging.name if "image_number" in _first_line(labels) else Manifest.name, labels
    # Collections bring notes along: a list counts only if it starts as one.
    lists = [(name, path) for path in _lists(folder, "*.csv") if (name := _kind_of_csv(path))]
    lists += [
        (MTLFaceList.name, path)
        for path in _lists(folder, "*.txt")
        if MTLFaceList.line.fullmatch(_first_line(path))
    ]
    if len(lists) == 1:
        return lists[0]
    pictures = list(picture_files(folder))
    if not pictures:
        raise DataError(f"There is no picture in {folder}.")
    for layout in (*(kind() for kind in FILE_NAME_LAYOUTS.values()), DAL()):
        if len(layout.read(folder).photographs) >= DETECTION_SHARE * len(pictures):
            return layout.name, None
    raise DataError(
        f"The files of {folder}, such as {pictures[0].name}, are named as in no layout known: write a CSV with the "
        "columns file and age, and name it with --labels."
    )


def _lists(folder: Path, pattern: str) -> list[Path]:
    """Lists that may hold labels: what an earlier command wrote of unusable files is none."""
    return sorted(path for path in folder.glob(pattern) if path.name != UNUSED_FILE)


def _only(folder: Path, pattern: str) -> Path:
    paths = _lists(folder, pattern)
    if len(paths) != 1:
        raise DataError(
            f"{folder} has {len(paths) or 'no'} {pattern} file{'s' * (len(paths) > 1)}: name the list with --labels."
        )
    return paths[0]


def _kind_of_csv(path: Path) -> str | None:
    columns = [column.strip('" ') for column in _first_line(path).split(",")]
    if "image_number" in columns:
        return FFHQAging.name
    return Manifest.name if {"file", "age"} <= {*columns} else None


def _first_line(path: Path) -> str:
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return file.readline().strip()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def _text(path: Path) -> str:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return file.read()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not written in UTF-8, at byte {error.start}: save it as UTF-8."
        ) from error


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(_text(path), newline=""))
    rows, lines = [], []
    try:
        for row in reader:
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(f"{path}, after line {reader.line_num}: it is no CSV ({error}).") from error
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]}: its first line must name the columns {', '.join(columns)}."
        )
    for row, line in zip(rows, lines, strict=True):
        short = [column for column in columns if row[column] is None]
        if short:
            raise DataError(f"{path}, line {line}: it is too short to have the column {short[0]}.")
    return rows


def _male(text: str | None) -> bool | None:
    first = (text or "").strip().lower()[:1]
    return {"m": True, "f": False, "w": False}.get(first)
