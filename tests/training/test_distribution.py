"""Several devices and several workers take the step that one device takes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from agetrans.data.labelled import DataError
from agetrans.data.shards import Shards
from agetrans.training import build
from agetrans.training.cluster import worker_of
from agetrans.training.command import parse, resolve
from agetrans.training.distribution import Devices, WorkerLost
from tests.training.faces import write_shards
from tests.training.toys import Toy

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"
)
REPOSITORY = Path(__file__).parents[2]


def start(shards: Path, out: Path, devices: int, tf_config: Any = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "OMP_NUM_THREADS": "1"}
    if tf_config is not None:
        environment["TF_CONFIG"] = json.dumps(tf_config)
    command = [sys.executable, "-m", "tests.training.worker", str(shards), str(out), str(devices)]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str]) -> None:
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said[-3000:]


def cluster(index: int, ports: list[int]) -> dict[str, Any]:
    workers = [f"127.0.0.1:{port}" for port in ports]
    return {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for entry in sockets:
        entry.bind(("127.0.0.1", 0))
    ports = [entry.getsockname()[1] for entry in sockets]
    for entry in sockets:
        entry.close()
    return ports


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """The shards, and what one device makes of them."""
    folder = tmp_path_factory.mktemp("one")
    shards = write_shards(folder / "shards")
    finish(start(shards, folder / "one.npz", 1))
    return shards, dict(np.load(folder / "one.npz"))


def assert_same(found: Path, expected: dict[str, np.ndarray]) -> None:
    with np.load(found) as file:
        assert {*file} == expected.keys()
        for name, value in expected.items():
            scale = max(1e-3, float(np.abs(value).max()))
            np.testing.assert_allclose(file[name], value, atol=2e-4 * scale, err_msg=name)


def test_two_devices_are_one(one: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    shards, expected = one
    assert int(expected["steps"]) == 2
    assert np.abs(expected["losses"][1] - expected["losses"][0]).max() > 1e-3
    finish(start(shards, tmp_path / "two.npz", 2))
    assert_same(tmp_path / "two.npz", expected)


def test_two_workers_are_one(one: tuple[Path, dict[str, np.ndarray]], tmp_path: Path) -> None:
    shards, expected = one
    ports = free_ports(2)
    workers = [start(shards, tmp_path / f"{k}.npz", 1, tf_config=cluster(k, ports)) for k in range(2)]
    for worker in workers:
        finish(worker)
    for k in range(2):
        assert_same(tmp_path / f"{k}.npz", expected)


SMALL_RUN = (
    *("--group", "0,30", "--size", "64", "--width", "1", "--policy", "float32", "--batch", "8"),
    *("--tick_kimg", "0.008", "--checkpoint_minutes", "0", "--own_age_loss", "1", "--pixel_loss", "0"),
    *("--adversarial_loss", "0", "--age_class_loss", "0", "--reconstructed_loss", "0", "--cycle_loss", "0"),
    *("--triplet_loss", "0", "--identity_loss", "0"),
)
"""AgeTrans, which learns the age of its input and nothing else; a checkpoint every step."""


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Gets what a test starts, so that nothing of it stays behind."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()


def start_training(flags: tuple[str, ...], tf_config: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    environment["TF_CONFIG"] = json.dumps(tf_config)
    command = [sys.executable, "train.py", *flags]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_a_killed_worker_is_reported_in_a_sentence_and_the_run_goes_on(
    tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    """`train.py` on two workers, the second killed when the first has saved its second step; then started again."""
    shards, out = write_shards(tmp_path / "shards"), tmp_path / "run"
    flags = ("--data", str(shards), "--out", str(out), *SMALL_RUN)
    ports = free_ports(2)
    processes += [start_training((*flags, "--kimg", "999"), cluster(k, ports)) for k in range(2)]
    first, second = processes
    assert first.stdout is not None
    said = ""
    while said.count(" kimg ") < 3 and (line := first.stdout.readline()):
        said += line
    second.kill()
    second.communicate(timeout=60)
    said += first.communicate(timeout=900)[0]
    assert first.returncode == 2, said[-3000:]
    assert "train.py: Another worker no longer answers" in said
    assert "Traceback" not in said

    done = len((out / "log.jsonl").read_text().splitlines())
    ports, kimg = free_ports(2), str((done + 2) * 8 / 1000)
    again = [start_training((*flags, "--kimg", kimg), cluster(k, ports)) for k in range(2)]
    processes += again
    said = "".join(worker.communicate(timeout=900)[0] for worker in again)
    assert [worker.returncode for worker in again] == [0, 0], said[-3000:]
    assert "It goes on from step " in said
    steps = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert steps == list(range(1, done + 3))


REAL_RUN = (
    *("--group", "0,30", "--model", "agetransgan", "--size", "64", "--width", "4", "--policy", "float32"),
    *("--batch", "8", "--tick_kimg", "0.008", "--path_length_loss", "2", "--adversarial_loss", "0"),
    *("--age_class_loss", "0", "--reconstructed_loss", "0", "--cycle_loss", "0", "--triplet_loss", "0"),
    *("--identity_loss", "0"),
)
"""The smallest step of AgeTransGAN: pictures that stay, and the path length, which is due at steps 0 and 4."""


def test_train_on_two_devices_is_one_and_goes_on(tmp_path: Path) -> None:
    """What users have: `train.py`, graphs, Adam; 2 steps, then the same command to step 5; against eager steps here."""
    shards, out = write_shards(tmp_path / "shards"), tmp_path / "run"
    flags = ("--data", str(shards), "--out", str(out), *REAL_RUN)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "OMP_NUM_THREADS": "1"}
    said = ""
    for kimg in ("0.016", "0.04"):
        command = [sys.executable, "train.py", *flags, "--devices", "2", "--kimg", kimg]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said = done.stdout
    assert "It goes on from step 2." in said
    found = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in found] == [1, 2, 3, 4, 5]
    for line, expected in zip(found, eager_steps(flags, shards), strict=True):
        for name, value in expected.items():
            assert line[name] == pytest.approx(value, rel=1e-2, abs=1e-6), (line["step"], name)
    assert found[4]["path_length"] > 0
    assert found[4]["pixel"] < 0.95 * found[0]["pixel"]


def eager_steps(flags: tuple[str, ...], shards: Path) -> list[dict[str, float]]:
    """The losses of five steps of that run on one device, without a graph."""
    settings, _ = resolve(parse(["train.py", *flags]))
    sources = build.Sources(Shards(shards))
    keras.utils.set_random_seed(0)
    trainer, _ = build.build_trainer(settings, sources, 5)
    assert sources.shards is not None
    batches = build.photograph_batches(settings, sources.shards, trainer.generator, 0, 2, (0, 1))
    steps = []
    for number in range(5):
        batch = {name: keras.ops.convert_to_tensor(array) for name, array in batches.make(number).items()}
        logs = trainer.train_step(batch)
        steps.append({name: float(value) for name, value in logs.items()})
    return steps


def test_an_error_on_one_machine_is_no_lost_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    def fails(*_: Any) -> None:
        raise tf.errors.InternalError(None, None, "cuDNN is broken")

    machine = Devices()
    monkeypatch.setattr(machine, "strategy", object())
    monkeypatch.setattr(machine, "_fit_together", fails)
    with pytest.raises(tf.errors.InternalError, match="cuDNN"):
        machine.fit(Toy(), iter(()), 1, 1, [])
    monkeypatch.setattr(machine, "workers", 2)
    with pytest.raises(WorkerLost, match="Another worker no longer answers"):
        machine.fit(Toy(), iter(()), 1, 1, [])


@pytest.mark.parametrize(
    "text",
    ["{", '{"cluster": {}}', '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}'],
)
def test_a_wrong_tf_config_gets_a_sentence(text: str) -> None:
    with pytest.raises(DataError, match="TF_CONFIG"):
        worker_of(text)


def test_the_worker_of_a_configuration() -> None:
    assert worker_of("") == (0, 1)
    assert worker_of(json.dumps(cluster(1, [1, 2]))) == (1, 2)
