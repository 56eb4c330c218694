"""The age estimator: where it looks, what it returns, and its expected age."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from agetrans.models.age_estimator import AgeEstimator, expected_age
from agetrans.variables import named_variables
from tests.models.agetrans_reference import numbers


@pytest.fixture(scope="module")
def estimator() -> AgeEstimator:
    keras.utils.set_random_seed(1)
    network = AgeEstimator(latent_size=6)
    stream = np.random.RandomState(2)
    for weight in network.weights:
        # As after training: no branch is silent, and statistics are not those of the start.
        if weight.path.rsplit("/", 1)[1] in ("gamma", "moving_variance"):
            weight.assign(stream.uniform(0.5, 1.5, weight.shape))
        elif weight.path.endswith("moving_mean"):
            weight.assign(0.1 * stream.standard_normal(weight.shape))
    return network


def faces(batch: int) -> np.ndarray:
    return np.random.RandomState(batch).uniform(-1, 1, (batch, 256, 256, 3)).astype("f")


def test_the_expected_age_is_the_mean_of_the_softmax() -> None:
    logits = np.random.RandomState(3).normal(0, 3, (4, 101)).astype("f")
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(numbers(expected_age(logits)), shares @ np.arange(101), rtol=1e-5)
    certain = np.full((1, 101), -50, "f")
    certain[0, 37] = 50
    assert numbers(expected_age(certain))[0] == pytest.approx(37)


def test_what_it_returns(estimator: AgeEstimator) -> None:
    outputs = estimator(faces(2))
    shapes = {name: tuple(outputs[name].shape) for name in ("logits", "male", "latent")}
    assert shapes == {"logits": (2, 101), "male": (2, 1), "latent": (2, 6)}
    assert [tuple(x.shape) for x in outputs["features"]] == [(2, 16, 16, 64), (2, 8, 8, 128), (2, 4, 4, 256)]
    assert "latent" not in AgeEstimator()(faces(1))


def test_it_reads_the_inner_three_quarters_averaged(estimator: AgeEstimator) -> None:
    image = faces(2)
    logits = numbers(estimator(image)["logits"])
    means = image[:, 32:224, 32:224].reshape(2, 64, 3, 64, 3, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(numbers(estimator.read(means)["logits"]), logits, atol=1e-4)
    image[:, :32] = image[:, 224:] = image[:, :, :32] = image[:, :, 224:] = 1
    np.testing.assert_array_equal(numbers(estimator(image)["logits"]), logits)


def test_a_reading_depends_on_its_own_picture_and_leaves_no_trace(estimator: AgeEstimator) -> None:
    image, before = faces(3), [numbers(weight) for weight in estimator.weights]
    together = numbers(estimator(image, training=False)["logits"])
    np.testing.assert_allclose(together[1:2], numbers(estimator(image[1:2])["logits"]), atol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 1e-2
    for weight, value in zip(estimator.weights, before, strict=True):
        np.testing.assert_array_equal(numbers(weight), value)


def test_training_moves_the_statistics() -> None:
    network = AgeEstimator()
    moving = [weight for weight in network.weights if "moving" in weight.path]
    before = [numbers(weight) for weight in moving]
    network(faces(2), training=True)
    assert all(
        np.abs(numbers(weight) - value).max() > 0 for weight, value in zip(moving, before, strict=True)
    )


def test_it_comes_back_from_its_configuration(estimator: AgeEstimator) -> None:
    again = AgeEstimator.from_config(estimator.get_config())
    again.set_weights(estimator.get_weights())
    image = faces(1)
    np.testing.assert_array_equal(numbers(again(image)["latent"]), numbers(estimator(image)["latent"]))


def test_weights_are_named_after_the_attributes_that_lead_to_them() -> None:
    names = set(named_variables(AgeEstimator(latent_size=4)))
    assert {"stem/kernel", "stages/0/1/conv2/kernel", "stages/2/0/shortcut/bias", "latent/kernel"} <= names
    assert {"stages/0/0/norm1/gamma", "stages/0/0/norm1/moving_mean"} <= names
