"""`python demo/main.py`: the camera as AgeTransGAN's users know it, and the face re-aged while it runs."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agetrans.cli.ageing import Ageing, Wish, add_model_flags
from agetrans.cli.console import (
    DONE,
    EXIT_CODES,
    CommandError,
    SentenceParser,
    are,
    counted,
    run_console,
    say,
    shown,
)
from agetrans.cli.screen import Recorder, Screen, Window

if TYPE_CHECKING:
    import numpy as np

STEP = 5
"""Years that an arrow key moves."""
STEPS = 10
PLAYED_EVERY = 0.07
"""Seconds from one picture of a captured run to the next, as in the authors' demo."""
WORDS = "arrows: age   c: capture   l: live on/off   space: pause   Esc: leave"


def parse(argv: list[str]) -> argparse.Namespace:
    """Flags of demo/main.py; `argv[0]` is the program."""
    parser = SentenceParser(
        prog="main.py",
        description=f"Shows the face in front of the camera at another age. Keys: {WORDS}.",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "--source", type=Path, metavar="FILE", help="a film instead of the camera (default: the first camera)"
    )
    parser.add_argument(
        "--record", type=Path, metavar="FILE.mp4", help="write what would be seen to a film, without a window"
    )
    parser.add_argument("--age", type=float, default=70, metavar="YEARS", help="to begin with (default: 70)")
    parser.add_argument("--no_live", action="store_true", help="begin with the camera as it is")
    parser.add_argument(
        "--img_size",
        type=int,
        default=1024,
        metavar="PIXELS",
        help="side of captured pictures (default: 1024)",
    )
    add_model_flags(parser, batch_size=16)
    return parser.parse_args(argv[1:])


def console(home: Path) -> None:
    """Runs the program whose results go to `home`, the folder demo/."""
    run_console(parse, lambda arguments: run(arguments, home))


def run(arguments: argparse.Namespace, home: Path) -> int:
    """Does what the flags say; returns the exit status."""
    ageing = Ageing(Wish.of(arguments, steps=STEPS, size=arguments.img_size))
    if arguments.record is not None and arguments.source is None:
        raise CommandError("--record needs --source FILE: nobody could stop the camera without a window.")
    if arguments.source is None:
        rate, frames = None, camera_frames()
    else:
        rate = film_rate(arguments.source)
        frames = film_frames(arguments.source) if arguments.record else film_loop(arguments.source, rate)
    screen: Screen = Recorder(arguments.record, rate or 25) if arguments.record else Window("AgeTrans")
    results = home / "result" / str(ageing.groups)
    with screen:
        demo = Demo(screen, ageing, results, arguments.age, not arguments.no_live, rate)
        shown_frames, seconds = demo.run(frames)
    if arguments.record:
        frames_are = f"{counted(shown_frames, 'frame')} {are(shown_frames)}"
        print(f"{frames_are} in {shown(arguments.record)}: {shown_frames / seconds:.1f} a second")
    return DONE


def film_rate(source: Path) -> float:
    """A film's frames a second."""
    from agetrans.inference.filmsource import read_facts

    return float(read_facts(source).rate)


def film_frames(source: Path) -> Iterator[np.ndarray]:
    """A film's frames, `(H, W, 3)` uint8 RGB."""
    from agetrans.inference.filmsource import read_frames

    return (picture for _, picture in read_frames(source))


def film_loop(source: Path, rate: float) -> Iterator[np.ndarray]:
    """A film's frames over and over, at most so many a second."""
    due = time.perf_counter()
    while True:
        for picture in film_frames(source):
            time.sleep(max(0, due - time.perf_counter()))
            due = max(due, time.perf_counter()) + 1 / rate
            yield picture


def camera_frames() -> Iterator[np.ndarray]:
    """What the first camera sees, mirrored, `(H, W, 3)` uint8 RGB.

    Raises:
        CommandError: there is no camera.
    """
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    camera = cv2.VideoCapture(0)
    if not camera.isOpened():
        raise CommandError(
            "There is no camera that can be opened: connect one, or give a film with --source FILE."
        )
    camera.set(cv2.CAP_PROP_FRAME_WIDTH, 1280)
    camera.set(cv2.CAP_PROP_FRAME_HEIGHT, 720)
    camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # what waits in a queue would be shown late

    def frames() -> Iterator[np.ndarray]:
        try:
            while True:
                there, picture = camera.read()
                if not there:
                    raise CommandError("The camera stopped: it was disconnected, or another program took it.")
                yield cv2.cvtColor(picture[:, ::-1], cv2.COLOR_BGR2RGB)
        finally:
            camera.release()

    return frames()


class Demo:
    """The loop: a frame in, keys heard, a frame shown.

    Args:
        screen: shows frames.
        ageing: what captured pictures are aged with; its model serves the live view, too.
        results: folder of captured runs.
        years: age to begin with.
        live: whether the live view begins re-aged.
        rate: frames a second of a film; None for a camera.
    """

    def __init__(
        self, screen: Screen, ageing: Ageing, results: Path, years: float, live: bool, rate: float | None
    ) -> None:
        self._screen, self._ageing, self._results = screen, ageing, results
        self._years, self._live, self._rate = years, live, rate

    def run(self, frames: Iterator[np.ndarray]) -> tuple[int, float]:
        """Runs until the frames end or somebody leaves; returns the number of frames and the seconds they took."""
        ager = self._live_ager()
        count, seconds, before = 0, 0.0, time.perf_counter()
        for picture in frames:
            now = time.perf_counter()
            passed = 1 / self._rate if self._rate else max(1e-3, now - before)
            before = now
            seen = ager(picture, self._years, passed) if self._live else picture
            seen = self._labelled(seen)
            keys = self._screen.show(seen)
            seconds += time.perf_counter() - now
            count += 1
            if not self._obey(keys, picture, seen):
                break
        return count, max(seconds, 1e-9)

    def _live_ager(self) -> Callable[[Any, float, float], Any]:
        transformer = self._ageing.frame_transformer()
        from agetrans.inference.live import LiveAger

        centres = transformer.age_groups.centres
        self._range = centres[0], centres[-1]
        self._years = min(max(self._years, self._range[0]), self._range[1])
        return LiveAger(transformer).age

    def _labelled(self, picture: np.ndarray) -> np.ndarray:
        from agetrans.inference.lettering import write_on

        return write_on(picture, f"Age {self._years:.0f}" if self._live else "as it is")

    def _obey(self, keys: list[str], picture: np.ndarray, seen: np.ndarray) -> bool:
        """Does what keys say about a frame and how it is shown; returns whether to go on."""
        low, high = self._range
        for key in keys:
            if key == "leave":
                return False
            if key in ("younger", "older"):
                step = STEP if key == "older" else -STEP
                self._years, self._live = min(max(self._years + step, low), high), True
            elif key == "live":
                self._live = not self._live
            elif key == "pause" and not self._wait(seen):
                return False
            elif key == "capture":
                self._capture(picture)
        return True

    def _wait(self, picture: np.ndarray) -> bool:
        """Holds a picture until the next key; returns whether to go on."""
        while not (keys := self._screen.show(picture)):
            time.sleep(PLAYED_EVERY / 2)
        return "leave" not in keys

    def _capture(self, picture: np.ndarray) -> None:
        """Ages a frame through all groups, then plays it forward and back until somebody leaves."""
        from agetrans.faces import FaceNotFound
        from agetrans.inference.lettering import write_on
        from agetrans.pictures import read_picture, write_picture

        folder = self._results / time.strftime("%Y-%m-%d_%H-%M-%S")
        folder.mkdir(parents=True, exist_ok=True)
        photo = folder / "capture.png"
        write_picture(photo, picture, synthetic=False)

        def track(items: Any, what: str, count: int) -> Iterator[Any]:
            for done, item in enumerate(items):
                self._screen.show(write_on(picture, f"{what}: {done} of {count}"))
                yield item

        try:
            count = self._ageing.age(photo, folder, track)
        except FaceNotFound as error:
            photo.unlink()
            folder.rmdir()
            say(str(error))
            return
        print(f"{count} pictures, a contact sheet and a film are in {shown(folder)}")
        pictures = [folder / f"{index:03}.png" for index in range(count)]
        for path in itertools.cycle([*pictures, *reversed(pictures)]):
            began = time.perf_counter()
            current = read_picture(path)
            keys = self._screen.show(current)
            if "leave" in keys or ("pause" in keys and not self._wait(current)):
                return
            time.sleep(max(0, PLAYED_EVERY - (time.perf_counter() - began)))
