"""Takes two steps of the tiny trainer on the devices that it is given, and writes the weights.

python -m tests.training.worker SHARDS OUT.npz DEVICES

With TF_CONFIG it is one of several workers.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main(shards: str, out: str, devices: str) -> None:
    from agetrans.training.distribution import Devices, split_cpu

    if int(devices) > 1:
        split_cpu(int(devices))
    machine = Devices(int(devices))
    import keras

    from agetrans.data.shards import Shards
    from agetrans.training.weights import Terms
    from tests.training.faces import make_batches, make_trainer

    with machine.scope():
        trainer = make_trainer(terms=Terms(own_age=0.1, triplet=0.0))
        # Plain steps, so that rounding is not enlarged as Adam's first steps do.
        trainer.optimizer = keras.optimizers.SGD(0.05)
        trainer.discriminator_optimizer = keras.optimizers.SGD(0.05)
        for optimizer, network in (
            (trainer.optimizer, trainer.generator),
            (trainer.discriminator_optimizer, trainer.discriminator),
        ):
            optimizer.build(network.trainable_variables)
    trainer.run_eagerly = True
    batches = make_batches(Shards(Path(shards)), 8, parts=machine.replicas)
    batches = dataclasses.replace(batches, share=(machine.worker, machine.workers))

    class Losses(keras.callbacks.Callback):
        seen: list[dict[str, float]] = []  # noqa: RUF012

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.seen.append({name: float(value) for name, value in logs.items()})

    machine.fit(trainer, (batches.make(n) for n in range(99)), 1, 2, [Losses()])
    values = [
        keras.ops.convert_to_numpy(v) for v in (*trainer.generator.weights, *trainer.discriminator.weights)
    ]
    values += trainer.averaged()
    names = sorted(Losses.seen[0])
    losses = np.array([[line[name] for name in names] for line in Losses.seen])
    arrays = {str(number): value for number, value in enumerate(values)}
    np.savez(out, losses=losses, steps=keras.ops.convert_to_numpy(trainer.steps), **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
