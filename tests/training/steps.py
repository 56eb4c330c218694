"""One training step on a tiny model, taken apart: what the tests of the trainer look at.

    KERAS_BACKEND=tensorflow python -m tests.training.steps

writes the numbers that both backends must reach, after a loss was changed on purpose.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from agetrans.groups import AgeGroups
from agetrans.models.agetrans import AgeTrans
from agetrans.training.reaging import ReAging, Weights
from tests.models import agetrans_reference as reference
from tests.models.agetrans_reference import numbers

EXPECTED = Path(__file__).with_name("step.json")
GROUPS = AgeGroups((0, 20, 40, 60), (8.0, 27.0, 48.0, 72.0))
PICTURE_SIZE, SIZE, OUTPUT_SIZE, PAIRS, PHOTOGRAPHS = 256, 128, 64, 2, 2
WEIGHTS = Weights(
    pixel=4.0,
    gradient=6.0,
    adversarial=0.3,
    age_class=0.05,
    features=0.5,
    displacement=20.0,
    mask=0.2,
    own_age=0.02,
    r1=1.0,
)
SUPERVISED = Weights(adversarial=0.0, age_class=0.0, features=0.0)


def make_trainer(weights: Weights = WEIGHTS, seed: int = 0) -> ReAging:
    """A compiled trainer whose numbers are the same on every backend."""
    trainer = ReAging(
        AgeTrans(SIZE, GROUPS.count, width=2, units=4),
        GROUPS,
        OUTPUT_SIZE,
        weights,
        ema_half_life=2.0,
    )
    for part in (trainer.generator, trainer.discriminator):
        reference.fill(part, seed)
    trainer.restart_average()
    trainer.compile()
    return trainer


def make_batch(seed: int = 1) -> dict[str, np.ndarray]:
    stream = np.random.RandomState(seed)

    def pictures(count: int) -> np.ndarray:
        coarse = stream.randint(0, 256, (count, PICTURE_SIZE // 8, PICTURE_SIZE // 8, 3), np.uint8)
        smooth = coarse.repeat(8, axis=1).repeat(8, axis=2)
        return np.where(stream.uniform(size=smooth.shape) < 0.1, 255, smooth).astype(np.uint8)

    return {
        "source": pictures(PAIRS),
        "target": pictures(PAIRS),
        "years": np.array([5.0, 61.0], "f"),
        "source_years": np.array([33.0, 26.0], "f"),
        "head": stream.uniform(0, 1, (PAIRS, 64, 64, 1)).astype("f"),
        "flow": stream.normal(0, 0.05, (PAIRS, 32, 32, 2)).astype("f"),
        "flow_weight": stream.uniform(0, 1, (PAIRS, 32, 32, 1)).astype("f"),
        "photo": pictures(PHOTOGRAPHS),
        "photo_years": np.array([44.0, 18.0], "f"),
        "photo_target": np.array([44.0, 70.0], "f"),
    }


def tensors(batch: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: keras.ops.convert_to_tensor(array) for name, array in batch.items()}


@dataclass
class Step:
    """A step of plain gradient descent with rate 1, so that each variable moves by minus its gradient."""

    before: dict[str, list[np.ndarray]]
    after: dict[str, list[np.ndarray]]
    logs: dict[str, float]

    def gradients(self, part: str) -> list[np.ndarray]:
        return [a - b for a, b in zip(self.before[part], self.after[part], strict=True)]

    def summary(self) -> dict[str, Any]:
        """Losses, and for the gradients of each part their length and their products with fixed directions."""
        summary: dict[str, Any] = {"logs": self.logs}
        for part in ("generator", "discriminator"):
            flat = np.concatenate([gradient.ravel() for gradient in self.gradients(part)])
            directions = np.random.RandomState(2).standard_normal((4, len(flat)))
            summary[part] = [float(np.linalg.norm(flat)), *(directions @ flat).tolist()]
        return summary


def values(trainer: ReAging) -> dict[str, list[np.ndarray]]:
    parts = {
        "generator": trainer.generator.trainable_variables,
        "discriminator": trainer.discriminator.trainable_variables,
        "average": trainer.average,
    }
    return {name: [numbers(variable) for variable in variables] for name, variables in parts.items()}


def take_step(trainer: ReAging, batch: dict[str, np.ndarray]) -> Step:
    trainer.optimizer = keras.optimizers.SGD(1.0)
    trainer.discriminator_optimizer = keras.optimizers.SGD(1.0)
    before = values(trainer)
    logs = trainer.train_step(tensors(batch))
    return Step(before, values(trainer), {name: float(numbers(value)) for name, value in logs.items()})


if __name__ == "__main__":
    EXPECTED.write_text(json.dumps(take_step(make_trainer(), make_batch()).summary(), indent=2) + "\n")
