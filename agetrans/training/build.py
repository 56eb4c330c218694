"""From settings to a trainer and its batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np

from agetrans.data.batches import Families, batches
from agetrans.data.facebatches import FaceBatches
from agetrans.data.framed import read_framed
from agetrans.data.labelled import DataError, parse_groups
from agetrans.data.prefetch import prefetch
from agetrans.data.shards import Shards
from agetrans.models.agetrans import AgeTrans
from agetrans.models.agetransgan import AgeTransGAN
from agetrans.models.generator import Generator
from agetrans.snapshot import load_snapshot
from agetrans.training.photographs import PhotographTrainer
from agetrans.training.reaging import ReAging
from agetrans.training.record import GENERATOR
from agetrans.training.ruler import Ruler, load_estimator, reader
from agetrans.training.settings import Settings
from agetrans.training.trainer import Trainer
from agetrans.variables import named_variables

NO_NOISE = "agetrans"
"""The model that trains without noise."""


@dataclass(frozen=True)
class Sources:
    """Where a run's data and frozen networks come from.

    Attributes:
        shards: Prepared photographs, for training on photographs.
        families: Folder of family shards, and
        photos: framed photographs (`.npz`), for training on families.
        critic: Weights of the age critic, where a term needs one.
        recogniser: Run of a recogniser, or a converted checkpoint, where a term needs one.
    """

    shards: Shards | None = None
    families: Path | None = None
    photos: Path | None = None
    critic: Path | None = None
    recogniser: Path | None = None


def build_generator(settings: Settings) -> Generator:
    """A fresh generator.

    Raises:
        DataError: It cannot be built in that size.
    """
    groups = parse_groups(settings.group).count
    try:
        if settings.model == "agetransgan":
            return AgeTransGAN(settings.size, groups, base_width=settings.width, dtype=settings.policy)
        return AgeTrans(settings.size, groups, settings.width, dtype=settings.policy)
    except ValueError as error:
        raise DataError(str(error)) from error


def start_generator(generator: Generator, start: str | None) -> int:
    """Gives a generator its first weights; returns how many of its variables came from `start`.

    A generator trained at another size starts this one: variables of the same place and shape are taken, what only
    this size has stays fresh.

    Args:
        generator: Fresh.
        start: A run's folder, a weights file of the same architecture, a snapshot, or None.

    Raises:
        DataError: It is another kind of generator.
    """
    if start is None:
        if isinstance(generator, AgeTrans):
            generator.reset_change()
        return 0
    path = Path(start)
    of_run = path.suffix == ".h5" or (path / GENERATOR).exists()
    source = read_run(path)[1] if of_run else load_snapshot(start).generator
    if type(source) is not type(generator):
        raise DataError(
            f"--start: {start} holds an {type(source).__name__}, and this run trains an {type(generator).__name__}."
        )
    values, taken = _values(source), 0
    for place, variable in _places(generator).items():
        value = values.get(place)
        if value is not None and value.shape == tuple(variable.shape):
            variable.assign(value)
            taken += 1
    return taken


def read_run(path: Path) -> tuple[Settings, Generator]:
    """The settings and the averaged generator of a run.

    Args:
        path: The run's folder, or one of the weights files in it.

    Raises:
        DataError: There are no weights, nothing that says what they are, or they are of another network.
    """
    if path.is_dir():
        path = path / GENERATOR
    if not path.is_file():
        raise DataError(f"{path.parent} holds no {path.name}: a run writes it at its first checkpoint.")
    record = path.parent / "settings.json"
    if not record.exists():
        record = path.parent.parent / "settings.json"  # a snapshot lies one folder deeper
    if not record.exists():
        raise DataError(f"Beside {path} there is no settings.json that says what it is.")
    try:
        settings = Settings.from_json(record.read_text(encoding="utf-8"))
        generator = build_generator(settings)
        generator.load_weights(path)
    except (OSError, TypeError, ValueError, KeyError) as error:
        raise DataError(f"{path} does not hold the weights that {record} describes.") from error
    return settings, generator


def _values(generator: Generator) -> dict[str, np.ndarray]:
    return {place: keras.ops.convert_to_numpy(v) for place, v in _places(generator).items()}


def _places(generator: Generator) -> dict[str, Any]:
    """Variables under names that are those of the same place in a generator of another size."""
    named = named_variables(generator)
    if not isinstance(generator, AgeTransGAN):
        return named
    # The trunk counts its blocks from the finest, which another size has not: name them by their sides.
    sides = {str(index): side for index, side in enumerate(reversed(generator.levels))}
    places = {}
    for name, variable in named.items():
        first, _, rest = name.partition("/")
        if first == "trunk":
            index, _, rest = rest.partition("/")
            name = f"trunk/{sides[index]}/{rest}"
        places[name] = variable
    return places


def build_trainer(
    settings: Settings, sources: Sources, steps: int, picture_size: int | None = None
) -> tuple[Trainer, Ruler | None]:
    """A compiled trainer, and where it trains on families the ruler that reads their ages.

    Args:
        settings: Of the run.
        sources: Of the run.
        steps: Length of the run, for the schedule of families' training.
        picture_size: Side of the photographs, where it is not that of the shards.

    Raises:
        DataError: A term needs a network that is not given, or a network cannot be of that size or those levels.
        CommandError: The recogniser's folder holds none.
    """
    generator = build_generator(settings)
    critic = load_estimator(sources.critic, settings.policy) if sources.critic else None
    age_groups = parse_groups(settings.group)
    if settings.pairs:
        return _families_trainer(settings, sources, generator, critic, steps)
    assert sources.shards is not None
    side = picture_size or sources.shards.size
    recogniser = _recogniser(sources.recogniser, side) if sources.recogniser else None
    decay = 0.5 ** (settings.batch / (1000 * settings.ema_kimg))
    try:
        trainer = PhotographTrainer(
            generator,
            age_groups,
            side,
            settings.terms,
            decay,
            settings.accumulate,
            settings.levels,
            critic,
            recogniser=recogniser,
            dtype=settings.policy,
        )
    except ValueError as error:
        raise DataError(str(error)) from error
    trainer.compile(
        settings.learning_rate, settings.discriminator_rate, settings.beta_1, settings.jit_compile
    )
    return trainer, None


def _recogniser(run: Path, side: int) -> keras.Model:
    # Not at the top: a run without that loss needs nothing of recognition.
    from agetrans.recognition.session import load_recogniser
    from agetrans.training.embedding import face_reader

    return face_reader(load_recogniser(run), side)


def _families_trainer(
    settings: Settings, sources: Sources, generator: Generator, critic: Any, steps: int
) -> tuple[Trainer, Ruler]:
    assert sources.photos is not None
    photos, age_groups = _photos(sources.photos), parse_groups(settings.group)
    ruler = Ruler(reader(critic), photos["pictures"], photos["age"], age_groups)
    half_life = 1000 * settings.ema_kimg / settings.batch
    try:
        trainer = ReAging(
            generator,
            age_groups,
            settings.output_size,
            settings.family_terms,
            half_life,
            dtype=settings.policy,
        )
    except ValueError as error:
        raise DataError(str(error)) from error
    trainer.compile(
        keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps, alpha=0.1),
        settings.discriminator_rate,
    )
    return trainer, ruler


@lru_cache(maxsize=1)
def _photos(path: Path) -> dict[str, np.ndarray]:
    """Photographs with ages, read once for the ruler and the batches: they are hundreds of megabytes."""
    return read_framed(path, "age")


def photograph_batches(
    settings: Settings, shards: Shards, generator: Generator, seed: int, parts: int, share: tuple[int, int]
) -> FaceBatches:
    """The batches of a run on photographs."""
    return FaceBatches(
        shards,
        parse_groups(settings.group),
        settings.batch,
        seed,
        parts,
        between_groups=settings.model == NO_NOISE,
        noise_sides=() if settings.model == NO_NOISE else generator.noise_sides,
        picture_noise=bool(settings.terms.path_length),
        share=share,
    )


def family_batches(
    settings: Settings, sources: Sources, ruler: Ruler, first: int, seed: int
) -> tuple[Iterator[dict[str, np.ndarray]], Families]:
    """The batches of a run on families, and the families.

    Raises:
        DataError: There is no usable family.
    """
    assert sources.families is not None
    assert sources.photos is not None
    families = Families(sources.families, ruler)
    if not families.people:
        raise DataError(f"--families: there is no usable family in {sources.families}.")
    photos = _photos(sources.photos)
    stream = batches(
        families,
        photos["pictures"],
        photos["age"],
        parse_groups(settings.group),
        pairs=settings.pairs,
        photographs=settings.batch - settings.pairs,
        first=first,
        seed=seed,
    )
    return stream, families


def face_stream(made: FaceBatches, first: int) -> Iterator[dict[str, np.ndarray]]:
    """Endless batches of photographs from batch number `first`."""
    return prefetch(made.make, first, threads=2)
