"""Frames to files: pictures, contact sheet and film."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from agetrans.files import unfinished_file, write_text
from agetrans.inference.film import Film
from agetrans.inference.sheet import contact_sheet, thumbnail
from agetrans.inference.stopwatch import Stopwatch
from agetrans.inference.transformer import AgeStream
from agetrans.pictures import read_picture, write_picture

WRITERS = 2
"""Threads that write pictures while the next are made."""
SHEET, FILM, INPUT = "sheet.png", "film.mp4", "input"
RECORD = ".agetrans-files"
"""Names the files of a run, so that the next one in the same folder removes these and nothing else."""

Track = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""Wraps what is gone through, told what it is called and how many there are: shows progress."""


def untracked(items: Iterable[Any], what: str, count: int) -> Iterable[Any]:
    """Shows no progress."""
    return items


def numbered(count: int) -> list[str]:
    """File names without ending for the frames of a run: 000, 001, ..."""
    digits = max(3, len(str(count - 1)))
    return [f"{index:0{digits}}" for index in range(count)]


def named_by_age(ages: Iterable[float]) -> list[str]:
    """File names without ending for single ages: age_005, age_007.5, ... (which sort by age)."""
    names = []
    for age in ages:
        whole, point, rest = f"{age:g}".partition(".")
        names.append(f"age_{whole:0>3}{point}{rest}")
    return names


@dataclass(frozen=True)
class SequenceWriter:
    """Writes the frames of a stream to a folder, each file whole or not at all.

    Attributes:
        kind: ending of the frames: ".png" or ".jpg".
        original: also write the picture as it was, under the name "input".
        sheet: also write a contact sheet of the plan's stops.
        film: also write a film, forward and back, with the age drawn on it.
        track: shows progress.
        stopwatch: counts the seconds spent writing.
    """

    kind: str = ".png"
    original: bool = True
    sheet: bool = True
    film: bool = True
    track: Track = untracked
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    def write(self, stream: AgeStream, folder: Path, names: Sequence[str]) -> list[Path]:
        """Writes a run.

        Args:
            stream: the frames.
            folder: is made where it is missing. Files of an earlier run in it are removed, others left alone.
            names: file names of the frames, without ending.

        Returns:
            All files written.
        """
        paths = [folder / f"{name}{self.kind}" for name in names]
        original = [folder / f"{INPUT}{self.kind}"] if self.original else []
        written = [*original, *paths]
        written += [folder / FILM] if self.film else []
        written += [folder / SHEET] if self.sheet else []
        folder.mkdir(parents=True, exist_ok=True)
        _start_record(folder, written)
        for path in original:
            self._write_picture(path, stream.picture, synthetic=False)
        captions = [f"Age {age:.0f}" for age in stream.plan.ages]
        with ExitStack() as stack:
            film = stack.enter_context(Film(folder / FILM, stream.picture.shape[:2])) if self.film else None
            shown = self._write_frames(stream, paths, film, captions)
            if film is not None:
                back = zip(reversed(paths), reversed(captions), strict=True)
                for path, caption in self.track(back, "Film", len(paths)):
                    self._add(film, read_picture(path), caption)
        if self.sheet:
            sheet = contact_sheet(thumbnail(stream.picture), shown, stream.plan.stop_names)
            self._write_picture(folder / SHEET, sheet)
        return written

    def _write_frames(
        self, stream: AgeStream, paths: Sequence[Path], film: Film | None, captions: Sequence[str]
    ) -> list[np.ndarray]:
        """Writes the frames and the first half of the film; returns the stops' thumbnails."""
        stops = set(stream.plan.stops)
        shown = []
        writers = ThreadPoolExecutor(WRITERS)
        waiting: deque[Future[None]] = deque()
        try:
            for index, frame in enumerate(self.track(stream, "Ages", len(stream))):
                waiting.append(writers.submit(self._write_picture, paths[index], frame))
                if index in stops:
                    shown.append(thumbnail(frame))
                if film is not None:
                    self._add(film, frame, captions[index])
                while len(waiting) > WRITERS:
                    waiting.popleft().result()
            for future in waiting:
                future.result()
        finally:
            writers.shutdown(cancel_futures=True)
        return shown

    def _write_picture(self, path: Path, picture: np.ndarray, synthetic: bool = True) -> None:
        with self.stopwatch.measure("writing"):
            write_picture(path, picture, synthetic)

    def _add(self, film: Film, frame: np.ndarray, caption: str) -> None:
        with self.stopwatch.measure("filming"):
            film.add(frame, caption)


def _start_record(folder: Path, files: Sequence[Path]) -> None:
    """Removes the files of an earlier run, whole and unfinished ones, and records those of this one."""
    record = folder / RECORD
    if record.is_file():
        for name in record.read_text(encoding="utf-8").splitlines():
            if Path(name).name == name:
                (folder / name).unlink(missing_ok=True)
                unfinished_file(folder / name).unlink(missing_ok=True)
    write_text(record, "".join(f"{path.name}\n" for path in files))
