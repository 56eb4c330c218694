"""Trains the age estimator on framed photographs, from a network that knows ImageNet.

The photographs (`agetrans.data.photographs`) are few thousand: a network that already sees edges, skin and hair learns
ages from them, one that starts from nothing hardly does (docs/decisions.md).
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops

from agetrans.cli.console import CommandError, check_same_run
from agetrans.data.framed import SIZE, read_framed
from agetrans.data.prefetch import prefetch
from agetrans.files import write_text
from agetrans.losses import age_cross_entropy
from agetrans.models.age_estimator import AGES, READ_SIZE, AgeEstimator, expected_age
from agetrans.training import STATE
from agetrans.training.autodiff import value_and_gradients
from agetrans.training.record import Record, restore
from agetrans.training.ruler import save_estimator
from agetrans.training.trainer import Trainer, to_floats

BATCH = 48
LEARNING_RATE, WARMUP, WEIGHT_DECAY = 5e-4, 200, 0.03
AVERAGE_DECAY = 0.99
KEPT = slice(SIZE // 16, SIZE - SIZE // 16)
"""What is kept of framed photographs: the inner three quarters and a rim to move them in."""
STORED_SIZE = 196
INNER_SIZE = STORED_SIZE * 192 / 224
"""Side of the inner three quarters in a stored picture."""
LOG_PRIOR = np.where((np.arange(AGES) >= 20) & (np.arange(AGES) < 40), np.log(2), 0).astype(np.float32)
"""Whoever may be 15 or 25 is rather 25: the photographs hold every age group alike, and the world does not."""
TICK = 100
WEIGHTS, SETTINGS = "estimator.safetensors", "settings.json"


class EstimatorTraining(Trainer):
    """Trains an `AgeEstimator`: cross-entropy over years, the expected age's error, and gender.

    Losses and the logged errors are those without `LOG_PRIOR`, as the photographs are; what is kept reads with it.

    A batch is a dict of `faces` `(B, 128, 128, 3)` uint8, `age` `(B,)` float32 in years and `male` `(B,)` float32.

    Args:
        estimator: As `Trainer.generator` it is what checkpoints keep.
        steps: Of the whole run.
        learning_rate: At its highest, after 200 steps; from there it falls to 0 along half a cosine.
    """

    generator: AgeEstimator

    def __init__(self, estimator: AgeEstimator, steps: int, learning_rate: float) -> None:
        super().__init__()
        self.generator = estimator
        self.phases = {"ages": 1}
        self._track(AVERAGE_DECAY)
        self.built = True
        warmup = min(WARMUP, steps // 2)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
        )
        self.compile(optimizer=keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY), jit_compile=False)
        self.optimizer.build(estimator.trainable_variables)

    def train_step(self, data: Any) -> dict[str, Any]:
        batch = data[0]
        x = to_floats(batch["faces"])

        def objective() -> tuple[Any, tuple[Any, Any]]:
            outputs = self.generator.read(x, training=True)
            # What is trained without the prior ends up with it (logit adjustment, Menon et al., 2021).
            logits = outputs["logits"] - ops.convert_to_tensor(LOG_PRIOR)
            error = ops.mean(ops.abs(expected_age(logits) - batch["age"]))
            gender = ops.mean(ops.binary_crossentropy(batch["male"], outputs["male"][:, 0], from_logits=True))
            years = ops.mean(age_cross_entropy(logits, batch["age"]))
            return years + 0.1 * error + 0.3 * gender, (error, gender)

        (_, (error, gender)), gradients = value_and_gradients(objective, self.generator.trainable_variables)
        self.improve_generator(gradients)
        self.steps.assign_add(1)
        return {"age_error": ops.stop_gradient(error), "gender": ops.stop_gradient(gender)}


class EstimatorRecord(Record):
    """The record of an estimator's run, which keeps the averaged weights as others read them."""

    def save_trained(self, generator: Any) -> None:
        """Writes the averaged estimator."""
        save_estimator(generator, self.folder / WEIGHTS)


def moved_face(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A stored picture `(196, 196, 3)` mirrored, moved, sometimes coarse or partly covered: `(128, 128, 3)` uint8."""
    if random.random() < 0.5:
        picture = picture[:, ::-1]
    size, middle = READ_SIZE, STORED_SIZE / 2
    scale = size / INNER_SIZE * np.exp(random.normal(0, 0.08))
    matrix = cv2.getRotationMatrix2D((middle, middle), random.normal(0, 8), scale)
    matrix[:, 2] += size / 2 - middle + random.normal(0, 0.025 * size, 2)
    face = cv2.warpAffine(np.ascontiguousarray(picture), matrix, (size, size), borderMode=cv2.BORDER_REFLECT)
    if random.random() < 0.25:
        coarse = int(random.integers(48, 112))
        face = cv2.resize(cv2.resize(face, (coarse, coarse), interpolation=cv2.INTER_AREA), (size, size))
    if random.random() < 0.35:
        (height, width), (top, left) = random.integers(10, 51, 2), random.integers(0, 102, 2)
        face[top : top + height, left : left + width] = random.integers(0, 255)
    return face


def relit_face(face: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A face in another contrast, brightness and tint, sometimes grey, sometimes noisy; shape and uint8 stay."""
    x = face.astype(np.float32) - 128.0
    if random.random() < 0.15:
        x = np.broadcast_to(x.mean(axis=-1, keepdims=True), x.shape)
    x = x * np.exp(random.normal(0, 0.2)) + random.normal(0, 18) + random.normal(0, 8, 3)
    if random.random() < 0.3:
        x = x + random.normal(0, 4) * random.standard_normal(x.shape, np.float32)
    return np.clip(x.round() + 128.0, 0, 255).astype(np.uint8)


def load_photographs(path: Path) -> dict[str, np.ndarray]:
    """Photographs of a file: `pictures` `(N, 196, 196, 3)` uint8, `age` and `male` `(N,)` float32.

    Raises:
        DataError: It is no file of framed photographs with ages and genders.
    """
    size = (STORED_SIZE, STORED_SIZE)
    photographs = read_framed(path, "age", "male")
    pictures = [
        cv2.resize(picture[KEPT, KEPT], size, interpolation=cv2.INTER_AREA)
        for picture in photographs["pictures"]
    ]
    return {**photographs, "pictures": np.stack(pictures)}


def make_batch(photographs: dict[str, np.ndarray], seed: int, number: int) -> dict[str, np.ndarray]:
    """Training batch `number`, a function of it and the seed: every photograph comes once in each pass."""
    pictures, count = photographs["pictures"], len(photographs["age"])
    places = range(number * BATCH, (number + 1) * BATCH)
    orders = {
        turn: np.random.default_rng([seed, turn]).permutation(count) for turn in {p // count for p in places}
    }
    rows = [orders[place // count][place % count] for place in places]
    random = np.random.default_rng([seed, 1, number])
    return {
        "faces": np.stack([relit_face(moved_face(pictures[row], random), random) for row in rows]),
        "age": photographs["age"][rows],
        "male": photographs["male"][rows],
    }


def train(
    photographs: Path,
    start: Callable[[], AgeEstimator],
    out: Path,
    steps: int,
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
) -> None:
    """Trains, from the state in `out` where there is one.

    Args:
        photographs: The file that `agetrans.data.photographs` writes.
        start: Makes what a new run begins with.
        out: Folder of the run; `estimator.safetensors` in it holds the averaged weights.
        steps: Of 48 photographs.
        learning_rate: See `EstimatorTraining`.
        seed: Of weights, dropout and data.

    Raises:
        CommandError: The run in `out` is another one.
        DataError: The photographs cannot be used.
        NotFinite: A loss or a weight is no longer a number; the last good state is kept.
    """
    data = load_photographs(photographs)
    settings = {
        "photographs": len(data["age"]),
        "steps": steps,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    _check_settings(out, settings)
    keras.utils.set_random_seed(seed)
    training = EstimatorTraining(start(), steps, learning_rate)
    done = restore(training, out)
    for number, dropout in enumerate(training.generator.dropouts):
        # Keras saves no random states: counted from the step, a run that goes on drops what it would have dropped. (On
        # PyTorch Keras does not read them.)
        dropout.seed_generator.state.assign([seed + number, done])
    write_text(out / SETTINGS, json.dumps(settings) + "\n")
    if done:
        print(f"The run goes on from step {done}.")
    record = EstimatorRecord(out, BATCH, steps)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, record.stop_soon)
    ticks = -(-max(0, steps - done) // TICK)
    if ticks:
        batches = prefetch(lambda number: make_batch(data, seed, number), done)
        training.fit(
            ((batch,) for batch in batches),
            steps_per_epoch=min(TICK, steps),
            epochs=ticks,
            callbacks=[record],
            shuffle=False,
            verbose=0,
        )


def _check_settings(out: Path, settings: dict[str, Any]) -> None:
    """Refuses a folder that holds a run with other settings, or another program's run."""
    record = out / SETTINGS
    if not record.exists() and not (out / STATE).exists():
        return
    try:
        earlier = json.loads(record.read_text(encoding="utf-8"))
        different = [name for name in settings if settings[name] != earlier[name]]
    except (OSError, ValueError, KeyError, TypeError):
        raise CommandError(f"{out} holds the run of another program: give another --out.") from None
    check_same_run(out, different)
