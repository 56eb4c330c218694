"""From what was asked for on a command line to files, quick to refuse: TensorFlow starts after all else was checked."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agetrans.cli.console import CommandError, say
from agetrans.framings import FRAMINGS, LANDMARKS

if TYPE_CHECKING:
    from agetrans.inference.sequence import Track
    from agetrans.inference.transformer import AgeTransformer

PRECISIONS = ("float32", "bfloat16")
SIZES = range(64, 4097)
PUBLISHED = (10, 4)
"""Numbers of age groups that a snapshot ships for; the first is the default."""


@dataclass(frozen=True)
class Wish:
    """What was asked for; the names are those of `AgeTransformer.transform` and of the flags.

    What nobody asks for is what the authors' program does: a crop of the largest face, as PNG, with sheet and film.
    """

    group: int | None = None
    snapshot: str | None = None
    ages: list[float] | None = None
    steps: int | None = None
    face: str = "largest"
    paste: bool = False
    size: int | None = None
    seed: int | None = None
    framing: str | None = None
    landmarks: int = LANDMARKS[0]
    precision: str = PRECISIONS[0]
    batch_size: int = 16
    kind: str = ".png"
    sheet: bool = True
    film: bool = True

    @classmethod
    def of(cls, arguments: argparse.Namespace, **more: Any) -> Wish:
        """The flags that have a wish's names, and what else is wished."""
        named = {item.name for item in fields(cls)} & set(vars(arguments))
        return cls(**{name: getattr(arguments, name) for name in named} | more)


def add_model_flags(parser: argparse.ArgumentParser, batch_size: int) -> None:
    """Adds the flags that say which model computes, and how."""
    parser.add_argument("--group", type=int, metavar="N", help="number of age groups, 10 or 4 (default: 10)")
    parser.add_argument(
        "--snapshot",
        metavar="MODEL",
        help="a name, a folder, or AgeTransGAN's own .pt (default: agetrans_10group or agetrans_4group)",
    )
    parser.add_argument(
        "--batch_size",
        type=int,
        default=batch_size,
        metavar="N",
        help=f"pictures computed at once, fewer where memory is short (default: {batch_size})",
    )
    parser.add_argument(
        "--framing",
        choices=FRAMINGS,
        help="how the face is cut out: as AgeTransGAN's program does, or FFHQ's (default: what the model is used to)",
    )
    parser.add_argument(
        "--landmarks",
        type=int,
        choices=LANDMARKS,
        default=LANDMARKS[0],
        help="points that faces of photographs are found by: 68 as AgeTransGAN's program does, with the extra "
        "`landmarks` (default: 5)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="bfloat16 is faster on newer processors, and less exact (default: float32)",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="seeds the model's noise (default: no noise)")


class Ageing:
    """Ages photographs as wished, one after the other, with one model.

    Attributes:
        groups: number of the model's age groups.

    Raises:
        CommandError: a wish that cannot be met.
        SnapshotError: a model that cannot be used.
    """

    def __init__(self, wish: Wish) -> None:
        self._began = time.perf_counter()
        from agetrans.faces import LandmarksMissing, face_finder
        from agetrans.inference.plan import AgePlan
        from agetrans.inference.stopwatch import Stopwatch
        from agetrans.snapshot import find_snapshot, read_config

        self.wish = wish
        self.stopwatch = Stopwatch()
        self._transformer: AgeTransformer | None = None
        if wish.batch_size < 1:
            raise CommandError(f"--batch_size must be at least 1, not {wish.batch_size}.")
        if wish.seed is not None and not 0 <= wish.seed < 2**32:
            raise CommandError(f"--seed must be from 0 to {2**32 - 1}, not {wish.seed}.")
        if wish.size is not None and wish.size not in SIZES:
            raise CommandError(
                f"The crop's side must be from {SIZES[0]} to {SIZES[-1]} pixels, not {wish.size}."
            )
        if not (wish.face in ("largest", "all") or wish.face.isdecimal()):
            raise CommandError(f"--face must be largest, all or a number from 0, not {wish.face!r}.")
        if wish.snapshot is None and wish.group not in (None, *PUBLISHED):
            raise CommandError(
                f"--group must be {' or '.join(map(str, PUBLISHED))}, not {wish.group}, unless --snapshot names a "
                "model of other groups."
            )
        self._snapshot = find_snapshot(wish.snapshot or f"agetrans_{wish.group or PUBLISHED[0]}group", say)
        config = read_config(self._snapshot)
        age_groups = config.age_groups
        if wish.group is not None and wish.group != age_groups.count:
            raise CommandError(
                f"--group says {wish.group} age groups, and the model in {self._snapshot} has {age_groups.count}."
            )
        self.groups = age_groups.count
        try:
            self._plan = AgePlan.of(age_groups, wish.ages, None, wish.steps)
        except ValueError as error:
            raise CommandError(str(error)) from None
        try:
            self._find_faces = face_finder(wish.landmarks, wish.framing or config.framing)
        except LandmarksMissing as error:
            raise CommandError(str(error)) from None

    def age(self, photo: Path, folder: Path, track: Track | None = None) -> int:
        """Ages the person in a photograph; where all faces are wanted as crops, each gets a folder of its own.

        Returns:
            The number of frames written.

        Raises:
            PictureError: the photograph cannot be read.
            FaceNotFound: no face in it.
        """
        from agetrans.faces import choose_face
        from agetrans.inference.sequence import SequenceWriter, named_by_age, numbered, untracked
        from agetrans.pictures import read_picture

        wish = self.wish
        picture = read_picture(photo)
        with self.stopwatch.measure("finding"):
            faces = choose_face(self._find_faces(picture), wish.face)
        runs = [(folder, faces)]
        if wish.face == "all" and not wish.paste:
            runs = [(folder / f"face_{index}", [face]) for index, face in enumerate(faces)]
        names = named_by_age(self._plan.ages) if wish.ages else numbered(len(self._plan))
        writer = SequenceWriter(
            kind=wish.kind,
            original=not wish.paste,
            sheet=wish.sheet,
            film=wish.film,
            track=track or untracked,
            stopwatch=self.stopwatch,
        )
        for place, chosen in runs:
            stream = self.transformer().stream(
                picture,
                ages=wish.ages,
                steps=wish.steps,
                face=chosen,
                paste=wish.paste,
                size=wish.size,
                seed=wish.seed,
            )
            writer.write(stream, place, names)
        return len(names) * len(runs)

    def signature(self) -> str:
        """What tells this wish from others: the flags, and the model's files."""
        model = sorted((file.name, file.stat().st_mtime_ns) for file in self._snapshot.iterdir())
        return repr((self.wish, model))

    def transformer(self) -> AgeTransformer:
        """The model, loaded when it is first needed."""
        if self._transformer is None:
            with self.stopwatch.measure("start-up"):
                from agetrans.inference import AgeTransformer

                self._transformer = AgeTransformer.from_snapshot(
                    self._snapshot,
                    framing=self.wish.framing,
                    precision=self.wish.precision,
                    batch_size=self.wish.batch_size,
                    stopwatch=self.stopwatch,
                )
        return self._transformer

    def frame_transformer(self) -> AgeTransformer:
        """The same model for frames that come one by one: a batch is filled up, which would be in vain."""
        from agetrans.inference import AgeTransformer

        whole = self.transformer()
        return AgeTransformer(
            whole.generator, whole.age_groups, framing=whole.framing, batch_size=1, stopwatch=self.stopwatch
        )

    def timing(self) -> str:
        """Where the time went, in one line."""
        total = time.perf_counter() - self._began
        return f"{total:.1f} s in all: {self.stopwatch} (of work side by side, each counts its own)"
