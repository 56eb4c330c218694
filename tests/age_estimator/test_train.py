"""`age_estimator/train.py`: what it feeds the network, what it leaves behind, how it goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from safetensors.numpy import load_file

from agetrans.cli.console import CommandError
from agetrans.training import age_estimator as train
from tests.conftest import REPOSITORY


class Toy(keras.Model):
    """Reads age and gender off a picture's mean colour."""

    def __init__(self) -> None:
        super().__init__()
        # PyTorch draws all dropout from one stream that Keras does not keep: there a run goes on with other masks.
        self.drop = keras.layers.Dropout(0.3 if keras.backend.backend() == "tensorflow" else 0.0)
        self.dropouts = [self.drop] if self.drop.rate else []
        self.years = keras.layers.Dense(101)
        self.male = keras.layers.Dense(1)
        self.years.build((None, 3))
        self.male.build((None, 3))
        self.built = True

    def read(self, face: Any, training: bool = False) -> dict[str, Any]:
        colour = self.drop(ops.mean(face, axis=(1, 2)), training=training)
        return {"logits": self.years(colour), "male": self.male(colour)}


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Sixty photographs that are twice as bright as they are old."""
    ages = np.arange(60, dtype=np.float32)
    pictures = np.repeat((2 * ages).astype(np.uint8), 256 * 256 * 3).reshape(60, 256, 256, 3)
    np.savez(tmp_path / "photos.npz", pictures=pictures, age=ages, male=(ages % 2).astype(np.float32))
    return tmp_path / "photos.npz"


def test_every_photograph_comes_once_in_each_pass_with_its_own_labels(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "relit_face", lambda face, random: face)
    data = train.load_photographs(photographs)
    assert data["pictures"].shape == (60, 196, 196, 3)
    batches = [train.make_batch(data, 3, number) for number in range(5)]  # four passes of 60 in five of 48
    for batch in batches:
        assert batch["faces"].shape == (48, 128, 128, 3)
        # A patch may cover a part of a picture: its median is what it was.
        np.testing.assert_allclose(np.median(batch["faces"], axis=(1, 2, 3)), 2 * batch["age"], atol=1)
        np.testing.assert_array_equal(batch["male"], batch["age"] % 2)
    ages = np.concatenate([batch["age"] for batch in batches]).reshape(4, 60)
    np.testing.assert_array_equal(np.sort(ages), np.tile(np.arange(60), (4, 1)))
    assert np.any(ages[0] != ages[1])


def test_a_batch_is_a_function_of_its_number(photographs: Path) -> None:
    data = train.load_photographs(photographs)
    first, again, other = (train.make_batch(data, 3, number) for number in (2, 2, 3))
    np.testing.assert_array_equal(first["faces"], again["faces"])
    assert np.any(first["faces"] != other["faces"])


def test_faces_are_the_inner_three_quarters_mirrored_half_of_the_time() -> None:
    picture = np.zeros((196, 196, 3), np.uint8)
    picture[:, 98:] = 200
    # A frame of another colour around the inner three quarters is seen at most as a rim of some pixels.
    picture[:14] = picture[-14:] = picture[:, :14] = picture[:, -14:] = 90
    random = np.random.default_rng(2)
    faces = np.stack([train.moved_face(picture, random) for _ in range(200)])
    bright_right = np.median(faces[:, :, 96:], axis=(1, 2, 3)) > np.median(faces[:, :, :32], axis=(1, 2, 3))
    assert 0.4 < bright_right.mean() < 0.6
    assert np.median(np.abs(faces.astype(int) - 90) < 5, axis=0)[16:112, 16:112].max() == 0
    assert 0.02 < (np.abs(faces.astype(int) - 90) < 5).mean() < 0.15


def test_faces_are_relit_each_in_its_own_way() -> None:
    random = np.random.default_rng(0)
    face = np.full((24, 24, 3), (200, 160, 120), np.uint8)
    relit = np.stack([train.relit_face(face, random) for _ in range(400)]).astype(float)
    grey = (
        np.ptp(np.median(relit, axis=(1, 2)), axis=1) < 45
    )  # the tint alone makes colours differ by so much
    assert 0.05 < grey.mean() < 0.3
    assert relit.mean() == pytest.approx(160, abs=6)
    assert 15 < relit.mean(axis=(1, 2, 3)).std() < 25
    noisy = relit.std(axis=(1, 2)).mean(axis=1) > 0.5
    assert 0.2 < noisy.mean() < 0.35


def test_what_is_saved_is_the_average_in_half_precision(photographs: Path, tmp_path: Path) -> None:
    toys = []

    def make() -> Toy:
        toys.append(Toy())
        toys[0].kernel = ops.convert_to_numpy(toys[0].years.kernel).copy()
        return toys[0]

    train.train(photographs, make, tmp_path / "run", 3, learning_rate=0.05)
    start, trained = toys[0].kernel, ops.convert_to_numpy(toys[0].years.kernel)
    saved = load_file(tmp_path / "run" / "estimator.safetensors")["years/kernel"]
    assert saved.dtype == np.float16
    # After three steps of weight 0.01 the average has hardly left the start, where the network itself has.
    moved, averaged = np.abs(trained - start).max(), np.abs(saved - start.astype(np.float16)).max()
    assert averaged < 0.1 * moved
    names = {file.name for file in (tmp_path / "run").iterdir()}
    assert names == {"estimator.safetensors", "events", "log.jsonl", "settings.json", "state.weights.h5"}
    others = (tmp_path / "run" / "log.jsonl").stat().st_mode
    assert (tmp_path / "run" / "estimator.safetensors").stat().st_mode == others


def test_it_learns(photographs: Path, tmp_path: Path) -> None:
    train.train(photographs, Toy, tmp_path / "run", 20, learning_rate=0.3)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[0]["age_error"] < 15  # the mean error of the best constant


def test_where_faces_say_nothing_adults_are_twice_as_likely() -> None:
    training = train.EstimatorTraining(Toy(), 80, 0.2)
    # Half are 12 and half 27: as far from 20 on either side.
    batch = {
        "faces": np.full((48, 128, 128, 3), 127, np.uint8),
        "age": np.tile(np.float32([12, 27]), 24),
        "male": np.tile(np.float32([0, 1]), 24),
    }
    batch = {name: ops.convert_to_tensor(value) for name, value in batch.items()}
    for _ in range(80):
        training.train_step((batch,))
    logits = training.generator.read(ops.zeros((1, 128, 128, 3)))["logits"]
    likely = ops.convert_to_numpy(ops.softmax(logits))[0]
    assert likely[20:40].sum() / likely[:20].sum() == pytest.approx(2, rel=0.1)


def test_a_stopped_run_goes_on_to_the_same_weights(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "TICK", 2)
    monkeypatch.setattr(train, "AVERAGE_DECAY", 0.5)
    train.train(photographs, Toy, tmp_path / "whole", 6)

    class Stopped(train.EstimatorRecord):
        def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            super().on_epoch_begin(epoch, logs)
            self.stopping = epoch == 1

    with monkeypatch.context() as patch:
        patch.setattr(train, "EstimatorRecord", Stopped)
        with pytest.raises(KeyboardInterrupt):
            train.train(photographs, Toy, tmp_path / "cut", 6)
    train.train(photographs, Toy, tmp_path / "cut", 6)
    assert "The run goes on from step 3." in capsys.readouterr().out
    whole, cut = ((tmp_path / run / "estimator.safetensors").read_bytes() for run in ("whole", "cut"))
    assert whole == cut


def test_another_run_in_the_folder_is_left_alone(photographs: Path, tmp_path: Path) -> None:
    train.train(photographs, Toy, tmp_path / "run", 1)
    with pytest.raises(CommandError, match="is a run with another steps, seed: give the same flags again"):
        train.train(photographs, Toy, tmp_path / "run", 2, seed=3)
    (tmp_path / "run" / "settings.json").write_text('{"preset": "cpu"}')
    with pytest.raises(CommandError, match="holds the run of another program: give another --out"):
        train.train(photographs, Toy, tmp_path / "run", 1)


def run(*argv: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, REPOSITORY / "age_estimator" / "train.py", *argv]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--photos", "none.npz", "--out", "o"), "none.npz"),
        (("--photos", "PHOTOS", "--out", "o", "--start", "none.pth"), "none.pth"),
        (("--photos", "PHOTOS", "--out", "o", "--start", "PHOTOS"), "cannot be used as weights"),
        (
            ("--photos", "PHOTOS", "--out", "o", "--start", "PHOTOS", "--steps", "0"),
            "--steps must be at least 1, not 0",
        ),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    photographs: Path, flags: tuple[str, ...], sentence: str
) -> None:
    done = run(*(photographs if flag == "PHOTOS" else flag for flag in flags))
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
