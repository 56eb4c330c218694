"""The trainer's step: its losses in NumPy, what it moves and what it leaves, and both backends alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from agetrans.models.agetrans import AgeTrans
from agetrans.training.autodiff import input_gradient
from agetrans.training.reaging import HEAD_WEIGHT, R1_INTERVAL, REAL_GROUP_WEIGHT, STAYING_WEIGHT, ReAging
from agetrans.training.record import Record
from tests.models import agetrans_reference as reference
from tests.models.agetrans_reference import numbers
from tests.training.steps import (
    EXPECTED,
    GROUPS,
    OUTPUT_SIZE,
    PAIRS,
    SIZE,
    SUPERVISED,
    WEIGHTS,
    Step,
    make_batch,
    make_trainer,
    take_step,
    tensors,
)


class Taken:
    """A trainer, what its networks said of the batch before a step, and the step."""

    def __init__(self) -> None:
        self.trainer, self.batch = make_trainer(), make_batch()
        self.image = floats(np.concatenate([self.batch["source"], self.batch["photo"]]))
        self.label = GROUPS.soft_label(np.concatenate([self.batch["years"], self.batch["photo_target"]]))
        self.target = sized(floats(self.batch["target"]))
        generator, judge = self.trainer.generator, self.trainer.discriminator
        codes, self.own = generator.encode_and_read_age(sized(self.image, SIZE))
        self.change = sized(numbers(generator.decode(codes, self.label)))
        self.result = reference.composed(sized(self.image), self.change)
        source, label = sized(self.image)[:PAIRS], self.label[:PAIRS]
        self.scores, self.groups = judge(self.result[:PAIRS].astype("f"), label, source)
        self.features, self.wanted = (
            judge.features(picture, source) for picture in (self.result[:PAIRS].astype("f"), self.target)
        )
        self.real_scores, self.real_groups = judge(self.target, label, source)
        gradient = input_gradient(lambda x: ops.mean(judge(x, label, source)[0], axis=-1), self.target)
        self.penalty = 0.5 * (numbers(gradient) ** 2).sum(axis=(1, 2, 3)).mean()
        self.step: Step = take_step(self.trainer, self.batch)


@pytest.fixture(scope="module")
def taken() -> Taken:
    return Taken()


def floats(pictures: np.ndarray) -> np.ndarray:
    return (pictures / 127.5 - 1).astype("f")


def sized(x: np.ndarray, size: int = OUTPUT_SIZE) -> np.ndarray:
    return pooled(x, x.shape[1] // size)


def cross_entropy(logits: Any, shares: np.ndarray) -> float:
    logits = numbers(logits)
    log_shares = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return float(-(shares * log_shares).sum(axis=-1).mean())


def of_years(years: np.ndarray) -> np.ndarray:
    spread = 1.5 + 0.06 * years[:, None]
    density = np.exp(-((np.arange(101) - years[:, None]) ** 2) / (2 * spread**2))
    return density / density.sum(axis=1, keepdims=True)


def squared_too(x: np.ndarray, factor: float) -> np.ndarray:
    return np.abs(x) + factor * x**2


def pooled(x: np.ndarray, side: int) -> np.ndarray:
    return x.reshape(len(x), x.shape[1] // side, side, x.shape[2] // side, side, -1).mean(axis=(2, 4))


def slopes(difference: np.ndarray, weight: np.ndarray) -> float:
    return float(
        (np.abs(np.diff(difference, axis=2)) * weight[:, :, 1:]).mean()
        + (np.abs(np.diff(difference, axis=1)) * weight[:, 1:]).mean()
    )


def test_the_picture_terms(taken: Taken) -> None:
    made, kept = np.split(taken.result, [PAIRS])
    weight = 1 + (HEAD_WEIGHT - 1) * taken.batch["head"]
    staying = kept - sized(taken.image)[PAIRS:]
    staying[1] = 0  # only the first photograph is asked for its own age
    pixel = (squared_too(made - taken.target, 2) * weight).mean() + STAYING_WEIGHT * squared_too(
        staying, 2
    ).mean()
    assert taken.step.logs["pixel"] == pytest.approx(pixel, rel=1e-4)
    difference = made - taken.target
    gradient = np.mean([slopes(pooled(difference, side), pooled(weight, side)) for side in (1, 2, 4)])
    assert taken.step.logs["gradient"] == pytest.approx(gradient, rel=1e-4)


def test_the_terms_on_the_change(taken: Taken) -> None:
    flow, mask = taken.change[:PAIRS, ..., :2], taken.change[:PAIRS, ..., 5:]
    error = squared_too(pooled(flow, 2) - taken.batch["flow"], 100) * taken.batch["flow_weight"]
    assert taken.step.logs["displacement"] == pytest.approx(error.mean(), rel=1e-4)
    share, head = np.clip(mask, 1e-3, 1 - 1e-3), taken.batch["head"]
    expected = -(head * np.log(share) + (1 - head) * np.log(1 - share)).mean()
    assert taken.step.logs["mask"] == pytest.approx(expected, rel=1e-4)


def test_the_term_on_the_own_age(taken: Taken) -> None:
    known = np.concatenate([taken.batch["source_years"], taken.batch["photo_years"]])
    own_years, own_groups = taken.own
    own = cross_entropy(own_years, of_years(known)) + cross_entropy(own_groups, GROUPS.soft_label(known))
    assert taken.step.logs["own_age"] == pytest.approx(own, rel=1e-4)


def test_the_adversarial_terms(taken: Taken) -> None:
    def softplus(x: Any) -> float:
        return float(np.logaddexp(0, x).mean())

    fake, real = numbers(taken.scores), numbers(taken.real_scores)
    assert taken.step.logs["adversarial"] == pytest.approx(softplus(-fake), rel=1e-4)
    assert taken.step.logs["age_class"] == pytest.approx(
        cross_entropy(taken.groups, taken.label[:PAIRS]), rel=1e-4
    )
    features = sum(
        np.abs(numbers(a) - numbers(b)).mean() for a, b in zip(taken.features, taken.wanted, strict=True)
    )
    assert taken.step.logs["features"] == pytest.approx(features, rel=1e-4)
    assert taken.step.logs["r1"] == pytest.approx(R1_INTERVAL * taken.penalty, rel=1e-3)
    expected = softplus(-real) + softplus(fake)
    expected += REAL_GROUP_WEIGHT * cross_entropy(taken.real_groups, taken.label[:PAIRS])
    expected += WEIGHTS.r1 * R1_INTERVAL * taken.penalty
    assert taken.step.logs["discriminator"] == pytest.approx(expected, rel=1e-4)


def test_losses_and_gradients_are_the_same_on_every_backend(taken: Taken) -> None:
    expected, summary = json.loads(EXPECTED.read_text()), taken.step.summary()
    assert summary["logs"].keys() == expected["logs"].keys()
    for name, value in expected["logs"].items():
        assert summary["logs"][name] == pytest.approx(value, rel=1e-4), name
    for part in ("generator", "discriminator"):
        length = expected[part][0]
        np.testing.assert_allclose(summary[part], expected[part], atol=1e-4 * length)


def test_generator_and_discriminator_learn(taken: Taken) -> None:
    strengths = [
        variable.path.endswith("strength") for variable in taken.trainer.generator.trainable_variables
    ]
    moved = [np.abs(gradient).max() > 0 for gradient in taken.step.gradients("generator")]
    # Training is without noise, so that its strengths are the only variables that stay.
    assert moved == [not strength for strength in strengths]
    assert all(np.abs(gradient).max() > 0 for gradient in taken.step.gradients("discriminator"))


def test_the_average_follows_with_its_half_life(taken: Taken) -> None:
    decay = 0.5**0.5  # a half-life of two steps
    steps = zip(
        taken.step.before["average"], taken.step.after["generator"], taken.step.after["average"], strict=True
    )
    for before, trained, after in steps:
        np.testing.assert_allclose(after, decay * before + (1 - decay) * trained, rtol=1e-5, atol=1e-6)
    for average, start in zip(taken.step.before["average"], taken.step.before["generator"], strict=True):
        np.testing.assert_array_equal(average, start)


def test_the_penalty_is_taken_every_sixteenth_step(taken: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, asked = taken.trainer, []

    def loss(self: ReAging, *pictures_and_labels: Any, with_r1: bool) -> tuple[Any, Any]:
        asked.append(with_r1)
        return sum(ops.sum(variable) for variable in self.discriminator.trainable_variables), ops.zeros(())

    monkeypatch.setattr(ReAging, "_discriminator_loss", loss)
    steps = [0, 1, 15, 16, 17, 31, 32]
    for step in steps:
        trainer.steps.assign(step)
        trainer._improve_discriminator(*[taken.target] * 3, taken.label[:PAIRS])
    assert asked == [step % 16 == 0 for step in steps]


def test_between_penalties_the_loss_has_none(taken: Taken) -> None:
    source, made = sized(taken.image)[:PAIRS], taken.result[:PAIRS].astype("f")
    pictures_and_labels = (source, taken.target, made, taken.label[:PAIRS])
    taken.trainer.discriminator.set_weights(taken.step.before["discriminator"])
    loss, r1 = taken.trainer._discriminator_loss(*pictures_and_labels, with_r1=False)
    assert float(numbers(r1)) == 0
    expected = taken.step.logs["discriminator"] - WEIGHTS.r1 * taken.step.logs["r1"]
    assert float(numbers(loss)) == pytest.approx(expected, rel=1e-5)
    assert taken.step.logs["r1"] > 1e-4 * expected


def test_labels_are_those_of_the_groups(taken: Taken) -> None:
    years = np.array([0, 8, 9, 20, 27, 30, 59.9, 72, 77, 100], "f")
    np.testing.assert_allclose(numbers(taken.trainer.labels(years)), GROUPS.soft_label(years), atol=1e-6)


@pytest.mark.parametrize("size", [96, 256])
def test_output_sizes_that_do_not_fit_are_refused(taken: Taken, size: int) -> None:
    with pytest.raises(ValueError, match=f"Received: output_size={size}"):
        ReAging(taken.trainer.generator, GROUPS, output_size=size)


class People:
    """Stands for `Families`."""

    people = (0, 1, 2)
    looks = 0

    def facts(self) -> dict[str, float]:
        self.looks += 1
        return {"people": len(self.people)}


class Recorder(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.pixel: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        assert logs is not None
        self.pixel.append(float(numbers(logs["pixel"])))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReAging, Recorder, People, Path]:
    """A trainer after an epoch of two steps, and its folder."""
    trainer, recorder, people = make_trainer(SUPERVISED), Recorder(), People()
    trainer.run_eagerly = True  # tracing takes longer than two steps
    for variable in trainer.discriminator_optimizer.variables[2:]:
        variable.assign(np.random.RandomState(1).uniform(0, 1, variable.shape))
    folder = tmp_path_factory.mktemp("run")
    trainer.fit(
        ((make_batch(seed),) for seed in range(99)),
        steps_per_epoch=2,
        callbacks=[recorder, Record(folder, 4, 2, minutes=1e6, facts=people.facts, say=lambda line: None)],
        verbose=0,
    )
    return trainer, recorder, people, folder


def test_an_epoch_adds_a_line_of_means_to_the_log(fitted: tuple[ReAging, Recorder, People, Path]) -> None:
    _, recorder, people, folder = fitted
    (line,) = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert (line["step"], line["people"]) == (2, 3)
    assert line["pixel"] == pytest.approx(np.mean(recorder.pixel))
    assert recorder.pixel[0] != recorder.pixel[1]
    assert people.looks == 1


def test_the_average_is_what_a_run_publishes(fitted: tuple[ReAging, Recorder, People, Path]) -> None:
    trainer, _, _, folder = fitted
    assert {path.name for path in folder.iterdir()} == {
        "events",
        "generator.weights.h5",
        "log.jsonl",
        "state.weights.h5",
    }
    published = AgeTrans(SIZE, GROUPS.count, width=2, units=4)
    published.load_weights(folder / "generator.weights.h5")
    for average, variable in zip(trainer.averaged(), published.trainable_variables, strict=True):
        np.testing.assert_array_equal(average, numbers(variable).astype("f"))
    trained = zip(trainer.averaged(), trainer.generator.trainable_variables, strict=True)
    assert any(np.abs(average - numbers(variable)).max() > 1e-4 for average, variable in trained)


def test_a_run_goes_on_from_its_saved_state(fitted: tuple[ReAging, Recorder, People, Path]) -> None:
    """Networks, optimisers, average and the count of steps come back: the next step is the one that was due."""
    trainer, _, _, folder = fitted
    again = make_trainer(SUPERVISED, seed=9)
    again.load_weights(folder / "state.weights.h5")
    assert int(numbers(again.steps)) == 2
    for part in ("discriminator_optimizer", "discriminator"):
        ours, theirs = (getattr(model, part) for model in (trainer, again))
        variables = ("variables" if "optimizer" in part else "weights",) * 2
        for a, b in zip(getattr(ours, variables[0]), getattr(theirs, variables[1]), strict=True):
            np.testing.assert_array_equal(numbers(a), numbers(b))
    batch = tensors(make_batch(seed=5))
    expected, logs = (model.train_step(batch) for model in (trainer, again))
    for name, value in expected.items():
        assert float(numbers(logs[name])) == pytest.approx(float(numbers(value)), rel=1e-5), name
    for a, b in zip(trainer.averaged(), again.averaged(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
