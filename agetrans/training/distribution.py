"""One loop over ticks: Keras' `fit` on one device, and a loop of ours under `tf.distribute`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from agetrans.data.labelled import DataError
from agetrans.training.autodiff import BACKEND
from agetrans.training.cluster import worker_of
from agetrans.training.trainer import Trainer

if BACKEND == "tensorflow":
    import tensorflow as tf

    LOST = (
        tf.errors.UnavailableError,
        tf.errors.InternalError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
    )
    """What TensorFlow raises when another worker has gone; on one machine they mean something else."""


class WorkerLost(RuntimeError):
    """Another worker of the run no longer answers. The message is one sentence that says what to do."""


class Devices:
    """The devices that a run trains on.

    Args:
        count: How many devices; None for all that this machine has. On a machine without a GPU, the CPU counts as
            that many (which is for testing).

    Attributes:
        strategy: The `tf.distribute` strategy, None for one device.
        replicas: Devices over all workers.
        worker: Number of this process among the workers.
        workers: Number of processes.

    Raises:
        DataError: The devices cannot be had.
    """

    def __init__(self, count: int | None = None) -> None:
        self.strategy: Any = None
        self.worker, self.workers = worker_of(os.environ.get("TF_CONFIG", ""))
        if BACKEND != "tensorflow":
            if (count or 1) > 1 or self.workers > 1:
                raise DataError("Several devices need the TensorFlow backend; with PyTorch there is one GPU.")
        elif self.workers > 1:
            self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
        else:
            devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
            if count is not None and count > len(devices):
                raise DataError(f"--devices {count}: there are {len(devices)}.")
            names = [device.name for device in devices[: count or len(devices)]]
            if len(names) > 1:
                self.strategy = tf.distribute.MirroredStrategy(names)
        self.replicas = self.strategy.num_replicas_in_sync if self.strategy else 1

    def scope(self) -> AbstractContextManager[Any]:
        """Inside, variables are made on every device."""
        return self.strategy.scope() if self.strategy else nullcontext()

    def fit(
        self,
        trainer: Trainer,
        batches: Iterator[dict[str, np.ndarray]],
        ticks: int,
        steps_per_tick: int,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> None:
        """Trains for some ticks.

        Args:
            trainer: Made inside `scope`.
            batches: This worker's share of each batch, in the order that `FaceBatches` gives it: an equal piece for
                each of its devices.
            ticks: Epochs of Keras.
            steps_per_tick: Steps of each.
            callbacks: Told of ticks and steps as by `fit`. Who sets the trainer's `stop_training` ends the tick with
                that step, and the training with that tick.

        Raises:
            WorkerLost: Another worker no longer answers.
        """
        if ticks < 1:
            return
        if self.strategy is None:
            # Keras takes a tuple for input and targets, and here all is input.
            trainer.fit(
                ((batch,) for batch in batches),
                steps_per_epoch=steps_per_tick,
                epochs=ticks,
                callbacks=list(callbacks),
                verbose=0,
                shuffle=False,
            )
            return
        try:
            self._fit_together(trainer, batches, ticks, steps_per_tick, callbacks)
        except LOST as error:
            if self.workers == 1:
                raise
            raise _lost(error) from error

    def _fit_together(
        self,
        trainer: Trainer,
        batches: Iterator[dict[str, np.ndarray]],
        ticks: int,
        steps_per_tick: int,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> None:
        strategy, pieces = self.strategy, self.replicas // self.workers

        def step(batch: Any) -> dict[str, Any]:
            logs = strategy.run(trainer.train_step, args=(batch,))
            return {name: strategy.reduce("MEAN", value, axis=None) for name, value in logs.items()}

        if not trainer.run_eagerly:
            step = tf.function(step)
        told = keras.callbacks.CallbackList(list(callbacks), model=trainer)
        trainer.stop_training = False
        told.on_train_begin()
        for tick in range(ticks):
            told.on_epoch_begin(tick)
            for number in range(steps_per_tick):
                batch = next(batches)
                told.on_train_batch_end(number, step(self._spread(batch, pieces)))
                if trainer.stop_training:
                    break
            told.on_epoch_end(tick)
            if trainer.stop_training:
                break
        told.on_train_end()

    def _spread(self, batch: dict[str, np.ndarray], pieces: int) -> dict[str, Any]:
        """Each array cut into equal pieces, one for each device of this worker."""

        def values(array: np.ndarray) -> Any:
            size = len(array) // pieces

            def piece(context: Any) -> Any:
                place = context.replica_id_in_sync_group % pieces
                return tf.convert_to_tensor(array[place * size : (place + 1) * size])

            return self.strategy.experimental_distribute_values_from_function(piece)

        return {name: values(array) for name, array in batch.items()}


def split_cpu(count: int) -> None:
    """Lets TensorFlow see the CPU as several devices; only before it has started."""
    if BACKEND == "tensorflow" and not tf.config.list_physical_devices("GPU"):
        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        tf.config.set_logical_device_configuration(cpu, parts)


def _lost(error: Exception) -> WorkerLost:
    first = str(error).strip().splitlines()[0][:160]
    return WorkerLost(
        "Another worker no longer answers, so the run has stopped: start the same command on all machines again, and "
        f"it goes on from the last checkpoint ({first})."
    )
