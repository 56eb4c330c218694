"""The film of a run, as browsers and phones play it: H.264, 8 bits, 4:2:0."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import cv2
import numpy as np

from agetrans.files import unfinished_file
from agetrans.inference.lettering import write_on
from agetrans.pictures import NOTE

FRAMES_PER_SECOND = 10
LARGEST_SIDE = 1920
CODECS = ("libx264", "libopenh264", "mpeg4")
"""Encoders, the first that this copy of FFmpeg has: players know the last one less well."""
OPTIONS = {"libx264": {"crf": "18", "preset": "veryfast"}}


class Film:
    """Writes an mp4 file frame by frame; the file appears, whole, when the `with` block ends without an error.

    It carries a note that it is synthetic.

    Args:
        target: the file's path, or an open binary file that can be read and sought.
        shape: height and width of the frames; larger than `largest_side` or odd ones are scaled.
        rate: frames a second.
        largest_side: pixels.
        options: more of them for the encoder, in FFmpeg's words.
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        shape: tuple[int, int],
        rate: Fraction | int = FRAMES_PER_SECOND,
        largest_side: int = LARGEST_SIDE,
        options: dict[str, str] | None = None,
    ) -> None:
        self._target, self._rate, self._options = target, Fraction(rate), options or {}
        scale = min(1.0, largest_side / max(shape))
        self._height, self._width = (max(2, round(side * scale) // 2 * 2) for side in shape)
        if isinstance(target, Path):
            self._unfinished: Path | None = unfinished_file(target)
        else:
            self._unfinished = None

    def __enter__(self) -> Film:
        import av

        if self._unfinished is None:
            self._container = av.open(self._target, "w", format="mp4")
        else:
            self._container = av.open(
                str(self._unfinished), "w", format="mp4", options={"movflags": "faststart"}
            )
        self._container.metadata["comment"] = NOTE
        codec = next(name for name in CODECS if name in av.codecs_available)
        video = self._container.add_stream(
            codec, rate=self._rate, options=OPTIONS.get(codec, {}) | self._options
        )
        assert isinstance(video, av.VideoStream)
        self._video = video
        self._video.width, self._video.height = self._width, self._height
        self._video.pix_fmt = "yuv420p"
        self._video.time_base = 1 / self._rate
        # Unmarked colours are guessed, and players differ. 1: ITU-R BT.709; limited range.
        context = self._video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = context.color_range = 1
        return self

    def add(self, frame: np.ndarray, caption: str | None = None) -> None:
        """Adds a frame `(H, W, 3)` uint8 RGB, with words drawn on it if there are any."""
        import av

        if frame.shape[:2] != (self._height, self._width):
            frame = cv2.resize(frame, (self._width, self._height), interpolation=cv2.INTER_AREA)
        picture = av.VideoFrame.from_ndarray(
            frame if caption is None else write_on(frame, caption), format="rgb24"
        )
        picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
        self._container.mux(self._video.encode(picture))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._container.mux(self._video.encode())
            self._container.close()
            if self._unfinished is not None and isinstance(self._target, Path):
                self._unfinished.replace(self._target)
        else:
            self._container.close()
            if self._unfinished is not None:
                self._unfinished.unlink(missing_ok=True)
