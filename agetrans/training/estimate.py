"""What a run will cost, measured: a step of a small stand-in, scaled by the number of pixels."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from keras import ops

from agetrans.data.facebatches import FaceBatches
from agetrans.models.generator import Generator
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
        memory: Bytes on a device.
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


def measure(
    settings: Settings, trainer: Trainer, batches: FaceBatches, picture_size: int, trial_side: int
) -> Estimate:
    """Takes two steps of the stand-in, eagerly, the second one timed.

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
    batch = {name: ops.convert_to_tensor(array) for name, array in arrays.items()}
    before = _peak()
    trainer.steps.assign(1)  # without the lazy phases, which come seldom
    trainer.train_step(batch)
    start = time.perf_counter()
    logs = trainer.train_step(batch)
    _ = [float(ops.convert_to_numpy(value)) for value in logs.values()]
    seconds = time.perf_counter() - start
    pixels = (picture_size / trial_side) ** 2 * settings.batch / TRIAL_BATCH
    activations = max(0.0, _peak() - before) * pixels / settings.accumulate
    weights = BYTES_A_PARAMETER * parameters(trainer)
    how = (
        f"a step of {TRIAL_BATCH} pictures of {trial_side} pixels took {seconds:.1f} s here, without a graph"
    )
    return Estimate(seconds * pixels, activations + weights, how)


def parameters(trainer: Trainer) -> int:
    """Trainable numbers of generator and discriminator."""
    networks: tuple[Generator, ...] = (trainer.generator, trainer.discriminator)
    return sum(int(np.prod(v.shape)) for network in networks for v in network.trainable_variables)


def _peak() -> float:
    """The most memory that has been used so far, in bytes."""
    if BACKEND == "torch":
        import torch

        if torch.cuda.is_available():
            return float(torch.cuda.max_memory_allocated())
    measure_peak: Callable[[], float] = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # noqa: E731
    return measure_peak() * (1.0 if sys.platform == "darwin" else 1024.0)
