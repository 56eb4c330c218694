"""L_id^pre: a trained recogniser inside a generator's training, its value in NumPy and its gradient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from agetrans.data.labelled import DataError
from agetrans.data.shards import Shards
from agetrans.recognition import backbones
from agetrans.recognition.data import fit_face
from agetrans.recognition.session import load_recogniser, save_recogniser
from agetrans.recognition.settings import RecognitionSettings
from agetrans.recognition.trainers import make_encoder
from agetrans.training.build import Sources, build_trainer
from agetrans.training.command import main, parse
from agetrans.training.embedding import FittedFace
from agetrans.training.settings import Settings
from agetrans.training.weights import Terms
from tests.models import agetrans_reference as reference
from tests.models.agetrans_reference import numbers
from tests.training.faces import make_batches, write_shards

NONE = dict.fromkeys(
    ("adversarial", "age_class", "reconstructed", "cycle", "identity", "triplet", "pixel"), 0.0
)


@pytest.fixture(autouse=True)
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backbones.UNITS, "ir18", (1, 1, 1, 1))


def save_tiny(folder: Path) -> Path:
    """A recogniser of pictures that are higher than wide, as DAL's are."""
    settings = RecognitionSettings(backbone="ir18", size=(48, 32), width=4, features=8, steps=1)
    keras.utils.set_random_seed(5)
    recogniser = make_encoder(settings)
    save_recogniser(recogniser, settings, folder)
    return folder


@pytest.mark.parametrize(
    ("side", "size"), [(64, (48, 32)), (64, (32, 32)), (64, (80, 80)), (100, (64, 48)), (112, (112, 96))]
)
def test_faces_are_cut_and_resized_as_recognition_does(side: int, size: tuple[int, int]) -> None:
    pictures = np.random.default_rng(0).uniform(-1, 1, (2, side, side, 3)).astype(np.float32)
    expected = np.stack([fit_face(picture, size) for picture in pictures])
    np.testing.assert_allclose(numbers(FittedFace(side, size)(pictures)), expected, atol=1e-5)


def test_a_recogniser_of_wide_pictures_is_refused() -> None:
    with pytest.raises(DataError, match=r"takes pictures of 32 x 48"):
        FittedFace(64, (32, 48))


def test_the_loss_is_that_of_the_embeddings_and_its_gradient_lowers_it(tmp_path: Path) -> None:
    run, shards = save_tiny(tmp_path / "recogniser"), Shards(write_shards(tmp_path / "shards"))
    settings = Settings(
        size=64, width=1, group="0,30", policy="float32", terms=Terms(**NONE, recogniser=1.0, r1=0.0)
    )
    trainer, _ = build_trainer(settings, Sources(shards, recogniser=run), 1)
    reference.fill(trainer.generator, 0)
    batch = make_batches(shards).make(0)
    image = (batch["image"] / 127.5 - 1).astype("f")
    result = numbers(trainer.generator(image, batch["target"]))
    recogniser = load_recogniser(run)
    seen, made = (
        numbers(recogniser(np.stack([fit_face(picture, (48, 32)) for picture in pictures])))
        for pictures in (image, result)
    )
    expected = ((seen - made) ** 2).mean()

    first, length = step(trainer, batch, rate=0.0)
    assert first == pytest.approx(expected, rel=1e-3)
    assert length > 0, "the recogniser's gradient does not reach the generator"
    rate = 0.02 * first / length
    step(trainer, batch, rate)
    second, _ = step(trainer, batch, rate=0.0)
    assert (first - second) / (rate * length) == pytest.approx(1.0, abs=0.15)
    frozen = load_recogniser(run)
    for variable, same in zip(trainer.recogniser.weights, frozen.weights, strict=True):
        np.testing.assert_array_equal(numbers(variable), numbers(same))


def step(trainer: Any, batch: dict[str, np.ndarray], rate: float) -> tuple[float, float]:
    """The loss before a plain step of the generator, and the squared length of its gradient."""
    gradient: list[Any] = []

    def improve(gradients: list[Any]) -> None:
        gradient.extend(numbers(value).astype(np.float64) for value in gradients)
        for variable, value in zip(trainer.generator.trainable_variables, gradients, strict=True):
            variable.assign(variable - rate * value)

    trainer.improve_generator = improve
    logs = trainer.train_step({name: ops.convert_to_tensor(array) for name, array in batch.items()})
    return float(numbers(logs["recogniser"])), sum(float((value**2).sum()) for value in gradient)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (
            ("--recogniser_loss", "1"),
            "--recogniser_loss needs --recogniser, a run of agetrans train-recognition",
        ),
        (("--recogniser", "RUN"), "--recogniser has no effect without --recogniser_loss"),
        (("--recogniser_loss", "1", "--recogniser", "nowhere"), "--recogniser: there is no nowhere"),
        (
            ("--recogniser_loss", "1", "--recogniser", "FILE"),
            "is no run of train-recognition: it has no settings.json",
        ),
        (("--recogniser_loss", "1", "--recogniser", "OTHER"), "are those of another program"),
        (("--recogniser_loss", "1", "--recogniser", "EMPTY"), "it has no generator.weights.h5"),
    ],
)
def test_what_is_no_recogniser_gets_a_sentence(
    flags: tuple[str, ...], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = write_shards(tmp_path / "shards")
    settings = RecognitionSettings(backbone="ir18", size=(48, 32), width=4, features=8, steps=1)
    texts = {"OTHER": Settings().to_json(), "EMPTY": settings.to_json(), "RUN": settings.to_json()}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.json").write_text(text)
    (tmp_path / "FILE").write_bytes(b"a model of another program")
    argv = [str(tmp_path / flag) if flag in (*texts, "FILE") else flag for flag in flags]
    fixed = ("--data", str(shards), "--group", "0,30", "--size", "64", "--width", "1", "--policy", "float32")
    assert main(parse(["train.py", "--out", str(tmp_path / "run"), *fixed, *argv])) == 2
    assert sentence in capsys.readouterr().err
