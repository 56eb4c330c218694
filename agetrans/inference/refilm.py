"""Re-ageing a film: faces tracked, framing and codes smoothed in time, sound kept, resumable, memory flat.

Two passes. The first follows the faces, once for all ages (`filmfaces`). The second ages the frames and writes them in
parts, each whole or not at all; parts of an earlier run are kept. At the end the parts become one file, without
another loss, and the sound of the source joins them.
"""

from __future__ import annotations

import heapq
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from agetrans.faces import Face, paste_back
from agetrans.files import whole_file, write_text
from agetrans.inference.film import Film
from agetrans.inference.filmfaces import FacePaths, find_paths
from agetrans.inference.filmsource import FilmError, FilmFacts, copy_sound, read_facts, read_frames
from agetrans.inference.sequence import Track, untracked
from agetrans.inference.transformer import AgeTransformer
from agetrans.pictures import NOTE

PART = 120
"""Frames of a part: what is lost at most when a run is cut off."""
CODE_SHARE = 0.4
"""What a new frame adds to the smoothed codes; the rest is what they were."""
WARM_UP = 8
"""Frames before a part that the codes are smoothed from when a run is resumed."""
LARGEST_SIDE = 3840
RECORDS, WISH = ".agetrans-films", "wish.json"


def age_film(
    transformer: AgeTransformer,
    source: Path,
    targets: Mapping[float, Path],
    *,
    which: str = "largest",
    smooth: bool = True,
    model: str = "",
    track: Track = untracked,
) -> Iterator[tuple[Path, int]]:
    """Writes a film with its people at other ages: one for each age.

    What is unfinished, and what says of which wish a film was made, lies in the hidden folder `RECORDS` beside the
    films. A film that an earlier run has finished is left as it is.

    Args:
        transformer: the model; a batch size of 1 suits it best.
        source: any film that FFmpeg reads.
        targets: for each age in years an mp4 file; all in one folder.
        which: "largest", "all", or a number, see `choose_tracks`.
        smooth: without it every frame is done as if it were a photograph; to compare.
        model: anything that tells the model from others: what another has made is made anew.
        track: shows progress.

    Yields:
        A film that is whole, and the number of its frames.

    Raises:
        FilmError: the film cannot be read.
        FaceNotFound: no face in any frame, or none of that number.
    """
    facts = read_facts(source)
    state = source.stat()
    stamp = [source.name, state.st_size, state.st_mtime_ns]
    paths: FacePaths | None = None
    for years, target in targets.items():
        records = target.parent / RECORDS
        faces = records / f"{source.name}.faces"
        wish = [*stamp, years, which, smooth, transformer.framing, model]
        count = _finished(target, wish)
        if count is None:
            if paths is None:
                paths = find_paths(source, stamp, faces, which, smooth, facts.count, track)
            ager = _Ager(transformer, transformer.age_groups.soft_label([years]), smooth)
            _age(ager, source, target, facts, paths, wish, track)
            count = len(paths.times)
        yield target, count
    shutil.rmtree(faces, ignore_errors=True)


def _finished(target: Path, wish: list[Any]) -> int | None:
    """The number of frames of a film that an earlier run has made of the same wish, and nobody has touched."""
    try:
        known = json.loads(_record(target).read_text(encoding="utf-8"))
    except OSError:
        return None
    is_it = target.exists() and known["wish"] == wish and known["file"] == _identity(target)
    return int(known["frames"]) if is_it else None


def _record(target: Path) -> Path:
    return target.parent / RECORDS / f"{target.name}.json"


def _identity(file: Path) -> list[int]:
    state = file.stat()
    return [state.st_size, state.st_mtime_ns]


def _age(
    ager: _Ager, source: Path, target: Path, facts: FilmFacts, paths: FacePaths, wish: list[Any], track: Track
) -> None:
    """Makes the parts of a film that are missing, puts all together, and records what it is."""
    parts = target.parent / RECORDS / f"{target.name}.parts"
    note = parts / WISH
    if parts.exists() and not (note.exists() and json.loads(note.read_text(encoding="utf-8")) == wish):
        shutil.rmtree(parts)
    write_text(note, json.dumps(wish))
    count = len(paths.times)
    files = [parts / f"part-{number:05}.mp4" for number in range(-(-count // PART))]
    missing = [number for number, file in enumerate(files) if not file.exists()]
    if missing:
        frames = _numbered(read_frames(source), track, count)
        for number in missing:
            first, last = number * PART, min((number + 1) * PART, count)
            with Film(files[number], facts.shape, facts.rate, LARGEST_SIDE, {"bf": "0"}) as film:
                for index, picture in frames:
                    if index >= first:
                        film.add(ager.age(picture, paths.faces[index]))
                    elif index >= first - WARM_UP:
                        ager.watch(picture, paths.faces[index])
                    if index + 1 == last:
                        break
    _join(files, paths.times, facts, source, target)
    write_text(_record(target), json.dumps({"wish": wish, "file": _identity(target), "frames": count}))
    shutil.rmtree(parts)


def _numbered(
    frames: Iterator[tuple[int, np.ndarray]], track: Track, count: int
) -> Iterator[tuple[int, np.ndarray]]:
    for index, (_, picture) in enumerate(track(frames, "Frames", count)):
        yield index, picture


class _Ager:
    """Ages frame after frame; remembers each track's codes."""

    def __init__(self, transformer: AgeTransformer, labels: np.ndarray, smooth: bool) -> None:
        self._transformer, self._labels, self._smooth = transformer, labels, smooth
        self._codes: dict[int, tuple[Any, ...]] = {}

    def age(self, picture: np.ndarray, faces: dict[int, np.ndarray]) -> np.ndarray:
        """The frame with its chosen faces aged."""
        result = picture
        for framed, codes in self._look(picture, faces):
            change = next(self._transformer.decode(codes, self._labels))[0]
            aged = self._transformer.compose(framed.crop, change)
            result = paste_back(result, aged, framed.transform, self._transformer.framing)
        return result

    def watch(self, picture: np.ndarray, faces: dict[int, np.ndarray]) -> None:
        """Only remembers."""
        for _ in self._look(picture, faces):
            pass

    def _look(
        self, picture: np.ndarray, faces: dict[int, np.ndarray]
    ) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        self._codes = {number: codes for number, codes in self._codes.items() if number in faces}
        for number, points in faces.items():
            low, high = points.min(axis=0), points.max(axis=0)
            face = Face((*low.tolist(), *(high - low).tolist()), points, 1.0)
            framed = self._transformer.frame_face(picture, face)
            codes = self._transformer.encode(framed.crop)
            before = self._codes.get(number)
            if before is not None and self._smooth:
                codes = tuple(old + CODE_SHARE * (new - old) for old, new in zip(before, codes, strict=True))
            self._codes[number] = codes
            yield framed, codes


def _join(files: list[Path], times: list[int], facts: FilmFacts, source: Path, target: Path) -> None:
    """Puts the parts and the source's sound into one file, whole or not at all."""
    import av

    try:
        with (
            whole_file(target) as unfinished,
            av.open(str(unfinished), "w", format="mp4", options={"movflags": "faststart"}) as joined,
        ):
            joined.metadata["comment"] = NOTE
            with av.open(str(files[0])) as first:
                video = joined.add_stream_from_template(first.streams.video[0])
            video.time_base = facts.time_base
            sounds = [copy_sound(source, number, joined) for number in range(facts.sounds)]
            for sound in sounds:
                next(sound)
            pictures = _retimed(files, times, facts.time_base, video)
            for packet in heapq.merge(pictures, *sounds, key=_seconds):
                joined.mux(packet)
    except av.FFmpegError as error:
        raise FilmError(f"{target} could not be written ({error.strerror}).") from None


def _retimed(files: list[Path], times: list[int], time_base: Fraction, video: Any) -> Iterator[Any]:
    """The parts' packets at the source's times; they have no B-frames, so packets come in the order of frames."""
    import av

    ends = itertools.count()
    for file in files:
        with av.open(str(file)) as part:
            for packet in part.demux(video=0):
                if packet.size == 0:
                    continue
                index = next(ends)
                packet.stream = video
                packet.time_base = time_base
                packet.pts = packet.dts = times[index]
                following = (
                    times[index + 1] if index + 1 < len(times) else 2 * times[index] - times[index - 1]
                )
                packet.duration = max(1, following - times[index])
                yield packet


def _seconds(packet: Any) -> Fraction:
    return Fraction(packet.dts or 0) * packet.time_base
