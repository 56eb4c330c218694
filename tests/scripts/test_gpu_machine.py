"""The script for a GPU machine, rehearsed on the CPU: PyTorch alone, cut off, carried away in parts, gone on with."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
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
    next((tmp_path / "out").glob("state.h5.*.part00001")).unlink()
    with pytest.raises(ValueError, match=r"does not hold all parts of state.h5"):
        join(tmp_path / "out", whole)


def test_more_than_a_hundred_parts(tmp_path: Path) -> None:
    whole, content = tmp_path / "state.h5", os.urandom(12_000)
    whole.write_bytes(content)
    assert len(cut(whole, tmp_path / "out", part_size=10)) == 1200
    whole.unlink()
    join(tmp_path / "out", whole)
    assert whole.read_bytes() == content


def test_the_old_parts_stay_until_the_new_ones_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, old, new = tmp_path / "state.h5", os.urandom(100), os.urandom(100)
    whole.write_bytes(old)
    cut(whole, tmp_path / "out", part_size=30)
    whole.write_bytes(new)
    written, replace = [], os.replace

    def replace_twice(source: Path, target: Path) -> None:
        if len(written) == 2:
            raise OSError("the machine went away")
        written.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace_twice)
        with pytest.raises(OSError, match="went away"):
            cut(whole, tmp_path / "out", part_size=30)
    join(tmp_path / "out", whole)
    assert whole.read_bytes() == old
    whole.write_bytes(new)
    cut(whole, tmp_path / "out", part_size=30)
    join(tmp_path / "out", whole)
    assert whole.read_bytes() == new
    assert len([*(tmp_path / "out").iterdir()]) == 5, "four parts and a sum: nothing of the old set is left"


HOOK = """
import sys
from importlib.machinery import PathFinder


class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            return None
        return PathFinder.find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
"""


def listed() -> set[str]:
    """The packages that a machine is brought, and PyTorch with what it needs."""
    lines = (REPOSITORY / "scripts" / "gpu_machine_wheels.txt").read_text().splitlines()
    known = {plain(re.split(r"[<>=]", line)[0]) for line in lines if not line.startswith("#")}
    waiting = ["torch"]
    while waiting:
        name = waiting.pop()
        known.add(name)
        needs = [text for text in metadata.requires(name) or () if "extra ==" not in text]
        needs = [plain(re.split(r"[ <>=;(\[~!]", text)[0]) for text in needs]
        waiting += [need for need in needs if need not in known and is_installed(need)]
    return known


def plain(name: str) -> str:
    return name.lower().replace("_", "-")


def is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def modules_that_are_not_there() -> set[str]:
    """Top-level modules of all packages here that the machine does not have."""
    known = listed()
    owners = metadata.packages_distributions().items()
    return {module for module, names in owners if not known & {plain(name) for name in names}} - {"agetrans"}


def call(shards: Path, wheels: Path, run: Path, out: Path, kimg: float) -> None:
    """Hides every package that is neither listed nor PyTorch's: TensorFlow above all."""
    hidden = run.parent / "hidden"
    hidden.mkdir(exist_ok=True)
    missing = modules_that_are_not_there()
    assert "tensorflow" in missing
    (hidden / "sitecustomize.py").write_text(HOOK.replace("{names}", repr(sorted(missing))))
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
