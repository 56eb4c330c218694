"""What the page can ask for, without a network: frames, pictures, sheets and films of a picture in memory."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from agetrans.faces import Face, find_faces
from agetrans.faces.finder import at_most
from agetrans.faces.framing import invert
from agetrans.groups import AgeGroups
from agetrans.inference.film import Film
from agetrans.inference.plan import AgePlan
from agetrans.inference.sheet import contact_sheet, thumbnail
from agetrans.pictures import decode_picture, encode_picture

if TYPE_CHECKING:
    from agetrans.inference.transformer import AgeStream, AgeTransformer

STEPS = 10
"""Frames from one age group to the next on the slider."""
SCREEN_SIDE = 1600
"""Longest side in pixels of what the page shows; files to download have the photograph's own size."""
CROP_SIDE = 768
"""Side of the face alone on the page."""
MEGAPIXELS = 50
FRAME_QUALITY = 88
"""JPEG quality of what is only looked at."""

Progress = Callable[[int, int], None]
Region = tuple[int, int, int, int]
Frames = Generator[tuple[int, bytes], None, None]


class Studio:
    """Serves any number of pages with one model, which is loaded in the background.

    Args:
        age_groups: of the model.
        load: gives the model; runs once, in a thread of its own.
    """

    def __init__(self, age_groups: AgeGroups, load: Callable[[], AgeTransformer]) -> None:
        self.plan = AgePlan.through_groups(age_groups, steps=STEPS)
        self._load = load
        self._transformer: AgeTransformer | None = None
        self._failure: Exception | None = None
        self._loaded = threading.Event()
        threading.Thread(target=self._start, daemon=True).start()

    def _start(self) -> None:
        try:
            transformer = self._load()
            side = transformer.generator.size
            # The first frame pays for the model's graphs: better now than when someone waits.
            list(transformer.render(np.zeros((side, side, 3), np.uint8), self.plan.labels[:1]))
            self._transformer = transformer
        except Exception as error:
            self._failure = error
        finally:
            self._loaded.set()

    @property
    def ready(self) -> bool:
        """Whether the model has been loaded."""
        return self._loaded.is_set()

    def transformer(self) -> AgeTransformer:
        """The model; waits until it is loaded, and raises what loading raised."""
        self._loaded.wait()
        if self._transformer is None:
            assert self._failure is not None
            raise self._failure
        return self._transformer

    def order(self, first: int) -> list[int]:
        """All places on the slider as they are made: one, the age groups, then ever finer; what is near it first."""
        order, count = [first], len(self.plan)
        for places in (self.plan.stops, range(0, count, 5), range(0, count, 2), range(count)):
            order += sorted(set(places) - set(order), key=lambda place: abs(place - first))
        return order

    def stream(
        self, view: np.ndarray, faces: Sequence[Face], crop: bool, places: Sequence[int], size: int | None
    ) -> AgeStream:
        """The frames at some places of the slider, in their order."""
        from agetrans.inference.transformer import AgeStream

        transformer = self.transformer()
        framed = [transformer.frame_face(view, face, not crop, size) for face in faces]
        wanted = list(places)
        plan = AgePlan(self.plan.labels[wanted], self.plan.ages[wanted], (), ())
        return AgeStream(transformer, framed[0].crop if crop else view, framed, plan, not crop, None)


class Sitting:
    """One picture, in memory alone, and what is made of it.

    Args:
        studio: the model.
        data: the content of a picture file.

    Raises:
        PictureError: it cannot be read.

    Attributes:
        picture: `(H, W, 3)` uint8 RGB.
        screen: the same, at most `SCREEN_SIDE` pixels long.
        faces: in `picture`, the largest first.
        screen_faces: the same as they lie in `screen`.
    """

    def __init__(self, studio: Studio, data: bytes) -> None:
        self._studio = studio
        self.picture = decode_picture(data, "This file", MEGAPIXELS * 1_000_000)
        height, width = self.picture.shape[:2]
        self.screen = at_most(self.picture, SCREEN_SIDE)
        # The finder shrinks what it searches; from here it gets there sooner than from a large photograph.
        self.screen_faces = find_faces(self.screen)
        back = width / self.screen.shape[1], height / self.screen.shape[0]
        self.faces = [face.scaled(*back) for face in self.screen_faces]

    def frames(self, chosen: Sequence[int], crop: bool, first: int) -> tuple[np.ndarray, Region, Frames]:
        """What the slider scrubs through.

        Args:
            chosen: indices of faces; one where `crop` is set.
            crop: the face alone instead of the whole picture.
            first: the place on the slider that is looked at.

        Returns:
            The unchanged view, uint8 RGB; the part of it (left, top, width, height) that frames cover; and the frames:
            their place on the slider and their JPEG file.
        """
        order = self._studio.order(first)
        if crop:
            stream = self._studio.stream(self.picture, [self.faces[chosen[0]]], True, order, CROP_SIDE)
            region = (0, 0, CROP_SIDE, CROP_SIDE)
        else:
            faces = [self.screen_faces[index] for index in chosen]
            stream = self._studio.stream(self.screen, faces, False, order, None)
            region = _region(stream)
        return stream.picture, region, self._encoded(stream, region, order)

    def _encoded(self, stream: AgeStream, region: Region, order: Sequence[int]) -> Frames:
        left, top, width, height = region
        for place, frame in zip(order, stream, strict=True):
            part = np.ascontiguousarray(frame[top : top + height, left : left + width])
            yield place, encode_picture(part, ".jpg", FRAME_QUALITY)

    def picture_file(self, chosen: Sequence[int], crop: bool, place: int) -> bytes:
        """The picture at one place of the slider, at the photograph's own size, as a PNG file."""
        (frame,) = self._stream(chosen, crop, [place], full=True)
        return encode_picture(frame, ".png")

    def sheet_file(self, chosen: Sequence[int], crop: bool, progress: Progress) -> bytes:
        """The contact sheet of all age groups as a PNG file."""
        plan = self._studio.plan
        stream = self._stream(chosen, crop, plan.stops, full=False)
        shown = []
        for frame in stream:
            shown.append(thumbnail(frame))
            progress(len(shown), len(stream))
        return encode_picture(contact_sheet(thumbnail(stream.picture), shown, plan.stop_names), ".png")

    def film_file(self, chosen: Sequence[int], crop: bool, progress: Progress) -> bytes:
        """The film through all ages and back, as an mp4 file."""
        plan = self._studio.plan
        stream = self._stream(chosen, crop, range(len(plan)), full=False)
        captions = [f"Age {age:.0f}" for age in plan.ages]
        target, back = io.BytesIO(), []
        with Film(target, stream.picture.shape[:2]) as film:
            for place, frame in enumerate(stream):
                film.add(frame, captions[place])
                back.append(encode_picture(frame, ".jpg", 95))
                progress(place + 1, 2 * len(plan))
            for place in reversed(range(len(plan))):
                film.add(decode_picture(back[place], "A frame"), captions[place])
                progress(2 * len(plan) - place, 2 * len(plan))
        return target.getvalue()

    def _stream(self, chosen: Sequence[int], crop: bool, places: Sequence[int], full: bool) -> AgeStream:
        faces = self.faces if full or crop else self.screen_faces
        view = self.picture if full or crop else self.screen
        size = None if full else CROP_SIDE if crop else None
        return self._studio.stream(view, [faces[index] for index in chosen], crop, places, size)


def _region(stream: AgeStream) -> Region:
    """The part of a picture that its changed faces' crops cover: left, top, width and height."""
    height, width = stream.picture.shape[:2]
    corners = []
    for face in stream.faces:
        side = len(face.crop)
        square = np.array([(-1, -1, 1), (side, -1, 1), (-1, side, 1), (side, side, 1)])
        corners.append(square @ invert(face.transform).T)
    low = np.floor(np.concatenate(corners).min(axis=0)).astype(int)
    high = np.ceil(np.concatenate(corners).max(axis=0)).astype(int) + 1
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    return left, top, min(width, int(high[0])) - left, min(height, int(high[1])) - top
