"""What a run will cost, measured: a step of a small stand-in, scaled by the number of pixels."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from agetrans.data.facebatches import FaceBatches
from agetrans.training.autodiff import BACKEND
from agetrans.training.settings import Settings
from agetrans.training.trainer import Trainer

TRIAL_BATCH, TRIAL_SIDE = 4, 128
"""Pictures of the stand-in, and their largest side."""
BYTES_A_PARAMETER = 20
"""Weights, gradients, Adam's two moments and the average, float32 each."""


@dataclass(frozen=True)
class Estimate:
    """What a run needs.

    Attributes:
        seconds_a_step: Of the whole batch, on the device that measured.
        memory: Bytes that a step of all photographs holds at a time, without the weights.
        how: What was measured.
    """

    seconds_a_step: float
    memory: float
    how: str


def trial_settings(settings: Settings, picture_size: int) -> tuple[Settings, int]:
    """The settings of the stand-in and the side of its pictures: smaller, and a small batch, all else alike."""
    factor = max(1, picture_size // TRIAL_SIDE)
    size = max(64, settings.size // factor)
    return replace(settings, size=size, batch=TRIAL_BATCH, accumulate=1), picture_size // factor


def family_trial(settings: Settings) -> Settings:
    """The settings of a small batch of families: pairs and photographs about as in the run's."""
    pairs = min(TRIAL_BATCH - 1, max(1, round(TRIAL_BATCH * settings.pairs / settings.batch)))
    return replace(settings, batch=TRIAL_BATCH, pairs=pairs)


def measure(
    settings: Settings, trainer: Trainer, batches: FaceBatches, picture_size: int, trial_side: int
) -> Estimate:
    """What a step on photographs costs, from `measure_step` of a stand-in.

    Args:
        settings: Of the run.
        trainer: The stand-in.
        batches: Of the stand-in.
        picture_size: Side of the run's pictures.
        trial_side: Side of the stand-in's.
    """
    arrays = batches.make(1)
    for name in {"image", "picture_noise"} & arrays.keys():
        arrays[name] = arrays[name][:, :trial_side, :trial_side]
    return measure_step(settings, trainer, arrays, (picture_size / trial_side) ** 2)


def measure_step(
    settings: Settings, trainer: Trainer, arrays: dict[str, np.ndarray], pixels: float = 1.0
) -> Estimate:
    """Takes two steps as the run will take them, on TensorFlow as a graph, the second one timed.

    Args:
        settings: Of the run.
        trainer: The run's, or a stand-in.
        arrays: A batch of `TRIAL_BATCH` pictures for it.
        pixels: Pixels of a picture of the run, over those of the batch's.
    """
    batch = {name: ops.convert_to_tensor(array) for name, array in arrays.items()}
    before = _peak()
    trainer.steps.assign(1)  # without the lazy phases, which come seldom
    step = _as_graph(trainer.train_step)
    step(batch)
    start = time.perf_counter()
    logs = step(batch)
    _ = [float(ops.convert_to_numpy(value)) for value in logs.values()]
    seconds = time.perf_counter() - start
    scale = pixels * settings.batch / TRIAL_BATCH
    memory = max(0.0, _peak() - before) * scale / settings.accumulate
    side = next(array.shape[1] for array in arrays.values() if array.ndim == 4)
    how = f"a step of {TRIAL_BATCH} pictures of {side} pixels took {seconds:.2f} s here"
    return Estimate(seconds * scale, memory, how)


def _as_graph(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    if BACKEND != "tensorflow":
        return step
    import tensorflow as tf

    return tf.function(step)


def weight_bytes(trainer: Trainer) -> int:
    """Bytes that weights, gradients, optimisers and the average take, on every device."""
    networks: list[keras.Model] = [trainer.generator]
    if "discriminator" in trainer.phases:
        networks.append(trainer.discriminator)
    numbers = sum(int(np.prod(v.shape)) for network in networks for v in network.trainable_variables)
    return BYTES_A_PARAMETER * numbers


def _peak() -> float:
    """The most memory that the device has used so far, in bytes: the GPU's, or on a CPU this process'."""
    if BACKEND == "torch":
        import torch

        if torch.cuda.is_available():
            return float(torch.cuda.max_memory_allocated())
    if BACKEND == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_logical_devices("GPU")
        if gpus:
            return float(tf.config.experimental.get_memory_info(gpus[0].name)["peak"])
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(used) * (1.0 if sys.platform == "darwin" else 1024.0)
