"""The snapshots of 10 and of 4 groups from one run's weights."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from agetrans.cli.console import CommandError
from agetrans.models.agetrans import AgeTrans
from agetrans.snapshot import load_snapshot
from agetrans.training import publish
from tests.conftest import smooth_picture

FLAGS = ["--size", "64", "--width", "2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of a small generator, all of them random, a card and notices."""
    folder = tmp_path_factory.mktemp("run")
    generator = AgeTrans(64, width=2)
    random = np.random.default_rng(0)
    for weight in generator.trainable_weights:
        value = keras.ops.convert_to_numpy(weight.value)
        weight.assign(value + random.normal(0, 0.05, value.shape).astype(np.float32))
    generator.save_weights(folder / "generator.weights.h5")
    (folder / "CARD.md").write_text("A card.\n")
    (folder / "LICENSES.md").write_text("None.\n")
    return folder


def files(run: Path) -> list[str]:
    named = {"weights": "generator.weights.h5", "card": "CARD.md", "licenses": "LICENSES.md"}
    return [part for flag, name in named.items() for part in (f"--{flag}", str(run / name))]


def test_the_four_groups_are_what_they_are_among_the_ten(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = publish.parse(["publish", *files(run), *FLAGS, "--out", str(tmp_path)])
    assert publish.main(flags) == 0
    ten, four = (load_snapshot(tmp_path / f"agetrans_{count}group").generator for count in (10, 4))
    picture = smooth_picture(0)
    outputs = []
    for label in (np.eye(4, dtype=np.float32)[1:2], np.array([[0, 0.25, 0.75, 0]], np.float32)):
        ours = keras.ops.convert_to_numpy(four(picture, label))
        theirs = keras.ops.convert_to_numpy(ten(picture, np.pad(label, ((0, 0), (5, 1)))))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        outputs.append(ours)
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-3


def test_the_size_that_ships_is_the_default(run: Path) -> None:
    assert publish.parse(["publish", *files(run)]).size == 128


def test_weights_of_another_width_are_refused_in_a_sentence(run: Path, tmp_path: Path) -> None:
    flags = publish.parse(["publish", *files(run), "--size", "64", "--width", "4", "--out", str(tmp_path)])
    with pytest.raises(CommandError, match="10 groups and --width 4"):
        publish.main(flags)
    assert not list(tmp_path.iterdir())
