"""A tiny trainer on photographs, and made-up photographs for it, the same on every backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from agetrans.data.facebatches import FaceBatches
from agetrans.data.shards import Shards, encode_face
from agetrans.data.tfrecord import write_record
from agetrans.groups import AgeGroups
from agetrans.models.agetrans import AgeTrans
from agetrans.models.agetransgan import AgeTransGAN
from agetrans.models.generator import Generator
from agetrans.training.photographs import PhotographTrainer
from agetrans.training.weights import Terms
from tests.models import agetrans_reference as reference

GROUPS = AgeGroups((0, 30), (15.0, 45.0))
SIZE = 64
LEVELS = (8, 4)
PATH_ALONE = Terms(
    adversarial=0.0, age_class=0.0, reconstructed=0.0, cycle=0.0, triplet=0.0, identity=0.0, path_length=2.0
)
"""The path length, and what keeps the picture: the smallest step of AgeTransGAN."""


def write_shards(folder: Path, count: int = 8) -> Path:
    """Smooth coloured noise instead of faces, ages 10 and 50 in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    stream = np.random.RandomState(0)
    with open(folder / "a.tfrecord", "wb") as file:
        for number in range(count):
            coarse = stream.randint(0, 256, (8, 8, 3), np.uint8)
            picture = np.kron(coarse, np.ones((SIZE // 8, SIZE // 8, 1), np.uint8))
            age = (10.0, 50.0)[number % 2]
            write_record(file, encode_face(picture, age, None, None, f"{number}.png", ".png"))
    return folder


def make_trainer(model: str = "agetrans", pieces: int = 1, terms: Terms | None = None, **options: Any) -> Any:
    generator: Generator
    if model == "agetrans":
        generator = AgeTrans(SIZE, GROUPS.count, width=1, units=4)
    else:
        generator = AgeTransGAN(SIZE, GROUPS.count, base_width=4, mapping_layers=1)
    trainer = PhotographTrainer(
        generator, GROUPS, SIZE, terms or Terms(), decay=0.5, pieces=pieces, levels=LEVELS, **options
    )
    reference.fill(trainer.generator, 0)
    reference.fill(trainer.discriminator, 1)
    trainer.restart_average()
    trainer.compile()
    return trainer


def make_batches(shards: Shards, batch: int = 4, parts: int = 1, trainer: Any = None) -> FaceBatches:
    painted = trainer is not None and isinstance(trainer.generator, AgeTransGAN)
    return FaceBatches(
        shards,
        GROUPS,
        batch,
        parts=parts,
        between_groups=not painted,
        noise_sides=trainer.generator.noise_sides if painted else (),
        picture_noise=painted,
    )
