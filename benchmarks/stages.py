"""Where AgeTransGAN's time goes: processor seconds and share of the matrix-product peak of each stage, one picture.

python benchmarks/stages.py --size 1024
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from agetrans.conversion.agetransgan_layout import Layout
from agetrans.snapshot import PRECISIONS
from agetrans.startup import start_keras
from benchmarks.generator import MATRIX_WORK, multiply_adds_of

MATRIX = round(MATRIX_WORK ** (1 / 3))


def measure(layout: Layout, precision: str, rounds: int) -> None:
    """Prints a row for each stage."""
    start_keras()
    import keras
    from keras import ops

    from agetrans.backend import compiled
    from agetrans.models.agetransgan import AgeTransGAN

    keras.config.set_dtype_policy(PRECISIONS[precision])
    generator = AgeTransGAN(layout.size, layout.groups)
    levels = len(layout.sides) - 1

    def features(side: int) -> Any:
        array = np.random.default_rng(side).standard_normal((1, side, side, layout.width(side)), np.float32)
        return ops.cast(ops.convert_to_tensor(array), generator.compute_dtype)

    label = ops.convert_to_tensor(np.eye(layout.groups, dtype=np.float32)[:1])
    image = ops.zeros((1, layout.size, layout.size, 3))
    w = ops.ones((1, layout.base_width))
    work = multiply_adds_of(layout)

    def stage(prefixes: tuple[str, ...], function: Callable[..., Any], *inputs: Any) -> None:
        run = compiled(function)
        seconds = _cpu_seconds(lambda: run(*inputs), rounds)
        amount = sum(count for name, count in work.items() if name.startswith(prefixes))
        share = amount / seconds / peak
        print(
            f"{prefixes[0].rstrip('.'):14} {amount / 1e9:8.2f} G {seconds:8.3f} s {share:6.0%} of peak",
            flush=True,
        )

    matrix = ops.cast(
        ops.convert_to_tensor(np.random.default_rng(0).standard_normal((MATRIX, MATRIX), np.float32)),
        precision,
    )
    product = compiled(ops.matmul)
    peak = MATRIX_WORK / _cpu_seconds(lambda: product(matrix, matrix), 2 * rounds)
    print(f"{precision}: {peak / 1e9:.0f} G multiply-adds a processor second in a product of matrices")
    stage(("convs_e.0.",), generator.from_picture, image, label)
    for index, side in enumerate(layout.sides[:-1], start=1):
        stage((f"convs_e.{index}.",), generator.trunk[index - 1], features(side))
    for level in range(levels):
        side = 32 << level
        up, same = generator.convs[1 + 2 * level], generator.convs[2 + 2 * level]
        stage((f"convs.{2 * level}.",), up, features(side // 2), w)
        stage((f"convs.{2 * level + 1}.",), same, features(side), w)
        stage(
            (f"to_rgbs.{level}.",),
            generator.images[1 + level],
            features(side),
            w,
            ops.zeros((1, side // 2, side // 2, 3)),
        )


def _cpu_seconds(work: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return median(times[1:])


def main() -> None:
    """Measures what the flags say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="default: 1024")
    parser.add_argument(
        "--precision", choices=("float32", "bfloat16"), default="float32", help="default: float32"
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: 3")
    arguments = parser.parse_args()
    measure(Layout(arguments.size, 10, 2, 512, 8), arguments.precision, arguments.rounds)


if __name__ == "__main__":
    main()
