"""Prepared photographs: framed faces with their labels in TFRecord shards, each one reachable by its number."""

from __future__ import annotations

import hashlib
import mmap
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from agetrans.data.labelled import DataError
from agetrans.data.tfrecord import (
    RecordError,
    Value,
    decode_example,
    encode_example,
    read_record,
    record_places,
)

UNKNOWN = -1
"""Stands for a gender that is not labelled."""


def encode_face(
    picture: np.ndarray, years: float, male: bool | None, identity: str | None, file: str, kind: str = ".jpg"
) -> bytes:
    """One record of a shard.

    Args:
        picture: `(S, S, 3)` uint8 RGB.
        years: Age.
        male: Gender, None where it is not known.
        identity: Whose face it is, None where that is not known.
        file: Where the photograph came from.
        kind: ".jpg" (quality 95, full colour resolution) or ".png".
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
    _, encoded = cv2.imencode(kind, picture[..., ::-1], options if kind == ".jpg" else [])
    features: dict[str, Value] = {
        "image": encoded.tobytes(),
        "size": picture.shape[0],
        "years": float(years),
        "male": UNKNOWN if male is None else int(male),
        "identity": (identity or "").encode(),
        "file": file.encode(),
    }
    return encode_example(features)


class Shards:
    """All shards of a folder: labels in memory, pictures read when they are asked for.

    Reading is safe from several threads.

    Args:
        folder: Of `*.tfrecord` files, as `agetrans prepare` writes them.

    Attributes:
        years: Ages `(N,)` float32.
        male: 1 a man, 0 a woman, -1 not known: `(N,)` int8.
        identities: Names, "" where not known.
        size: Side of the pictures in pixels.
        fingerprint: Of all records in their order, wherever the folder lies: 16 hexadecimal digits.

    Raises:
        DataError: There are no shards, some are missing, one is broken, or they hold pictures of several sizes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places: list[tuple[mmap.mmap, int, int, Path]] = []
        records = hashlib.sha256()
        years, male, identities, sizes = [], [], [], set()
        paths = sorted(folder.glob("*.tfrecord"))
        _check_whole(folder, paths)
        for path in paths:
            try:
                for place, features in self._scan(path):
                    self._places.append(place)
                    data, offset, length, _ = place
                    records.update(length.to_bytes(8, "little") + data[offset + length : offset + length + 4])
                    years.append(features["years"])
                    male.append(features["male"])
                    identities.append(_bytes(features, "identity").decode())
                    sizes.add(features["size"])
            except (RecordError, KeyError) as error:
                raise DataError(
                    f"{path} is no shard of agetrans prepare: {error}. Prepare it again."
                ) from error
        if not self._places:
            raise DataError(
                f"There are no prepared photographs in {folder}: make them with "
                f"agetrans prepare FOLDER --out {folder}."
            )
        if len(sizes) > 1:
            raise DataError(f"{folder} holds pictures of {sorted(sizes)} pixels: use one size in a folder.")
        self.size = int(sizes.pop())
        self.years = np.array(years, np.float32)
        self.male = np.array(male, np.int8)
        self.identities = identities
        self.fingerprint = records.hexdigest()[:16]

    def __len__(self) -> int:
        return len(self._places)

    def _scan(self, path: Path) -> list[tuple[tuple[mmap.mmap, int, int, Path], dict[str, Value]]]:
        with open(path, "rb") as file:
            if not path.stat().st_size:
                return []
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return [
            ((data, offset, length, path), decode_example(data[offset : offset + length]))
            for offset, length in record_places(data)
        ]

    def file(self, index: int) -> str:
        """Where a photograph came from."""
        data, offset, length, _ = self._places[index]
        return _bytes(decode_example(data[offset : offset + length]), "file").decode()

    def picture(self, index: int) -> np.ndarray:
        """One picture, `(size, size, 3)` uint8 RGB.

        Raises:
            DataError: Its record is damaged.
        """
        data, offset, length, path = self._places[index]
        try:
            encoded = _bytes(decode_example(read_record(data, offset, length)), "image")
        except RecordError as error:
            raise DataError(f"{path}: {error}. Prepare this shard again.") from error
        picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        if picture is None or picture.shape != (self.size, self.size, 3):
            raise DataError(f"{path}: the picture at byte {offset} cannot be read. Prepare this shard again.")
        return picture[..., ::-1]

    def pictures(self, indices: Sequence[int]) -> np.ndarray:
        """Several pictures, `(N, size, size, 3)` uint8 RGB."""
        return np.stack([self.picture(index) for index in indices])


def _check_whole(folder: Path, paths: Sequence[Path]) -> None:
    """Refuses a folder that lacks some of the shards that the names of the others count."""
    numbered = [match for path in paths if (match := re.fullmatch(r".*-\d+-of-(\d+)\.tfrecord", path.name))]
    totals = Counter(int(match[1]) for match in numbered)
    for total, count in totals.items():
        if count < total:
            raise DataError(
                f"{folder} holds {count} of {total} shards: run the same agetrans prepare again, which goes on where "
                "it stopped, or copy the others."
            )


def _bytes(features: dict[str, Value], name: str) -> bytes:
    value = features[name]
    if not isinstance(value, bytes):
        raise RecordError(f"its feature {name} holds numbers")
    return value
