"""Speed, memory and flicker of the live demo and of films.

    python benchmarks/film.py                # 10 seconds of 640 x 480
    python benchmarks/film.py --frames 75    # 3 seconds

The clip is a still portrait that moves, turns and grows, with noise on every frame: its true movement is known. Flicker
is the mean second difference over time of the face, moved back to its place, in grey levels of 255: of what was added
to the frames live, and of the written film's frames; as they are made, and with every frame done as if it were alone.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from agetrans.faces import find_faces
from agetrans.inference.film import Film
from agetrans.inference.filmsource import read_frames
from agetrans.pictures import read_picture

PORTRAIT = Path(__file__).parent.parent / "test" / "img" / "1.jpg"
HEIGHT, WIDTH, RATE = 480, 640, 25
NOISE = 4.0
HOW = {True: "steadied", False: "frame by frame"}


def movement(frame: int) -> np.ndarray:
    """Where the portrait is in a frame: `(2, 3)`, maps its pixels to the frame's."""
    t = frame / RATE
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 3), 6 * np.sin(1.3 * t), 1 + 0.15 * np.sin(0.9 * t))
    matrix[:, 2] += (40 * np.sin(0.7 * t), 20 * np.sin(1.1 * t))
    return matrix


def make_clip(path: Path, frames: int) -> np.ndarray:
    """Writes the clip; returns the portrait as it lies in a frame without movement."""
    portrait = cv2.resize(read_picture(PORTRAIT), (HEIGHT, HEIGHT), interpolation=cv2.INTER_AREA)
    margin = (WIDTH - HEIGHT) // 2
    still = cv2.copyMakeBorder(portrait, 0, 0, margin, margin, cv2.BORDER_REFLECT)
    rng = np.random.default_rng(0)
    with Film(path, (HEIGHT, WIDTH), Fraction(RATE)) as film:
        for frame in range(frames):
            moved = cv2.warpAffine(still, movement(frame), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
            film.add(np.clip(moved + rng.normal(0, NOISE, moved.shape), 0, 255).astype(np.uint8))
    return still


def flicker(pictures: Iterator[np.ndarray], box: tuple[slice, slice]) -> float:
    """Mean second difference over time of the face, moved back to its place."""
    before: list[np.ndarray] = []
    sums = []
    for frame, picture in enumerate(pictures):
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        back = cv2.warpAffine(picture.astype(np.float32), movement(frame), (WIDTH, HEIGHT), flags=flags)[box]
        before.append(back)
        if len(before) == 3:
            sums.append(np.abs(before[0] - 2 * before[1] + before[2]).mean())
            before.pop(0)
    return float(np.mean(sums))


class Meter:
    """Adds up what its `with` blocks take, by the processor and by the clock."""

    processor = clock = 0.0

    def __enter__(self) -> None:
        self._processor, self._clock = time.process_time(), time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.processor += time.process_time() - self._processor
        self.clock += time.perf_counter() - self._clock

    def tell(self, what: str, frames: int, steadiness: float) -> None:
        """Prints what a frame took, and the flicker."""
        print(
            f"{what}: {self.processor / frames:.3f} s of processor time a frame, {frames / self.clock:.1f} frames a "
            f"second by the clock ({self.processor:.0f} and {self.clock:.0f} s in all), flicker {steadiness:.2f}",
            flush=True,
        )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, default=250, help="25 a second (default: 250)")
    parser.add_argument(
        "--snapshot", default="agetrans_10group", help="the model (default: agetrans_10group)"
    )
    parser.add_argument("--age", type=float, default=70, help="years (default: 70)")
    arguments = parser.parse_args()

    from agetrans.inference import AgeTransformer
    from agetrans.inference.live import LiveAger
    from agetrans.inference.refilm import age_film

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = folder / "clip.mp4"
        still = make_clip(clip, arguments.frames)
        x, y, width, height = find_faces(still)[0].box
        box = (slice(round(y), round(y + height)), slice(round(x), round(x + width)))
        transformer = AgeTransformer.from_snapshot(arguments.snapshot, batch_size=1)
        LiveAger(transformer).age(still, arguments.age)  # the first frame pays for the graphs

        def live(smooth: bool, meter: Meter) -> Iterator[np.ndarray]:
            ager = LiveAger(transformer, smooth)
            for _, picture in read_frames(clip):
                with meter:
                    aged = ager.age(picture, arguments.age, 1 / RATE)
                yield aged.astype(np.float32) - picture

        print(f"the clip's own flicker: {flicker(pictures(clip), box):.2f}")
        for smooth, how in HOW.items():
            meter = Meter()
            meter.tell(f"live, {how}", arguments.frames, flicker(live(smooth, meter), box))
        for smooth, how in HOW.items():
            meter, before, target = Meter(), peak_memory(), folder / f"aged_{smooth}.mp4"
            with meter:
                list(age_film(transformer, clip, {arguments.age: target}, smooth=smooth))
            after = peak_memory()
            meter.tell(f"film, {how}", arguments.frames, flicker(pictures(target), box))
            print(f"  peak memory {after:.0f} MiB, {before:.0f} before it", flush=True)


def pictures(film: Path) -> Iterator[np.ndarray]:
    """A film's frames."""
    return (picture for _, picture in read_frames(film))


def peak_memory() -> float:
    """The most memory that this process has held so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
