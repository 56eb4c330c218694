"""Finds and frames the faces of a collection once, in parallel, and writes them as shards."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from agetrans.data.framed import frame
from agetrans.data.labelled import DataError, Photograph
from agetrans.data.shards import encode_face
from agetrans.data.tfrecord import write_record
from agetrans.data.unused import write_reasons
from agetrans.files import whole_file, write_text
from agetrans.pictures import PictureError, read_picture

AS_IT_IS = "none"
"""The framing of pictures that are framed already: they are only resized."""
SETTINGS_FILE = "prepare.json"


@dataclass(frozen=True)
class Framing:
    """How faces are cut out.

    Attributes:
        framing: "ffhq", "agetransgan", or "none" for square pictures that are framed already.
        size: Side of the cut-out faces in pixels.
        pad: Pixels of reflection around each photograph: tight crops need some.
        kind: ".jpg" or ".png".
    """

    framing: str = "ffhq"
    size: int = 256
    pad: int = 0
    kind: str = ".jpg"


@dataclass(frozen=True)
class Shard:
    """One file that is to be made.

    Attributes:
        path: Of the shard.
        photographs: What goes into it.
        framing: How.
    """

    path: Path
    photographs: tuple[Photograph, ...]
    framing: Framing

    @property
    def unused_path(self) -> Path:
        """Lists the photographs that could not be used."""
        return self.path.with_suffix(".unused.json")


def plan_shards(
    photographs: Sequence[Photograph], out: Path, framing: Framing, shard_size: int = 256
) -> list[Shard]:
    """The shards that a collection becomes; a folder belongs to one collection and one framing.

    Args:
        photographs: The collection.
        out: The folder of the shards.
        framing: How faces are cut out.
        shard_size: Photographs a shard.

    Raises:
        DataError: The folder holds shards of something else.
    """
    names = hashlib.sha256(repr([(str(p.path), p.years, p.male, p.identity) for p in photographs]).encode())
    settings = {**asdict(framing), "shard_size": shard_size, "photographs": names.hexdigest()}
    out.mkdir(parents=True, exist_ok=True)
    record = out / SETTINGS_FILE
    if record.exists() and json.loads(record.read_text(encoding="utf-8")) != settings:
        raise DataError(
            f"{out} was prepared from other photographs, or with other flags: give another --out, or remove it."
        )
    write_text(record, json.dumps(settings, indent=2) + "\n")
    count = -(-len(photographs) // shard_size)
    return [
        Shard(
            out / f"faces-{number:05}-of-{count:05}.tfrecord",
            tuple(photographs[number * shard_size : (number + 1) * shard_size]),
            framing,
        )
        for number in range(count)
    ]


def make_shard(shard: Shard) -> int:
    """Writes one shard, whole or not at all, and the list of what it could not use; returns its number of faces."""
    unused: list[tuple[str, str]] = []
    faces = 0
    with whole_file(shard.path) as unfinished, open(unfinished, "wb") as file:
        for photograph in shard.photographs:
            try:
                picture = _face(photograph.path, shard.framing)
            except (PictureError, ValueError) as error:
                unused.append((str(photograph.path), str(error)))
                continue
            record = encode_face(
                picture,
                photograph.years,
                photograph.male,
                photograph.identity,
                str(photograph.path),
                shard.framing.kind,
            )
            write_record(file, record)
            faces += 1
        file.flush()
        os.fsync(file.fileno())
        write_text(shard.unused_path, json.dumps(unused))
    return faces


def _face(path: Path, framing: Framing) -> Any:
    picture = read_picture(path)
    if framing.framing != AS_IT_IS:
        face = frame(picture, framing.pad, framing.framing, framing.size)
        if face is None:
            raise ValueError("no face was found")
        return face
    height, width = picture.shape[:2]
    if height != width:
        raise ValueError(f"{width} x {height} pixels: a picture that is framed already is square")
    return cv2.resize(picture, (framing.size,) * 2, interpolation=cv2.INTER_AREA)


def missing_shards(shards: Sequence[Shard]) -> list[Shard]:
    """Those that an earlier run has not finished."""
    return [shard for shard in shards if not (shard.path.exists() and shard.unused_path.exists())]


def make_shards(shards: Sequence[Shard], jobs: int) -> Iterator[Shard]:
    """Writes shards in several processes, and yields each one when it is done.

    Raises:
        DataError: A process died.
    """
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(make_shard, shard): shard for shard in shards}
        try:
            for done in as_completed(running):
                done.result()
                yield running[done]
        except BrokenProcessPool as error:
            raise DataError(
                "A process that prepares photographs was ended from outside, perhaps for want of memory: run the same "
                "command again, with fewer --jobs."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def write_unused(shards: Sequence[Shard], unread: Sequence[tuple[str, str]], out: Path) -> int:
    """Writes `unused.csv`, one line for each photograph that is in no shard, with the reason; returns their number."""
    rows = [tuple(row) for row in unread]
    for shard in shards:
        rows += [tuple(row) for row in json.loads(shard.unused_path.read_text(encoding="utf-8"))]
    write_reasons(out, rows)
    return len(rows)
