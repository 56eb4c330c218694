"""Reading films: upright frames with their times, and what else there is to know before work begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np


class FilmError(ValueError):
    """A film cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class FilmFacts:
    """What a film says of itself.

    Attributes:
        rate: frames a second, on average.
        time_base: seconds that one unit of a frame's time takes.
        count: frames, as far as the file knows; an estimate.
        shape: height and width of upright frames.
        sounds: tracks of sound.
    """

    rate: Fraction
    time_base: Fraction
    count: int
    shape: tuple[int, int]
    sounds: int


def read_facts(path: Path) -> FilmFacts:
    """Opens a film and looks at its first frame.

    Raises:
        FilmError: there is no film in it.
    """
    import av

    for _, frame in read_frames(path):
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            rate = Fraction(video.average_rate or video.guessed_rate or 25)
            seconds = (container.duration or 0) / 1_000_000
            assert video.time_base is not None
            count = video.frames or round(seconds * rate)
            return FilmFacts(rate, video.time_base, count, frame.shape[:2], len(container.streams.audio))
    raise FilmError(f"{path} has no picture in it.")


def read_frames(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """The frames of a film, upright, in the order they are shown in.

    Yields:
        The time in units of the film's time base, and `(H, W, 3)` uint8 RGB.

    Raises:
        FilmError: it cannot be read.
    """
    import av

    if not path.exists():
        raise FilmError(f"There is no file {path}.")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise FilmError(f"{path} has no picture in it: only sound.")
            video = container.streams.video[0]
            video.thread_type = "AUTO"
            last = -1
            for frame in container.decode(video):
                # Files without times, or with one that does not rise, are shown at an even pace.
                last = last + 1 if frame.pts is None or frame.pts <= last else frame.pts
                picture = frame.to_ndarray(format="rgb24")
                yield last, np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90) % 4))
    except av.FFmpegError as error:
        raise FilmError(f"{path} is no film that can be read, or it is damaged ({error.strerror}).") from None


def copy_sound(source: Path, number: int, container: object) -> Iterator[object]:
    """Packets of one of the source's tracks of sound for an mp4 file that is being written, their times kept.

    Sound that an mp4 file cannot hold is encoded anew as AAC.

    Args:
        source: the film.
        number: of the track, from 0.
        container: an open output container, to which the track is added at once.

    Yields:
        Packets, ready to be muxed. The first item is None: by then the track has been added.
    """
    import av

    with av.open(str(source)) as film:
        sound = film.streams.audio[number]
        if sound.codec_context.name in ("aac", "mp3", "ac3", "eac3", "alac", "opus", "mp3float"):
            out = container.add_stream_from_template(sound)  # type: ignore[attr-defined]
            out.metadata.update(sound.metadata)
            yield None
            for packet in film.demux(sound):
                if packet.dts is not None:
                    packet.stream = out
                    yield packet
            return
        out = container.add_stream("aac", rate=sound.codec_context.sample_rate)  # type: ignore[attr-defined]
        out.metadata.update(sound.metadata)
        resampler = av.AudioResampler(
            format="fltp", layout=sound.layout.name, rate=sound.codec_context.sample_rate
        )
        yield None
        for frame in film.decode(sound):
            for piece in resampler.resample(frame):
                yield from out.encode(piece)
        yield from out.encode(None)
