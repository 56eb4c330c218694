"""Training on photographs: each term in NumPy, its switch, pieces of a batch, and both backends alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import log_softmax
from scipy.stats import norm

from agetrans.data.shards import Shards
from agetrans.training.autodiff import input_gradient
from agetrans.training.photographs import PATH_INTERVAL, R1_INTERVAL
from agetrans.training.weights import Terms
from tests.models.agetrans_reference import numbers
from tests.training.faces import PATH_ALONE, SIZE, make_batches, make_trainer, write_shards

EXPECTED = Path(__file__).with_name("photographs.json")
ALL = Terms(gradient=2.0, own_age=0.1, identity_squared=0.5)
PAINTED = Terms(path_length=2.0)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return Shards(write_shards(tmp_path_factory.mktemp("shards")))


def sgd_step(trainer: Any, batch: dict[str, np.ndarray]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The losses, and the gradients of both networks: each variable moves by minus its gradient."""
    trainer.optimizer, trainer.discriminator_optimizer = keras.optimizers.SGD(1.0), keras.optimizers.SGD(1.0)
    networks = {"generator": trainer.generator, "discriminator": trainer.discriminator}
    before = {name: flat(network) for name, network in networks.items()}
    logs = trainer.train_step({name: ops.convert_to_tensor(array) for name, array in batch.items()})
    gradients = {name: before[name] - flat(network) for name, network in networks.items()}
    return {name: float(numbers(value)) for name, value in logs.items()}, gradients


def flat(network: Any) -> np.ndarray:
    return np.concatenate([numbers(v).astype(np.float64).ravel() for v in network.trainable_variables])


class Taken:
    """A trainer, what its networks said before a step, and the step."""

    def __init__(self, shards: Shards, model: str, terms: Terms) -> None:
        self.trainer = make_trainer(model, terms=terms)
        self.batch = make_batches(shards, trainer=self.trainer).make(0)
        generator, judge = self.trainer.generator, self.trainer.discriminator
        self.image = (self.batch["image"] / 127.5 - 1).astype("f")
        label, target = self.batch["label"], self.batch["target"]
        noise = None
        if model == "agetransgan":
            noise = [self.batch[f"noise{k}"] for k in range(len(generator.noise_sides))]
        self.result = numbers(generator(self.image, target, noise))
        self.back = numbers(generator(self.result, label, noise))
        looks = ((self.image, label), (self.result, target), (self.back, label))
        if model == "agetransgan":
            self.maps = [numbers(generator.features(picture, group)[0]) for picture, group in looks]
        else:
            self.maps = [numbers(generator.encode(picture)[-2]) for picture, _ in looks]
        self.judged = [judge(picture, group) for picture, group in looks]
        gradient = input_gradient(lambda x: ops.mean(judge(x, label)[0], axis=-1), self.image)
        self.penalty = 0.5 * (numbers(gradient) ** 2).sum(axis=(1, 2, 3)).mean()
        self.logs, self.gradients = sgd_step(self.trainer, self.batch)


@pytest.fixture(scope="module")
def taken(shards: Shards) -> Taken:
    return Taken(shards, "agetrans", ALL)


@pytest.fixture(scope="module")
def painted(shards: Shards) -> Taken:
    return Taken(shards, "agetransgan", PAINTED)


def softplus(x: Any) -> float:
    return float(np.logaddexp(0, numbers(x)).mean())


def cross_entropy(logits: Any, label: np.ndarray) -> float:
    logits = numbers(logits)
    return float(-(label * (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))).sum(axis=1).mean())


@pytest.mark.parametrize("kind", ["taken", "painted"])
def test_each_term(kind: str, request: pytest.FixtureRequest) -> None:
    case: Taken = request.getfixturevalue(kind)
    own, other, again = case.maps
    (real, real_groups), (fake, fake_groups), (back, back_groups) = case.judged
    label, target = case.batch["label"], case.batch["target"]

    def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.sqrt(((a - b + 1e-6) ** 2).sum(axis=2))

    expected = {
        "adversarial": softplus(-numbers(fake)) + softplus(-numbers(back)),
        "age_class": cross_entropy(fake_groups, target) + cross_entropy(back_groups, label),
        "cycle": np.abs(case.back - case.image).mean(),
        "pixel": ((case.result - case.image) ** 2).mean(),
        "identity": np.abs(own - other).mean(),
        "triplet": np.maximum(0, distance(own, again) - distance(own, other) + 0.5).mean(),
        "discriminator": 2 * softplus(-numbers(real)) + softplus(fake) + softplus(back),
        "real_class": cross_entropy(real_groups, label),
        "r1": R1_INTERVAL * case.penalty,
    }
    for name, value in expected.items():
        assert case.logs[name] == pytest.approx(value, rel=2e-3), name
    assert np.abs(case.gradients["generator"]).max() > 0
    assert case.logs.keys() - expected.keys() == (
        {"gradient", "identity_squared", "own_age", "real_score"}
        if kind == "taken"
        else {"path_length", "real_score"}
    )


def test_the_path_length(painted: Taken, shards: Shards) -> None:
    trainer = make_trainer("agetransgan", terms=PAINTED)
    generator, batch = trainer.generator, painted.batch
    identity, pooled = generator.features(painted.image, batch["target"])
    w = numbers(generator.map_style(pooled))
    noise = [batch[f"noise{k}"] for k in range(len(generator.noise_sides))]

    def projected(style: np.ndarray) -> np.ndarray:
        picture = numbers(generator.synthesis(identity, style.astype("f"), noise))
        return (picture.astype(np.float64) * batch["picture_noise"]).sum(axis=(1, 2, 3)) / SIZE

    slopes = np.empty(w.shape)
    for k in range(w.shape[1]):
        step = np.zeros_like(w)
        step[:, k] = 1e-2
        slopes[:, k] = (projected(w + step) - projected(w - step)) / 2e-2
    lengths = np.sqrt((slopes**2).sum(axis=1))
    mean = 0.01 * lengths.mean()
    assert painted.logs["path_length"] == pytest.approx(
        PATH_INTERVAL * ((lengths - mean) ** 2).mean(), rel=0.02
    )
    assert float(numbers(painted.trainer.mean_path)) == pytest.approx(mean, rel=0.02)


def test_pieces_move_the_mean_path_length_once(shards: Shards) -> None:
    means, penalties = [], []
    for pieces in (1, 4):
        trainer = make_trainer("agetransgan", pieces=pieces, terms=PATH_ALONE)
        logs, _ = sgd_step(trainer, make_batches(shards, 8, parts=pieces, trainer=trainer).make(0))
        means.append(float(numbers(trainer.mean_path)))
        penalties.append(logs["path_length"])
    assert means[1] == pytest.approx(means[0], rel=1e-4)
    # Each piece is held against a mean that its own lengths have moved by a hundredth.
    assert penalties[1] == pytest.approx(penalties[0], rel=0.02)


def test_without_its_losses_the_discriminator_does_not_train(shards: Shards) -> None:
    trainer = make_trainer(terms=replace(ALL, adversarial=0.0, age_class=0.0))
    assert trainer.phases == {"generator": 1}
    logs, gradients = sgd_step(trainer, make_batches(shards).make(0))
    assert not logs.keys() & {"adversarial", "discriminator", "real_class", "r1"}
    assert not gradients["discriminator"].any()
    assert gradients["generator"].any()


def test_pieces_give_the_gradients_of_the_whole_batch(shards: Shards) -> None:
    terms = Terms(own_age=0.1)
    whole = sgd_step(make_trainer(terms=terms), make_batches(shards, 8).make(1))
    pieces = sgd_step(make_trainer(terms=terms, pieces=2), make_batches(shards, 8, parts=2).make(1))
    for name, value in whole[0].items():
        assert pieces[0][name] == pytest.approx(value, rel=1e-3), name
    for name, gradient in whole[1].items():
        np.testing.assert_allclose(pieces[1][name], gradient, atol=1e-3 * np.abs(gradient).max())


def test_a_switched_off_term_is_neither_computed_nor_logged(
    shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = Terms(reconstructed=0.0, cycle=0.0, triplet=0.0, identity=0.0, r1=0.0)
    trainer = make_trainer(terms=off)
    assert (off.reconstructs, off.reads_identity, off.needs_critic) == (False, False, False)
    assert trainer.phases == {"generator": 1, "discriminator": 1}
    passes = []
    compose = trainer.generator.compose
    monkeypatch.setattr(trainer.generator, "compose", lambda *a: passes.append(1) or compose(*a))
    logs, _ = sgd_step(trainer, make_batches(shards).make(0))
    assert logs.keys() == {"adversarial", "age_class", "pixel", "discriminator", "real_class", "real_score"}
    assert len(passes) == 1


def test_least_squares(shards: Shards) -> None:
    terms = Terms(reconstructed=0.0, cycle=0.0, triplet=0.0, identity=0.0, r1=0.0, least_squares=True)
    trainer = make_trainer(terms=terms)
    batch = make_batches(shards).make(0)
    image = (batch["image"] / 127.5 - 1).astype("f")
    fake = numbers(trainer.discriminator(trainer.generator(image, batch["target"]), batch["target"])[0])
    real = numbers(trainer.discriminator(image, batch["label"])[0])
    logs, _ = sgd_step(trainer, batch)
    assert logs["adversarial"] == pytest.approx(0.5 * ((fake - 1) ** 2).mean(), rel=1e-3)
    assert logs["discriminator"] == pytest.approx(
        0.5 * ((real - 1) ** 2).mean() + 0.5 * (fake**2).mean(), rel=1e-3
    )


class PlainCritic(keras.Model):
    """Reads ages off the mean colour; its features are the picture and its square, and one level too many."""

    def call(self, image: Any, training: bool = False) -> dict[str, Any]:
        logits = ops.matmul(ops.mean(image, axis=(1, 2)), READING)
        return {"logits": logits, "features": [image, image**2, 100 * image]}


READING = np.random.RandomState(4).normal(0, 2, (3, 101)).astype("f")


def test_terms_of_the_critic(shards: Shards) -> None:
    trainer = make_trainer(terms=Terms(critic_age=1.0, perceptual=1.0), critic=PlainCritic())
    batch = make_batches(shards).make(0)
    image = (batch["image"] / 127.5 - 1).astype("f")
    result = numbers(trainer.generator(image, batch["target"]))
    back = numbers(trainer.generator(result, batch["label"]))
    logs, _ = sgd_step(trainer, batch)
    perceptual = np.abs(back - image).mean() + np.abs(back**2 - image**2).mean()
    assert logs["perceptual"] == pytest.approx(perceptual, rel=1e-3)
    wanted = (batch["target"] @ (15.0, 45.0))[:, None]
    ages = norm.pdf(np.arange(101), wanted, 1.5 + 0.06 * wanted)
    logits = result.mean(axis=(1, 2)) @ READING
    entropy = -(ages / ages.sum(1, keepdims=True) * log_softmax(logits, axis=1)).sum(axis=1).mean()
    assert logs["critic_age"] == pytest.approx(entropy, rel=1e-3)


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        (Terms(perceptual=1.0), "need an age critic"),
        (Terms(recogniser=1.0), "needs a recogniser"),
        (Terms(path_length=1.0), "needs AgeTransGAN"),
    ],
)
def test_terms_that_need_what_is_not_there(terms: Terms, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make_trainer(terms=terms)


def test_the_average_follows(taken: Taken) -> None:
    assert taken.trainer.decay == 0.5
    start = make_trainer(terms=ALL)
    for before, after, average in zip(
        start.generator.trainable_variables,
        taken.trainer.generator.trainable_variables,
        taken.trainer.averaged(),
        strict=True,
    ):
        np.testing.assert_allclose(average, 0.5 * (numbers(before) + numbers(after)), rtol=1e-4, atol=1e-5)


def summary(case: Taken) -> dict[str, Any]:
    """Losses, and of each network's gradients the length and the products with fixed directions."""
    result: dict[str, Any] = {"logs": case.logs}
    for name, gradient in case.gradients.items():
        directions = np.random.RandomState(2).standard_normal((4, len(gradient)))
        result[name] = [float(np.linalg.norm(gradient)), *(directions @ gradient).tolist()]
    return result


@pytest.mark.parametrize("kind", ["taken", "painted"])
def test_losses_and_gradients_are_the_same_on_every_backend(
    kind: str, request: pytest.FixtureRequest
) -> None:
    expected, found = json.loads(EXPECTED.read_text())[kind], summary(request.getfixturevalue(kind))
    assert found["logs"].keys() == expected["logs"].keys()
    for name, value in expected["logs"].items():
        assert found["logs"][name] == pytest.approx(value, rel=1e-3, abs=1e-6), name
    for part in ("generator", "discriminator"):
        np.testing.assert_allclose(found[part], expected[part], atol=2e-3 * expected[part][0])


if __name__ == "__main__":
    # python -m tests.training.test_photographs: writes what both backends must reach, after a change on purpose.
    import tempfile

    made = Shards(write_shards(Path(tempfile.mkdtemp())))
    cases = {"taken": Taken(made, "agetrans", ALL), "painted": Taken(made, "agetransgan", PAINTED)}
    EXPECTED.write_text(json.dumps({name: summary(case) for name, case in cases.items()}, indent=2) + "\n")
