"""The script for a GPU machine, rehearsed on the CPU: PyTorch alone, cut off, carried away in parts, gone on with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.parts import cut, join
from tests.training.faces import write_shards

REPOSITORY = Path(__file__).parents[2]
FLAGS = ("--model=agetrans", "--size=64", "--width=1", "--batch=2", "--group=0,30", "--policy=float32")
LOSSES = ("--reconstructed_loss=0", "--cycle_loss=0", "--identity_loss=0", "--r1_loss=0", "--levels=8,4")


def test_parts_join_to_the_same_file(tmp_path: Path) -> None:
    whole = tmp_path / "state.h5"
    whole.write_bytes(os.urandom(1000))
    parts = cut(whole, tmp_path / "out", part_size=300)
    assert [part.stat().st_size for part in parts] == [300, 300, 300, 100]
    cut(whole, tmp_path / "out", part_size=400)
    content = whole.read_bytes()
    whole.unlink()
    join(tmp_path / "out", whole)
    assert whole.read_bytes() == content
    (tmp_path / "out" / "state.h5.part01").unlink()
    with pytest.raises(ValueError, match=r"does not hold all parts of state.h5"):
        join(tmp_path / "out", whole)


def call(shards: Path, wheels: Path, run: Path, out: Path, kimg: float) -> None:
    """With an import hook that makes TensorFlow a package that is not there."""
    hidden = run.parent / "hidden"
    (hidden / "tensorflow").mkdir(parents=True, exist_ok=True)
    (hidden / "tensorflow" / "__init__.py").write_text(
        "raise ModuleNotFoundError('No module named tensorflow')\n"
    )
    command = ["bash", "scripts/train_on_gpu_machine.sh", str(shards), str(wheels), str(run), str(out)]
    command += [*FLAGS, *LOSSES, f"--kimg={kimg}", "--tick_kimg=0.002", "--sheet_kimg=1"]
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(hidden)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_run_goes_on_from_the_parts_that_came_back(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    shards, wheels = write_shards(tmp_path / "shards"), tmp_path / "wheels"
    wheels.mkdir()
    call(shards, wheels, tmp_path / "first", tmp_path / "out", 0.002)
    # The machine goes back: only what lies in out is left.
    shutil.rmtree(tmp_path / "first")
    call(shards, wheels, tmp_path / "second", tmp_path / "out", 0.004)
    steps = [
        json.loads(line)["step"] for line in (tmp_path / "second" / "log.jsonl").read_text().splitlines()
    ]
    assert steps == [1, 2]
    assert max(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 16 * 2**20
    join(tmp_path / "out", tmp_path / "state.weights.h5")
    assert (tmp_path / "state.weights.h5").read_bytes() == (
        tmp_path / "second" / "state.weights.h5"
    ).read_bytes()


def test_without_arguments_it_says_how_it_is_called() -> None:
    done = subprocess.run(
        ["bash", "scripts/train_on_gpu_machine.sh"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "SHARDS WHEELS RUN OUT" in done.stderr
