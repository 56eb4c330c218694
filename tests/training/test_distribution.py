"""Several devices and several workers take the step that one device takes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from agetrans.data.labelled import DataError
from agetrans.training.cluster import worker_of
from tests.training.faces import write_shards

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's"
)
REPOSITORY = Path(__file__).parents[2]


def start(shards: Path, out: Path, devices: int, *more: str, tf_config: Any = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "OMP_NUM_THREADS": "1"}
    if tf_config is not None:
        environment["TF_CONFIG"] = json.dumps(tf_config)
    command = [sys.executable, "-m", "tests.training.worker", str(shards), str(out), str(devices), *more]
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


def test_a_killed_worker_is_reported_in_a_sentence(one: tuple[Path, Any], tmp_path: Path) -> None:
    ports = free_ports(2)
    first = start(one[0], tmp_path / "0.npz", 1, tf_config=cluster(0, ports))
    second = start(one[0], tmp_path / "1.npz", 1, "die", tf_config=cluster(1, ports))
    said, _ = first.communicate(timeout=900)
    second.wait(timeout=60)
    assert first.returncode == 3, said[-3000:]
    assert "WorkerLost: Another worker no longer answers" in said


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
