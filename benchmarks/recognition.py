"""Pictures a second of a training step of the baseline recogniser, beside the same network in plain PyTorch.

python -m benchmarks.recognition --size 112 --width 64 --batch 16 --rounds 4

A step is forward, CosFace, backward and SGD with momentum and weight decay. Rounds alternate, the best counts, so that
what else runs on the machine hits both. KERAS_BACKEND says which backend ours runs on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from agetrans.snapshot import PRECISIONS
from agetrans.startup import start_keras
from benchmarks.rounds import compare


def inputs(flags: argparse.Namespace) -> dict[str, np.ndarray]:
    """A batch as `RecognitionBatches` makes it, of random numbers."""
    random = np.random.default_rng(0)
    shape = (flags.batch, flags.size, flags.size, 3)
    return {
        "image": random.integers(0, 256, shape, dtype=np.uint8),
        "identity": random.integers(flags.people, size=flags.batch).astype(np.int32),
    }


def ours(flags: argparse.Namespace) -> tuple[Callable[[], None], int]:
    """A step of ours, and the number of weights that it moves."""
    start_keras()
    import keras
    from keras import ops

    from agetrans.recognition.settings import preset
    from agetrans.recognition.trainers import make_trainer
    from agetrans.training.autodiff import BACKEND

    keras.config.set_dtype_policy(PRECISIONS[flags.precision])
    settings = replace(
        preset("baseline", "authors"),
        backbone=flags.backbone,
        size=(flags.size, flags.size),
        width=flags.width,
        features=flags.features,
        batch=flags.batch,
    )
    trainer = make_trainer(settings, flags.people, pictures=flags.batch)
    batch = {name: ops.convert_to_tensor(array) for name, array in inputs(flags).items()}
    step: Callable[[Any], Any] = trainer.train_step
    if BACKEND == "tensorflow":
        import tensorflow as tf

        step = tf.function(step)

    def run() -> None:
        float(ops.convert_to_numpy(step(batch)["identity"]))

    return run, sum(int(np.prod(variable.shape)) for variable in trainer.main_variables())


def plain(flags: argparse.Namespace) -> tuple[Callable[[], None], int]:
    """The same step in plain PyTorch."""
    import torch
    from torch import nn
    from torch.nn import functional

    from agetrans.recognition.backbones import UNITS

    class Unit(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.branch = nn.Sequential(
                nn.BatchNorm2d(inputs),
                nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.PReLU(outputs),
                nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )
            self.shortcut: nn.Module = nn.MaxPool2d(1, stride)
            if inputs != outputs:
                convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
                self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(outputs))

        def forward(self, x: Any) -> Any:
            return self.branch(x) + self.shortcut(x)

    width = flags.width
    parts: list[nn.Module] = [
        nn.Conv2d(3, width, 3, 1, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.PReLU(width),
    ]
    channels = width
    for level, count in enumerate(UNITS[flags.backbone]):
        for number in range(count):
            parts.append(Unit(channels, width << level, 1 if number else 2))
            channels = width << level
    parts += [nn.BatchNorm2d(channels), nn.Flatten()]
    parts += [nn.Linear(channels * (flags.size // 16) ** 2, flags.features), nn.BatchNorm1d(flags.features)]
    network = nn.Sequential(*parts)
    people = nn.Parameter(torch.randn(flags.people, flags.features) * 0.01)
    weights = [*network.parameters(), people]
    optimizer = torch.optim.SGD(weights, 0.1, momentum=0.9, weight_decay=5e-4)
    batch = inputs(flags)
    identity = torch.from_numpy(batch["identity"]).long()
    margin = 0.35 * functional.one_hot(identity, flags.people)

    def run() -> None:
        image = torch.from_numpy(batch["image"]).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.autocast("cpu", torch.bfloat16, enabled=flags.precision == "bfloat16"):
            embedding = network(image)
        cosines = functional.normalize(embedding.float()) @ functional.normalize(people).T
        loss = functional.cross_entropy(64 * (cosines - margin), identity)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        float(loss)

    return run, sum(weight.numel() for weight in weights)


def main(flags: argparse.Namespace) -> None:
    """Prints pictures a second of both, and their ratio."""
    (ours_run, ours_count), (plain_run, plain_count) = ours(flags), plain(flags)
    if ours_count != plain_count:
        raise SystemExit(f"These are two networks: {ours_count:,} and {plain_count:,} weights.")
    runs = {"ours": ours_run, "plain PyTorch": plain_run}
    figures = compare(runs, flags.batch, flags.rounds, flags.cpu_time)
    print(f"{flags.backbone} {flags.precision} {flags.size} px, {ours_count:,} weights: {figures}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="ir18", help="an IR network: ir18, ir34, ir50, ir64, ir101")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument(
        "--cpu_time", action="store_true", help="processor seconds instead of the clock's: busy machines"
    )
    main(parser.parse_args())
