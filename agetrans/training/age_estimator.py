"""Trains the small age estimator on framed photographs, helped by the teacher's latents.

Photographs (`agetrans.data.photographs`) teach age and gender; pictures of the teacher, whose latent is known, teach
the features to tell faces apart: few photographs alone teach too little.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import keras
import numpy as np
from keras import ops

from agetrans.losses import age_cross_entropy
from agetrans.models.age_estimator import AgeEstimator, expected_age
from agetrans.training.autodiff import value_and_gradients
from agetrans.training.ruler import LATENT_SIZE, load_estimator, save_estimator

PHOTOGRAPHS, SAMPLES = 48, 16
READ_SIZE, STORED_SIZE = 64, 128
PEAK_RATE = 2e-3
POLICY = "mixed_bfloat16"


class EstimatorTraining(keras.Model):
    """Trains an `AgeEstimator`; a batch has photographs first, then samples."""

    def __init__(self, estimator: AgeEstimator, seed: int, dtype: str | None = None) -> None:
        super().__init__(dtype=dtype)
        self.estimator = estimator
        self.noise = keras.random.SeedGenerator(seed)
        self.built = True

    def disturb(self, faces: object) -> object:
        """Random grey, contrast, brightness, tint and noise; uint8 `(B, 64, 64, 3)` to float32 in [-1, 1]."""
        x = ops.cast(faces, "float32") - 128.0
        each = (ops.shape(x)[0], 1, 1, 1)
        normal = lambda shape, scale: keras.random.normal(shape, 0.0, scale, seed=self.noise)  # noqa: E731
        chosen = lambda share: ops.cast(keras.random.uniform(each, seed=self.noise) < share, "float32")  # noqa: E731
        x = x + chosen(0.15) * (ops.mean(x, axis=-1, keepdims=True) - x)
        x = x * ops.exp(normal(each, 0.2)) + normal(each, 18.0) + normal((each[0], 1, 1, 3), 8.0)
        x = x + chosen(0.3) * normal(each, 4.0) * normal(ops.shape(x), 1.0)
        return ops.clip(x, -128.0, 127.0) / 127.5

    def train_step(self, batch: tuple[dict]) -> dict:
        data = batch[0]
        x = self.disturb(data["faces"])

        def loss() -> tuple:
            outputs = self.estimator.read(x, training=True)
            logits, male = outputs["logits"][:PHOTOGRAPHS], outputs["male"][:PHOTOGRAPHS, 0]
            error = ops.mean(ops.abs(expected_age(logits) - data["age"]))
            latent = ops.mean(ops.square(outputs["latent"][PHOTOGRAPHS:] - data["latent"]))
            gender = ops.mean(ops.binary_crossentropy(data["male"], male, from_logits=True))
            years = ops.mean(age_cross_entropy(logits, data["age"]))
            return years + 0.05 * error + 2.0 * latent + 0.5 * gender, error, latent, gender

        (_, error, latent, gender), gradients = value_and_gradients(loss, self.estimator.trainable_variables)
        self.optimizer.apply(gradients, self.estimator.trainable_variables)
        return {"age_error": error, "latent": latent, "gender": gender}


def disturbed_face(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A stored picture `(128, 128, 3)` mirrored, moved, sometimes coarse or partly covered: `(64, 64, 3)` uint8."""
    side = STORED_SIZE
    if random.random() < 0.5:
        picture = picture[:, ::-1]
    matrix = cv2.getRotationMatrix2D(
        (side / 2, side / 2), random.normal(0, 6), np.exp(random.normal(0, 0.07))
    )
    matrix[:, 2] += random.normal(0, 3, 2)
    picture = cv2.warpAffine(
        np.ascontiguousarray(picture), matrix, (side, side), borderMode=cv2.BORDER_REFLECT
    )
    if random.random() < 0.25:
        coarse = int(random.integers(40, 110))
        picture = cv2.resize(
            cv2.resize(picture, (coarse, coarse), interpolation=cv2.INTER_AREA), (side, side)
        )
    if random.random() < 0.3:
        (height, width), (top, left) = random.integers(8, 40, 2), random.integers(16, 100, 2)
        picture[top : top + height, left : left + width] = random.integers(0, 255)
    edge = side // 8
    inner = picture[edge : side - edge, edge : side - edge]
    return cv2.resize(inner, (READ_SIZE, READ_SIZE), interpolation=cv2.INTER_AREA)


def principal_components(latents: np.ndarray, count: int) -> np.ndarray:
    """Latents `(N, 512)` as their first components, each of unit variance: `(N, count)` float32."""
    centred = latents - latents.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    return (left[:, :count] * np.sqrt(len(latents)) * np.sign(scale[:count])).astype(np.float32)


def load_data(photographs: Path, samples: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Photographs of a file and samples of a folder, their pictures at 128 pixels."""
    with np.load(photographs) as file:
        photos = {"pictures": _halved(file["pictures"]), "age": file["age"], "male": file["male"]}
    shards = [np.load(path) for path in sorted(samples.glob("*.npz"))]
    pictures = np.concatenate([_halved(shard["pictures"]) for shard in shards])
    latent = principal_components(np.concatenate([shard["w"] for shard in shards]), LATENT_SIZE)
    return photos, {"pictures": pictures, "latent": latent}


def _halved(pictures: np.ndarray) -> np.ndarray:
    size = (STORED_SIZE, STORED_SIZE)
    return np.stack([cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in pictures])


def batches(
    photos: dict[str, np.ndarray], samples: dict[str, np.ndarray], seed: int
) -> Iterator[tuple[dict[str, np.ndarray]]]:
    """Endless training batches."""
    random = np.random.default_rng(seed)
    while True:
        i = random.integers(len(photos["pictures"]), size=PHOTOGRAPHS)
        j = random.integers(len(samples["pictures"]), size=SAMPLES)
        pictures = [*photos["pictures"][i], *samples["pictures"][j]]
        yield (
            {
                "faces": np.stack([disturbed_face(picture, random) for picture in pictures]),
                "age": photos["age"][i],
                "male": photos["male"][i],
                "latent": samples["latent"][j],
            },
        )


def train(photographs: Path, samples: Path, out: Path, start: Path | None, steps: int, seed: int) -> None:
    """Trains, then writes the weights whole or not at all.

    Args:
        photographs: The file that `agetrans.data.photographs` writes.
        samples: Folder of the teacher's samples.
        out: Weights to write.
        start: Weights to go on from.
        steps: Of 48 photographs and 16 samples.
        seed: Of weights and data.
    """
    keras.utils.set_random_seed(seed)
    estimator = (
        AgeEstimator(LATENT_SIZE, dtype=POLICY) if start is None else load_estimator(start, dtype=POLICY)
    )
    training = EstimatorTraining(estimator, seed, dtype=POLICY)
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=PEAK_RATE, warmup_steps=50)
    training.compile(optimizer=keras.optimizers.AdamW(rate, weight_decay=0.02), jit_compile=False)
    training.fit(
        batches(*load_data(photographs, samples), seed),
        steps_per_epoch=min(100, steps),
        epochs=-(-steps // 100),
        shuffle=False,
        verbose=2,
    )
    save_estimator(estimator, out)
