"""Re-ageing a film: faces tracked, framing and codes smoothed in time, sound kept, resumable, memory flat.

Two passes. The first reads every frame and follows the faces; a path that is known whole can be smoothed without
lag. The second ages the frames and writes them in parts, each whole or not at all; parts of an earlier run are kept. At
the end the parts become one file, without another loss, and the sound of the source joins them.
"""

from __future__ import annotations

import heapq
import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from agetrans.faces import Face, FaceNotFound, paste_back
from agetrans.faces.tracking import FaceTracker, choose_tracks, smooth_in_time
from agetrans.files import whole_file, write_text
from agetrans.inference.film import Film
from agetrans.inference.filmsource import FilmError, copy_sound, read_facts, read_frames
from agetrans.inference.sequence import Track, untracked
from agetrans.inference.transformer import AgeTransformer
from agetrans.pictures import NOTE

PART = 120
"""Frames of a part: what is lost at most when a run is cut off."""
STEADINESS = 2.5
"""Frames over which the points of a face are smoothed (sigma)."""
CODE_SHARE = 0.4
"""What a new frame adds to the smoothed codes; the rest is what they were."""
WARM_UP = 8
"""Frames before a part that the codes are smoothed from when a run is resumed."""
LARGEST_SIDE = 3840
PATHS, PARTS = "faces.json", "parts"


@dataclass(frozen=True)
class FacePaths:
    """Where the chosen faces are in a film.

    Attributes:
        times: of the frames, in units of the time base.
        faces: for each frame the number of each track that is seen in it, and its smoothed points `(5, 2)`.
    """

    times: list[int]
    faces: list[dict[int, np.ndarray]]


def age_film(
    transformer: AgeTransformer,
    source: Path,
    target: Path,
    years: float,
    *,
    which: str = "largest",
    smooth: bool = True,
    model: str = "",
    track: Track = untracked,
) -> int:
    """Writes a film with its people at another age.

    Args:
        transformer: the model; a batch size of 1 suits it best.
        source: any film that FFmpeg reads.
        target: an mp4 file. Parts lie beside it in a hidden folder until it is whole, and are used by the next run.
        years: the target age.
        which: "largest", "all", or a number, see `choose_tracks`.
        smooth: without it every frame is done as if it were a photograph; to compare.
        model: anything that tells the model from others: parts that another has made are not used.
        track: shows progress.

    Returns:
        The number of frames.

    Raises:
        FilmError: the film cannot be read.
        FaceNotFound: no face in any frame, or none of that number.
    """
    facts = read_facts(source)
    parts = target.with_name(f".{target.name}.{PARTS}")
    state = source.stat()
    wish = [source.name, state.st_size, state.st_mtime_ns, years, which, smooth, transformer.framing, model]
    paths = _paths(source, parts, wish, facts.count, which, smooth, track)
    ager = _Ager(transformer, transformer.age_groups.soft_label([years]), smooth)
    files = [parts / f"part-{number:05}.mp4" for number in range(-(-len(paths.times) // PART))]
    missing = [number for number, file in enumerate(files) if not file.exists()]
    if missing:
        frames = _numbered(read_frames(source), track, len(paths.times))
        for number in missing:
            first, last = number * PART, min((number + 1) * PART, len(paths.times))
            with Film(files[number], facts.shape, facts.rate, LARGEST_SIDE, {"bf": "0"}) as film:
                for index, picture in frames:
                    if index >= first:
                        film.add(ager.age(picture, paths.faces[index]))
                    elif index >= first - WARM_UP:
                        ager.watch(picture, paths.faces[index])
                    if index + 1 == last:
                        break
    _join(files, paths.times, facts.time_base, source, target)
    shutil.rmtree(parts)
    return len(paths.times)


def _numbered(
    frames: Iterator[tuple[int, np.ndarray]], track: Track, count: int
) -> Iterator[tuple[int, np.ndarray]]:
    for index, (_, picture) in enumerate(track(frames, "Frames", count)):
        yield index, picture


def _paths(
    source: Path, parts: Path, wish: list[Any], count: int, which: str, smooth: bool, track: Track
) -> FacePaths:
    """The faces' paths: those of an earlier run with the same wish, or found now."""
    record = parts / PATHS
    if record.exists():
        known = json.loads(record.read_text(encoding="utf-8"))
        if known["wish"] == wish:
            faces = [{int(n): np.array(p) for n, p in frame.items()} for frame in known["faces"]]
            return FacePaths(known["times"], faces)
        shutil.rmtree(parts)
    paths = _find_paths(source, count, which, smooth, track)
    faces = [{n: p.tolist() for n, p in frame.items()} for frame in paths.faces]
    write_text(record, json.dumps({"wish": wish, "times": paths.times, "faces": faces}))
    return paths


def _find_paths(source: Path, count: int, which: str, smooth: bool, track: Track) -> FacePaths:
    tracker = FaceTracker()
    times: list[int] = []
    seen: dict[int, dict[int, Face]] = {}
    for index, (time, picture) in enumerate(track(read_frames(source), "Finding faces", count)):
        times.append(time)
        for tracked in tracker.update(picture):
            seen.setdefault(tracked.number, {})[index] = tracked.face
    if not seen:
        raise FaceNotFound(
            f"No face was found in {source}. Try a film where a face is upright, looks roughly into the camera, and is "
            "at least 40 pixels wide."
        )
    tracks = list(seen.values())
    chosen = choose_tracks([{i: face.area for i, face in frames.items()} for frames in tracks], which)
    if not chosen:
        raise FaceNotFound(f"Face {which} was asked for, and fewer faces are seen at once in {source}.")
    faces: list[dict[int, np.ndarray]] = [{} for _ in times]
    for number in sorted(chosen):
        frames = tracks[number]
        points = np.stack([face.points for face in frames.values()])
        for index, place in zip(
            frames, smooth_in_time(points, STEADINESS) if smooth else points, strict=True
        ):
            faces[index][number] = np.round(place, 3)  # as it will be read from the record
    return FacePaths(times, faces)


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


def _join(files: list[Path], times: list[int], time_base: Fraction, source: Path, target: Path) -> None:
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
            video.time_base = time_base
            sound = copy_sound(source, joined)
            next(sound)
            pictures = _retimed(files, times, time_base, video)
            for packet in heapq.merge(pictures, sound, key=_seconds):
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
