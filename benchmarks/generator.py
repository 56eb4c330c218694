"""Time and memory of AgeTransGAN at its official widths, beside the same network in plain PyTorch.

    pip install -e ".[bench,torch]"
    python benchmarks/generator.py                      # 256 and 1024 pixels, batches of 1 and 4
    python benchmarks/generator.py --sizes 1024 --batches 1 --rounds 91      # a whole run of 91 frames

Every implementation lives in a process of its own and they take turns, so that what else the machine does hits all of
them. CPU seconds are less disturbed by it than seconds on the clock. The share of the peak is that of a product of two
large matrices in the same library and number format. Weights are random; they change nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from agetrans.conversion.agetransgan_layout import Layout
from agetrans.conversion.torch_writer import write_torch_file

REPOSITORY = Path(__file__).parent.parent
PEER = "pytorch-float32"
IMPLEMENTATIONS = (PEER, "agetrans-float32", "agetrans-bfloat16")
GREY_LEVELS = 127.5
MATRIX_WORK = 2048**3


@dataclass
class Worker:
    """A process with one implementation, see worker.py."""

    process: subprocess.Popen[str]
    output: Path
    runs: list[dict[str, float]] = field(default_factory=list)
    products: list[dict[str, float]] = field(default_factory=list)

    @classmethod
    def start(cls, implementation: str, checkpoint: Path, batch: int) -> Worker:
        output = checkpoint.with_name(f"{implementation}.npy")
        command = [
            sys.executable,
            "-m",
            "benchmarks.worker",
            implementation,
            str(checkpoint),
            str(batch),
            str(output),
        ]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPOSITORY)
        worker = cls(process, output)
        worker.answer()
        return worker

    def ask(self, command: str) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("A worker ended; its message is above.")
        return dict(json.loads(line))


def multiply_adds(layout: Layout) -> float:
    """Of the convolutions and dense layers, for one picture."""
    return sum(multiply_adds_of(layout).values())


def multiply_adds_of(layout: Layout) -> dict[str, float]:
    """Of each weight."""
    return {
        name: float(np.prod(shape) * _places(name, layout))
        for name, shape in layout.parameters().items()
        if name.endswith("weight") and len(shape) >= 2
    }


def _places(name: str, layout: Layout) -> float:
    """At how many places a kernel is applied."""
    parts = name.split(".")
    if parts[0] == "style" or parts[-2] == "modulation":
        return 1
    if parts[0] == "convs_e":
        index = int(parts[1])
        side = layout.size >> (index if index == 0 or parts[2] != "conv1" else index - 1)
    elif parts[0] == "convs_es":
        side = 16 >> (int(parts[1]) + (parts[2] != "conv1"))
    elif parts[0] == "convs":
        # A transposed convolution is applied at the places of its input.
        side = 16 << ((int(parts[1]) + 1) // 2)
    elif parts[0] == "to_rgbs":
        side = 32 << int(parts[1])
    else:
        side = 4 if parts[0] == "final_conv" else 16
    return side**2


def write_random_checkpoint(path: Path, layout: Layout) -> None:
    """A checkpoint with random weights of the spread that training starts from."""
    stream = np.random.default_rng(0)

    def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name.endswith("modulation.bias"):
            return np.ones(shape, np.float32)
        if name.endswith(("bias", "noise.weight")):
            return np.zeros(shape, np.float32)
        values = stream.standard_normal(shape, dtype=np.float32)
        return values * np.float32(100) if name.startswith("style.") else values

    shapes = {**layout.parameters(), **layout.noises()}
    write_torch_file(path, {"g_ema": {name: draw(name, shape) for name, shape in shapes.items()}})


def measure(layout: Layout, batch: int, rounds: int) -> None:
    """Prints the rows of one size and batch."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "random.pt"
        write_random_checkpoint(checkpoint, layout)
        workers = {name: Worker.start(name, checkpoint, batch) for name in IMPLEMENTATIONS}
        for worker in workers.values():
            worker.ask("save")
        for _ in range(rounds):
            for worker in workers.values():
                worker.runs.append(worker.ask("run"))
                worker.products.append(worker.ask("multiply"))
        exact = np.load(workers[PEER].output)
        for name, worker in workers.items():
            error = np.abs(np.load(worker.output) - exact) * GREY_LEVELS
            peak = worker.ask("peak")["bytes"] / 1e9
            _print_row(name, layout, batch, worker, workers[PEER], peak, error)
            worker.process.communicate()


def _print_row(
    name: str, layout: Layout, batch: int, worker: Worker, peer: Worker, peak: float, error: np.ndarray
) -> None:
    work = multiply_adds(layout)

    def of(runs: list[dict[str, float]], clock: str) -> float:
        return median(run[clock] for run in runs)

    ratios = [of(worker.runs, clock) / of(peer.runs, clock) for clock in ("wall", "cpu")]
    speed = work * batch / of(worker.runs, "cpu")
    share = speed / (MATRIX_WORK / of(worker.products, "cpu"))
    seconds = [of(worker.runs, clock) / batch for clock in ("wall", "cpu")]
    frames = 91 * sum(run["wall"] for run in worker.runs) / len(worker.runs) / batch
    print(
        f"{layout.size:5} {batch:5}  {name:18} {seconds[0]:8.2f} {seconds[1]:8.2f} {ratios[0]:7.2f} {ratios[1]:7.2f} "
        f"{share:7.0%} {peak:8.2f} {frames:9.0f}  {error.max():.4f} / {np.sqrt(np.mean(error**2)):.4f}",
        flush=True,
    )


def main() -> None:
    """Measures what the flags say and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 1024], help="default: 256 1024")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4], help="default: 1 4")
    parser.add_argument("--groups", type=int, default=10, help="age groups (default: 10)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each implementation (default: 5)")
    arguments = parser.parse_args()
    print(
        " size batch  implementation      s/picture   CPU s   ratio CPU rat. of peak  peak GB 91 frames  "
        "error: most / RMS, grey levels"
    )
    for size in arguments.sizes:
        layout = Layout(size, arguments.groups, 2, 512, 8)
        print(f"{multiply_adds(layout) / 1e9:.1f} G multiply-adds a picture of {size} pixels")
        for batch in arguments.batches:
            measure(layout, batch, arguments.rounds)


if __name__ == "__main__":
    main()
