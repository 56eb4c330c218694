"""From settings to a generator, and a generator of one size that starts the next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agetrans.cli import convert, main
from agetrans.cli.console import CommandError
from agetrans.data.labelled import DataError
from agetrans.snapshot import load_snapshot
from agetrans.training.build import build_generator, start_generator
from agetrans.training.settings import Settings
from tests.models import agetrans_reference as reference
from tests.models.agetrans_reference import numbers


def settings(model: str, size: int) -> Settings:
    return Settings(
        model=model, size=size, width=2 if model == "agetrans" else 4, group="0,30", policy="float32"
    )


def save_run(folder: Path, model: str, size: int) -> dict[str, np.ndarray]:
    """A run's folder as `train.py` leaves it; returns what its generator says of a picture."""
    generator = build_generator(settings(model, size))
    reference.fill(generator, 3)
    folder.mkdir()
    generator.save_weights(folder / "generator.weights.h5")
    (folder / "settings.json").write_text(settings(model, size).to_json())
    picture = np.random.RandomState(0).uniform(-1, 1, (1, size, size, 3)).astype("f")
    return {"picture": picture, "result": numbers(generator(picture, np.array([[0.3, 0.7]], "f")))}


@pytest.mark.parametrize("model", ["agetrans", "agetransgan"])
def test_a_run_starts_another_of_its_size(model: str, tmp_path: Path) -> None:
    expected = save_run(tmp_path / "run", model, 64)
    generator = build_generator(settings(model, 64))
    taken = start_generator(generator, str(tmp_path / "run"))
    assert taken >= len(generator.trainable_variables)
    result = numbers(generator(expected["picture"], np.array([[0.3, 0.7]], "f")))
    np.testing.assert_allclose(result, expected["result"], atol=1e-5)


def test_a_larger_agetrans_takes_all_weights(tmp_path: Path) -> None:
    save_run(tmp_path / "run", "agetrans", 64)
    generator = build_generator(settings("agetrans", 128))
    assert start_generator(generator, str(tmp_path / "run")) == len(generator.weights)


def test_a_larger_agetransgan_takes_what_both_have(tmp_path: Path) -> None:
    save_run(tmp_path / "run", "agetransgan", 64)
    small = build_generator(settings("agetransgan", 64))
    small.load_weights(tmp_path / "run" / "generator.weights.h5")
    large = build_generator(settings("agetransgan", 128))
    fresh = numbers(large.trunk[0].conv1.kernel).copy()
    start_generator(large, str(tmp_path / "run" / "generator.weights.h5"))
    # 128 to 64 is new; 64 to 32 was the first block and is now the second.
    np.testing.assert_array_equal(numbers(large.trunk[0].conv1.kernel), fresh)
    np.testing.assert_array_equal(numbers(large.trunk[1].conv1.kernel), numbers(small.trunk[0].conv1.kernel))
    np.testing.assert_array_equal(numbers(large.convs[1].conv.kernel), numbers(small.convs[1].conv.kernel))
    np.testing.assert_array_equal(numbers(large.mapping[0].kernel), numbers(small.mapping[0].kernel))


def test_a_fresh_agetrans_changes_nothing() -> None:
    generator = build_generator(settings("agetrans", 64))
    assert start_generator(generator, None) == 0
    picture = np.random.RandomState(0).uniform(-1, 1, (1, 64, 64, 3)).astype("f")
    np.testing.assert_allclose(numbers(generator(picture, np.array([[1.0, 0.0]], "f"))), picture, atol=1e-5)


def test_what_cannot_start_a_run_gets_a_sentence(tmp_path: Path) -> None:
    save_run(tmp_path / "run", "agetransgan", 64)
    with pytest.raises(DataError, match=r"holds an AgeTransGAN, and this run trains an AgeTrans\."):
        start_generator(build_generator(settings("agetrans", 64)), str(tmp_path / "run"))
    (tmp_path / "run" / "settings.json").unlink()
    with pytest.raises(DataError, match=r"no settings\.json that says what it is"):
        start_generator(build_generator(settings("agetrans", 64)), str(tmp_path / "run"))
    with pytest.raises(DataError, match="multiple of 64"):
        build_generator(settings("agetrans", 100))


def convert_run(*arguments: str) -> int:
    return convert.run(main.parse(["agetrans", "convert", "run", *arguments]))


@pytest.mark.parametrize(("model", "framing"), [("agetrans", "ffhq"), ("agetransgan", "agetransgan")])
def test_a_run_becomes_a_snapshot(model: str, framing: str, tmp_path: Path) -> None:
    expected = save_run(tmp_path / "run", model, 64)
    out = tmp_path / "mine"
    assert convert_run(str(tmp_path / "run"), "--out", str(out), "--framing", framing) == 0
    snapshot = load_snapshot(out)
    assert (snapshot.framing, snapshot.age_groups.lower_bounds) == (framing, (0, 30))
    result = numbers(snapshot.generator(expected["picture"], np.array([[0.3, 0.7]], "f")))
    assert np.abs(result - expected["result"]).mean() < 0.01, "weights are stored in half precision"


def test_agetrans_is_for_one_framing(tmp_path: Path) -> None:
    save_run(tmp_path / "run", "agetrans", 64)
    with pytest.raises(CommandError, match="ffhq framing"):
        convert_run(str(tmp_path / "run"), "--out", str(tmp_path / "mine"), "--framing", "agetransgan")
    assert not (tmp_path / "mine").exists()


def test_what_is_no_run_becomes_no_snapshot(tmp_path: Path) -> None:
    save_run(tmp_path / "run", "agetrans", 64)
    weights = tmp_path / "run" / "generator.weights.h5"
    whole = weights.read_bytes()
    for content, message in [(whole[: len(whole) // 2], "does not hold the weights"), (None, "holds no")]:
        weights.unlink() if content is None else weights.write_bytes(content)
        with pytest.raises(CommandError, match=message):
            convert_run(str(tmp_path / "run"), "--out", str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()
