"""InsightFace's files to folders of pictures and back: training sets (RecordIO) and test sets (`.bin`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agetrans.data.labelled import DataError
from agetrans.data.layouts import picture_files
from agetrans.data.pairbins import PairSet, read_pair_bin, write_pair_bin
from agetrans.data.pairlists import missing_pictures, read_pairs, write_pairs
from agetrans.data.recordio import RecordFile, identity_of, read_property, write_records
from agetrans.data.unused import write_reasons
from agetrans.files import whole_file

Progress = Callable[[Iterable[int], int], Iterable[int]]


@dataclass
class Extracted:
    """What an extraction did.

    Attributes:
        written: Pictures that are in the folder.
        people: Number of people among them.
        unused: Records that could not be used, each with the reason.
    """

    written: int = 0
    people: int = 0
    unused: list[tuple[str, str]] = field(default_factory=list)


def extract_records(source: Path, out: Path, progress: Progress | None = None) -> Extracted:
    """Writes a training set as `<person, 6 digits>/<key, 8 digits>.jpg`, each picture as it is, not encoded anew.

    Files that are there already are kept, so a run that was cut off goes on.

    Args:
        source: Folder with `train.rec` and, if there, `train.idx` and `property`; or a `.rec` file.
        out: Where to.
        progress: Wraps the keys, given their number.

    Raises:
        DataError: The files cannot be read. Single records that cannot are listed in the result and in `unused.csv`.
    """
    records = source / "train.rec" if source.is_dir() else source
    index = records.with_suffix(".idx")
    result, people = Extracted(), set()
    property_file = records.with_name("property")
    known = read_property(property_file)[0] if property_file.is_file() else None
    out.mkdir(parents=True, exist_ok=True)
    with RecordFile(records, index if index.is_file() else None) as file:
        keys = list(file.pictures())
        for key in progress(keys, len(keys)) if progress else keys:
            try:
                record = file.read(key)
                identity = identity_of(record, f"{records}: record {key}")
                if known is not None and identity >= known:
                    raise DataError(f"person {identity} of {known} people")
                _write(out / f"{identity:06}" / f"{key:08}", record.content)
            except DataError as error:
                result.unused.append((str(key), str(error)))
                continue
            people.add(identity)
            result.written += 1
    result.people = len(people)
    if result.unused:
        write_reasons(out, result.unused, "record")
    return result


def extract_pair_bin(source: Path, out: Path) -> PairSet:
    """Writes a `.bin` test set as `<out>/<name>/00001.jpg` ... and `<out>/<name>.txt`, names with their folder.

    Raises:
        DataError: The file cannot be read, or a picture is none.
    """
    pairs = read_pair_bin(source)
    names = []
    for number, content in enumerate(pairs.pictures, 1):
        path = _write(out / source.stem / f"{number:05}", content)
        names.append(f"{source.stem}/{path.name}")
    rows = list(zip(names[::2], names[1::2], pairs.same, strict=True))
    write_pairs(out / f"{source.stem}.txt", rows)
    return pairs


def pack_pair_bin(pair_list: Path, folder: Path, out: Path) -> int:
    """Writes a `.bin` test set from a list of pairs and the folder of its pictures, which are taken as they are.

    Returns:
        The number of pairs.

    Raises:
        DataError: A picture of the list is missing: a shorter set would be another set.
    """
    pairs = read_pairs(pair_list, folder)
    missing = missing_pictures(pairs)
    if missing:
        raise DataError(
            f"{len(missing)} pictures of {pair_list} are missing, the first is {missing[0]}: nothing was written."
        )
    contents = [path.read_bytes() for pair in pairs for path in (pair.first, pair.second)]
    write_pair_bin(out, contents, [pair.same for pair in pairs])
    return len(pairs)


def pack_records(folder: Path, out: Path, size: tuple[int, int]) -> int:
    """Writes a training set from a folder a person; people are numbered in the order of their folders' names.

    Args:
        folder: Of the folders.
        out: Where `train.rec`, `train.idx` and `property` go.
        size: Height and width of the pictures, for `property`.

    Returns:
        The number of pictures.

    Raises:
        DataError: There is no picture in a folder of a person.
    """
    files = [path for path in picture_files(folder) if path.parent != folder]
    people = sorted({path.parent for path in files})
    if not files:
        raise DataError(f"{folder} has no folders of people with pictures in them.")
    numbers = {person: number for number, person in enumerate(people)}

    def pictures() -> Iterator[tuple[int, bytes]]:
        for path in files:
            yield numbers[path.parent], path.read_bytes()

    return write_records(out, pictures(), len(people), size)


def _write(stem: Path, content: bytes) -> Path:
    """Writes an encoded picture under the ending that its first bytes show; one that is there is kept."""
    kind = ".jpg" if content[:3] == b"\xff\xd8\xff" else ".png" if content[:4] == b"\x89PNG" else None
    if kind is None:
        raise DataError(f"{stem.name} of {stem.parent} is neither a JPEG nor a PNG picture.")
    path = stem.with_name(stem.name + kind)
    if not path.exists() or path.stat().st_size != len(content):
        with whole_file(path) as unfinished:
            unfinished.write_bytes(content)
    return path
