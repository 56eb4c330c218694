"""MXNet's RecordIO files, as InsightFace's training sets have them, without MXNet.

A set is a folder of `train.rec` (records), `train.idx` (where each record begins) and `property` (number of people,
height, width). Files are mapped and checked while they are read: what a file claims is never believed.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from agetrans.data.labelled import DataError
from agetrans.files import whole_file, write_text

MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_LENGTH_MASK = (1 << 29) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_HEADER = struct.Struct("<IfQQ")
_MOST_LABELS = 1024
_MOST_PEOPLE = 2**31


@dataclass(frozen=True)
class FaceRecord:
    """One record: its labels and what follows them.

    Attributes:
        labels: One number, or as many as the record's flag says.
        content: An encoded picture; empty for a header record.
        has_array: Whether the labels were stored as an array, as record 0 stores them.
    """

    labels: tuple[float, ...]
    content: bytes
    has_array: bool


class RecordFile:
    """Reads records by key; the file is mapped, so only what is asked for is read.

    Args:
        path: The `.rec` file.
        index: The `.idx` file: lines of key, tab, offset. Without one the file is read through once.

    Attributes:
        offsets: Where each key's record begins.

    Raises:
        DataError: A file is missing, or is none of these.
    """

    def __init__(self, path: Path, index: Path | None = None) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
            self._data = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}.") from error
        self.offsets = read_index(index, len(self._data)) if index is not None else dict(self._scan())

    def close(self) -> None:
        """Ends the mapping."""
        self._data.close()
        self._file.close()

    def __enter__(self) -> RecordFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, key: int) -> FaceRecord:
        """The record of a key.

        Raises:
            DataError: There is none, or it is damaged.
        """
        if key not in self.offsets:
            raise DataError(f"{self.path} has no record {key}.")
        payload, _ = self._payload(self.offsets[key])
        return self._unpack(payload, key)

    def pictures(self) -> Iterator[int]:
        """Keys of the pictures, in order: without the header record and the records of people behind them.

        Raises:
            DataError: The header record is damaged.
        """
        keys = sorted(self.offsets)
        first = self.read(0) if 0 in self.offsets else None
        if first is None or not first.has_array:
            yield from keys
            return
        end = first.labels[0]
        if not math.isfinite(end) or end < 1:
            raise DataError(f"{self.path}: record 0 says that pictures end at {end}, which cannot be.")
        yield from (key for key in keys if 1 <= key < end)

    def _scan(self) -> Iterator[tuple[int, int]]:
        position = key = 0
        while position < len(self._data):
            yield key, position
            _, position = self._payload(position)
            key += 1

    def _payload(self, position: int) -> tuple[bytes, int]:
        """What a record holds, and where the next one begins; split records are put together again."""
        parts: list[bytes] = []
        while True:
            start, flag, end = self._part(position)
            if (flag in (_WHOLE, _FIRST)) == bool(parts):
                raise self._damaged(position)
            parts.append(self._data[start:end])
            position = end + -(end - start) % 4
            if flag in (_WHOLE, _LAST):
                return _MAGIC_BYTES.join(parts), position

    def _part(self, position: int) -> tuple[int, int, int]:
        if position + 8 > len(self._data):
            raise self._damaged(position)
        magic, word = struct.unpack_from("<II", self._data, position)
        flag, end = word >> 29, position + 8 + (word & _LENGTH_MASK)
        if magic != MAGIC or flag > _LAST or end > len(self._data):
            raise self._damaged(position)
        return position + 8, flag, end

    def _unpack(self, payload: bytes, key: int) -> FaceRecord:
        if len(payload) < _HEADER.size:
            raise DataError(f"{self.path}: record {key} is too short for a header.")
        count, label, _, _ = _HEADER.unpack_from(payload)
        end = _HEADER.size + 4 * count
        if count > _MOST_LABELS or end > len(payload):
            raise DataError(f"{self.path}: record {key} claims {count} labels, more than it can hold.")
        if not count:
            return FaceRecord((label,), payload[end:], False)
        return FaceRecord(struct.unpack_from(f"<{count}f", payload, _HEADER.size), payload[end:], True)

    def _damaged(self, position: int) -> DataError:
        return DataError(
            f"{self.path} is no RecordIO file or is damaged near byte {position}: fetch it again."
        )


def read_index(path: Path, size: int) -> dict[int, int]:
    """Offsets by key from an `.idx` file.

    Args:
        path: The file.
        size: Of the `.rec` file in bytes.

    Raises:
        DataError: A line is not two numbers, or points outside.
    """
    offsets: dict[int, int] = {}
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as an index: {error}.") from error
    for number, line in enumerate(lines, 1):
        fields = line.split("\t")
        if len(fields) != 2 or not all(field.isdecimal() and len(field) < 19 for field in fields):
            raise DataError(f"{path}, line {number}: it should be a key, a tab and an offset.")
        key, offset = int(fields[0]), int(fields[1])
        if offset >= size or key in offsets:
            raise DataError(f"{path}, line {number}: the index does not belong to its .rec file.")
        offsets[key] = offset
    return offsets


def identity_of(record: FaceRecord, where: str) -> int:
    """The person of a picture's record: its first label.

    Raises:
        DataError: It is no whole number from 0.
    """
    label = record.labels[0]
    if not math.isfinite(label) or label != int(label) or not 0 <= label < _MOST_PEOPLE:
        raise DataError(f"{where}: the label {label} is not the number of a person.")
    return int(label)


def read_property(path: Path) -> tuple[int, int, int]:
    """Number of people, height and width from a `property` file.

    Raises:
        DataError: It does not hold three whole numbers.
    """
    try:
        fields = path.read_text(encoding="ascii").strip().split(",")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if len(fields) != 3 or not all(field.strip().isdecimal() and len(field) < 12 for field in fields):
        raise DataError(f"{path} should hold people, height and width, such as 85742,112,112.")
    people, height, width = (int(field) for field in fields)
    return people, height, width


def write_records(
    folder: Path, pictures: Iterator[tuple[int, bytes]], people: int, size: tuple[int, int]
) -> int:
    """Writes a training set as InsightFace has them: `train.rec`, `train.idx`, `property`.

    Args:
        folder: Where to; it is made.
        pictures: The number of the person and the encoded picture, in any order.
        people: Number of people.
        size: Height and width.

    Returns:
        How many pictures were written.
    """
    index = []
    with whole_file(folder / "train.rec") as unfinished, unfinished.open("wb") as file:
        # The header's place comes first and its content, which counts the pictures, is of known length.
        header_size = 8 + _HEADER.size + 8
        file.write(b"\0" * header_size)
        count = 0
        for identity, content in pictures:
            count += 1
            index.append(file.tell())
            write_record(file, _HEADER.pack(0, float(identity), count, 0) + content)
        file.seek(0)
        ends = struct.pack("<2f", float(count + 1), float(count + 1 + people))
        write_record(file, _HEADER.pack(2, 0.0, 0, 0) + ends)
    lines = [f"{key}\t{offset}\n" for key, offset in enumerate([0, *index])]
    write_text(folder / "train.idx", "".join(lines))
    write_text(folder / "property", f"{people},{size[0]},{size[1]}")
    return count


def write_record(file: BinaryIO, payload: bytes) -> None:
    """Writes one record; where its magic number stands inside at a multiple of 4, the record is split there."""
    parts, start = [], 0
    place = payload.find(_MAGIC_BYTES)
    while place >= 0:
        if (place - start) % 4 == 0 and place % 4 == 0:
            parts.append(payload[start:place])
            start = place + 4
            place = payload.find(_MAGIC_BYTES, start)
        else:
            place = payload.find(_MAGIC_BYTES, place + 1)
    parts.append(payload[start:])
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        flag = _WHOLE if len(parts) == 1 else _FIRST if not number else _LAST if last else _MIDDLE
        file.write(struct.pack("<II", MAGIC, flag << 29 | len(part)) + part + b"\0" * (-len(part) % 4))
