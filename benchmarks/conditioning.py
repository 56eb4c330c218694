"""Does AgeTrans need AFD and the ICM? Small runs on families with and without them, measured on other families.

    python -m benchmarks.conditioning --families DIR --photos FILE.npz --critic FILE

Every row starts from the same random weights of what it shares with the others, and sees the same batches. The last 40
people are held out; the figures are errors of the averaged generator on pairs of theirs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from copy import copy
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from tqdm import tqdm

from agetrans import losses
from agetrans.cli.console import CommandError
from agetrans.data.batches import Families, batches
from agetrans.data.framed import read_framed
from agetrans.data.labelled import DataError, parse_groups
from agetrans.models.age_estimator import expected_age
from agetrans.models.agetrans import AgeTrans
from agetrans.training.reaging import ReAging
from agetrans.training.ruler import Ruler, load_estimator, reader
from agetrans.training.settings import load_preset
from agetrans.training.trainer import to_floats
from agetrans.variables import named_variables
from stylegan2_ops import EqualizedConv2D, scaled_leaky_relu

SIZE, WIDTH, BATCH = 64, 16, 8
HELD_OUT, MEASURED = 40, 40
"""People, and batches of their pairs."""
GROUPS = parse_groups("10")
FIGURES = ("colour in the head, of 255", "displacement loss, thousandths", "age of the input, years")


class Undivided(keras.layers.Layer):
    """In the place of AFD: age head and ICM read the same features."""

    def call(self, features: Any) -> tuple[Any, Any]:
        return features, features


class WithoutDecomposition(AgeTrans):
    """AgeTrans whose age head and whose ICM read the encoder's features as they are."""

    def build(self, input_shape: Any = None) -> None:
        self.afd = Undivided(dtype=self.dtype_policy)
        super().build(input_shape)


class LabelEmbedding(keras.layers.Layer):
    """The plain way to tell a network an age: one view of the identity, and each group's scale and shift of it.

    Args:
        groups: Number of age groups.
        units: Channels of the view.
        blocks: Number of residual blocks of two 3x3 convolutions, as many as the ICM has.

    Call arguments:
        x: identity features `(B, H, W, C)`.

    Returns:
        `(B, groups, H, W, units)`.
    """

    def __init__(self, groups: int, units: int, blocks: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups, self.units, self.blocks = groups, units, blocks

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.enter = EqualizedConv2D(self.units, 1, activation="scaled_leaky_relu", dtype=self.dtype_policy)
        self.enter.build(input_shape)
        self.convs = [EqualizedConv2D(self.units, 3, dtype=self.dtype_policy) for _ in range(2 * self.blocks)]
        for conv in self.convs:
            conv.build((*input_shape[:-1], self.units))
        shape = (self.groups, self.units)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones")
        self.shift = self.add_weight(
            name="shift", shape=shape, initializer=keras.initializers.RandomNormal(stddev=1.0)
        )

    def call(self, x: Any) -> Any:
        view = self.enter(x)
        for first, second in zip(self.convs[::2], self.convs[1::2], strict=True):
            view = scaled_leaky_relu((view + second(scaled_leaky_relu(first(view)))) * 0.7)
        scale, shift = (value[None, :, None, None] for value in (self.scale, self.shift))
        return view[:, None] * scale + shift


class WithEmbedding(AgeTrans):
    """AgeTrans with a label embedding in the place of the ICM."""

    def build(self, input_shape: Any = None) -> None:
        self.icm = LabelEmbedding(self.groups, self.units, dtype=self.dtype_policy)
        super().build(input_shape)


ROWS = {
    "AFD and ICM (AgeTrans)": AgeTrans,
    "ICM without AFD": WithoutDecomposition,
    "AFD and a label embedding": WithEmbedding,
}


def fresh(row: type[AgeTrans], seed: int) -> AgeTrans:
    """A generator whose weights are those of a fresh AgeTrans wherever it has the same layers."""
    keras.utils.set_random_seed(seed)
    plain = named_variables(AgeTrans(SIZE, GROUPS.count, WIDTH))
    generator = row(SIZE, GROUPS.count, WIDTH)
    for name, variable in named_variables(generator).items():
        if name in plain and plain[name].shape == variable.shape:
            variable.assign(plain[name])
    generator.reset_change()
    return generator


def train(row: type[AgeTrans], stream: Iterator[dict[str, np.ndarray]], steps: int, seed: int) -> ReAging:
    """A trainer after some steps of the preset's supervised losses; its generator is the averaged one."""
    settings, _ = load_preset("families_supervised")
    generator = fresh(row, seed)
    trainer = ReAging(generator, GROUPS, SIZE, settings.family_terms, ema_half_life=steps / 20)
    trainer.compile(keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps, alpha=0.1))
    bar = tqdm(islice(stream, steps), total=steps, desc=row.__name__)
    trainer.fit(((batch,) for batch in bar), steps_per_epoch=steps, shuffle=False, verbose=0)
    for variable, average in zip(generator.trainable_variables, trainer.averaged(), strict=True):
        variable.assign(average)
    return trainer


def measure(trainer: ReAging, pairs: list[dict[str, np.ndarray]]) -> list[float]:
    """Mean errors of the generator on pairs, in the order of `FIGURES`."""
    generator: Any = trainer.generator
    rows = []
    for batch in pairs:
        source, target = (trainer.shrink(to_floats(batch[name])) for name in ("source", "target"))
        codes, (years, _) = generator.encode_and_read_age(source)
        change = generator.decode(codes, trainer.labels(batch["years"]))
        head = ops.image.resize(batch["head"], (SIZE, SIZE), data_format="channels_last")
        colour = ops.mean(ops.abs(generator.compose(source, change) - target), axis=-1, keepdims=True)
        moved = losses.displacement_error(change[..., :2], batch["flow"], batch["flow_weight"])
        rows.append(
            [
                127.5 * float(ops.sum(head * colour) / ops.sum(head)),
                1000 * float(moved),
                float(ops.mean(ops.abs(expected_age(years) - batch["source_years"]))),
            ]
        )
    return np.mean(rows, axis=0).tolist()


def main() -> None:
    """Prints the table, a line for each row and seed as it is done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--critic", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=2)
    flags = parser.parse_args()
    try:
        table(flags)
    except (CommandError, DataError) as error:
        raise SystemExit(str(error)) from None


def table(flags: argparse.Namespace) -> None:
    """Trains and measures every row with every seed."""
    photographs = read_framed(flags.photos, "age")
    pictures, years = photographs["pictures"], photographs["age"]
    families = Families(flags.families, Ruler(reader(load_estimator(flags.critic)), pictures, years, GROUPS))
    if len(families.people) <= HELD_OUT:
        raise DataError(f"--families: {flags.families} must hold more than {HELD_OUT} usable people.")
    others = copy(families)
    others.people, families.people = families.people[-HELD_OUT:], families.people[:-HELD_OUT]
    pairs = list(islice(batches(others, pictures, years, GROUPS, BATCH, 1, 0, 0), MEASURED))
    print(f"| | parameters | seed | {' | '.join(FIGURES)} |\n{'|---' * (3 + len(FIGURES))}|")
    for seed in range(flags.seeds):
        for name, row in ROWS.items():
            stream = batches(families, pictures, years, GROUPS, BATCH, 1, 0, seed)
            trainer = train(row, stream, flags.steps, seed)
            size = sum(int(np.prod(variable.shape)) for variable in trainer.generator.trainable_variables)
            figures = " | ".join(f"{value:.2f}" for value in measure(trainer, pairs))
            print(f"| {name} | {size / 1e6:.2f} M | {seed} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
