"""Photographs a second of a training step of AgeTransGAN, beside the same step in plain PyTorch.

python -m benchmarks.training --size 128 --width 64 --batch 8 --rounds 4

The supervised step is forward, absolute difference from a target, backward, Adam; the adversarial step is that of
`PhotographTrainer` without identity terms and between two penalties: result, reconstruction, discriminator on all, both
optimisers. Rounds alternate, the best counts, so that what else runs on the machine hits both.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from agetrans.snapshot import PRECISIONS
from agetrans.startup import start_keras
from agetrans.training.weights import Terms
from benchmarks.rounds import compare

TERMS = Terms(identity=0.0, triplet=0.0, r1=0.0)


def inputs(size: int, groups: int, batch: int) -> dict[str, np.ndarray]:
    """A batch as `FaceBatches` makes it, of random numbers, without noise."""
    random = np.random.default_rng(0)
    labels = np.eye(groups, dtype=np.float32)
    return {
        "image": random.integers(0, 256, (batch, size, size, 3), dtype=np.uint8),
        "years": np.full(batch, 30, np.float32),
        "label": labels[random.integers(groups, size=batch)],
        "target": labels[random.integers(groups, size=batch)],
    }


def ours(flags: argparse.Namespace, adversarial: bool) -> tuple[Callable[[], None], dict[str, np.ndarray]]:
    """A step of ours, and the generator's weights under their official names."""
    start_keras()
    import keras
    from keras import ops

    from agetrans.conversion.agetransgan import state_of
    from agetrans.groups import AgeGroups
    from agetrans.losses import feature_error
    from agetrans.models.agetransgan import AgeTransGAN
    from agetrans.training.autodiff import BACKEND, mean_gradients
    from agetrans.training.photographs import PhotographTrainer
    from agetrans.training.trainer import to_floats

    policy = PRECISIONS[flags.precision]
    generator = AgeTransGAN(flags.size, 10, base_width=flags.width, dtype=policy)
    trainer = PhotographTrainer(generator, AgeGroups.of(10), flags.size, TERMS, dtype=policy)
    trainer.compile()
    batch = {
        name: ops.convert_to_tensor(array) for name, array in inputs(flags.size, 10, flags.batch).items()
    }

    def supervised(batch: dict[str, Any]) -> Any:
        image = to_floats(batch["image"])
        (loss,), gradients = mean_gradients(
            lambda _: feature_error(generator(image, batch["target"]), 0.5 * image),
            1,
            generator.trainable_variables,
        )
        trainer.optimizer.apply(gradients, generator.trainable_variables)
        return loss

    step: Callable[[Any], Any] = trainer.train_step if adversarial else supervised
    if BACKEND == "tensorflow":
        import tensorflow as tf

        step = tf.function(step)
    state = state_of(generator)

    def run() -> None:
        result = step(batch)
        float(keras.ops.convert_to_numpy(result["pixel"] if adversarial else result))

    return run, state


def plain(flags: argparse.Namespace, adversarial: bool, state: dict[str, np.ndarray]) -> Callable[[], None]:
    """The same step in plain PyTorch."""
    import torch
    from torch.nn import functional

    from benchmarks.torch_agetransgan import paint
    from benchmarks.torch_discriminator import PlainDiscriminator

    names = [name for name in state if not name.startswith("noises") and not name.endswith("kernel")]
    weights = {name: torch.nn.Parameter(torch.from_numpy(state[name].copy())) for name in names}
    judge = PlainDiscriminator(flags.size, 10)
    generator_optimizer = torch.optim.Adam(weights.values(), 2e-3, (0.0, 0.99))
    judge_optimizer = torch.optim.Adam(judge.parameters(), 2e-3, (0.0, 0.99))
    arrays = inputs(flags.size, 10, flags.batch)
    image = torch.from_numpy(arrays["image"].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2).contiguous()
    label, target = torch.from_numpy(arrays["label"]), torch.from_numpy(arrays["target"])
    half = flags.precision == "bfloat16"

    def generator_loss() -> tuple[Any, tuple[Any, ...]]:
        result = paint(weights, image, target)
        if not adversarial:
            return (result - 0.5 * image).abs().mean(), ()
        back = paint(weights, result, label)
        loss = 10 * (back - image).abs().mean() + 10 * (result - image).square().mean()
        for picture, wanted in ((result, target), (back, label)):
            score, logits = judge(picture, wanted)
            loss = loss + functional.softplus(-score.float()).mean()
            loss = loss + functional.cross_entropy(logits.float(), wanted)
        return loss, (result.detach(), back.detach())

    def judge_loss(made: tuple[Any, ...]) -> Any:
        real, logits = judge(image, label)
        loss = functional.cross_entropy(logits.float(), label)
        for picture, wanted in zip(made, (target, label), strict=True):
            fake, _ = judge(picture, wanted)
            loss = loss + functional.softplus(-real.float()).mean() + functional.softplus(fake.float()).mean()
        return loss

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss, made = generator_loss()
        generator_optimizer.zero_grad()
        loss.backward()
        generator_optimizer.step()
        if adversarial:
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                loss = judge_loss(made)
            judge_optimizer.zero_grad()
            loss.backward()
            judge_optimizer.step()
        loss.item()

    return run


def main(flags: argparse.Namespace) -> None:
    """Prints photographs a second of both, and their ratio."""
    for adversarial in (False, True):
        ours_run, state = ours(flags, adversarial)
        runs = {"ours": ours_run, "plain PyTorch": plain(flags, adversarial, state)}
        figures = compare(runs, flags.batch, flags.rounds, flags.cpu_time)
        kind = "adversarial" if adversarial else "supervised"
        print(f"{kind:>11} {flags.precision} {flags.size} px: {figures}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--width", type=int, default=64, help="base width; the released models have 512")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument(
        "--cpu_time", action="store_true", help="processor seconds instead of the clock's: busy machines"
    )
    main(parser.parse_args())
