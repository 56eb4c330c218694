"""AgeTrans against the whole network in NumPy, and what its users may rely on."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from agetrans.models.agetrans import AgeTrans
from agetrans.training.autodiff import value_and_gradients
from stylegan2_ops import seeded_noise
from tests.models import agetrans_reference as reference
from tests.models.agetrans_reference import numbers

GROUPS = 4


@pytest.fixture(scope="module")
def generator() -> AgeTrans:
    """A small network with random weights, noise strengths among them; no test may change it."""
    network = AgeTrans(size=64, groups=GROUPS, width=4, units=8)
    reference.fill(network, seed=1)
    network.to_change[3].conv.kernel.assign(3 * network.to_change[3].conv.kernel)  # a mask that decides
    return network


def faces(batch: int, size: int = 64, groups: int = GROUPS) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with as little detail as photographs have, and labels."""
    stream = np.random.RandomState(batch)
    coarse = stream.uniform(-0.8, 0.8, (batch, size // 8, size // 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    image = (coarse + stream.uniform(-0.2, 0.2, (batch, size, size, 3))).astype("f")
    return image, stream.dirichlet(np.ones(groups), batch).astype("f")


@pytest.mark.parametrize("noise_batch", [None, 1, 2])
def test_the_whole_network_in_numpy(generator: AgeTrans, noise_batch: int | None) -> None:
    image, label = faces(2)
    noise = None if noise_batch is None else seeded_noise(generator.noise_sides, 7, noise_batch)
    expected = reference.change(generator, image, label, noise)
    change = numbers(generator.decode(generator.encode(image), label, noise))
    np.testing.assert_allclose(change, expected, atol=1e-4)
    assert 0 == change[..., 5].min() < change[..., 5].max() == 1, "the mask reaches both its ends"
    np.testing.assert_allclose(
        numbers(generator(image, label, noise)), reference.composed(image, expected), atol=2e-3
    )


def test_the_age_head_in_numpy(generator: AgeTrans) -> None:
    image, _ = faces(3)
    codes, (years, groups) = generator.encode_and_read_age(image)
    expected_years, expected_groups = reference.read_age(generator, image)
    np.testing.assert_allclose(numbers(years), expected_years, atol=1e-4)
    np.testing.assert_allclose(numbers(groups), expected_groups, atol=1e-4)
    for code, other in zip(codes, generator.encode(image), strict=True):
        np.testing.assert_array_equal(numbers(code), numbers(other))


def test_codes_have_the_batch_first(generator: AgeTrans) -> None:
    shapes = [tuple(code.shape) for code in generator.encode(faces(3)[0])]
    assert shapes == [(3, 32, 32, 20), (3, 16, 16, 12), (3, 8, 8, 24), (3, 4, 4, 48), (3, GROUPS, 4, 4, 8)]


def test_the_faces_of_a_batch_do_not_mix(generator: AgeTrans) -> None:
    image, label = faces(3)
    together = numbers(generator(image, label))
    for row in range(3):
        alone = numbers(generator(image[row : row + 1], label[row : row + 1]))
        np.testing.assert_allclose(together[row : row + 1], alone, atol=2e-4)


def test_one_face_at_many_ages(generator: AgeTrans) -> None:
    image, label = faces(1)[0], np.eye(GROUPS, dtype="f")
    repeated = numbers(generator(np.repeat(image, GROUPS, axis=0), label))
    np.testing.assert_allclose(numbers(generator(image, label)), repeated, atol=2e-4)
    assert np.abs(np.diff(repeated, axis=0)).mean() > 1e-3, "the label matters"


def test_an_age_between_two_groups_looks_between(generator: AgeTrans) -> None:
    codes = generator.encode(faces(1)[0])
    young, old = np.eye(GROUPS, dtype="f")[1:3]
    shares = np.array([0, 1e-4, 0.5, 1 - 1e-4, 1], "f")[:, None]
    path = numbers(generator.decode(codes, (1 - shares) * young + shares * old))

    def distance(a: int, b: int) -> float:
        return float(np.abs(path[a] - path[b]).mean())

    assert max(distance(0, 1), distance(3, 4)) < 0.01 * distance(0, 4), "no jump at a pure label"
    assert max(distance(0, 2), distance(2, 4)) < distance(0, 4) <= distance(0, 2) + distance(2, 4)


def test_noise_maps_that_do_not_fit_are_refused(generator: AgeTrans) -> None:
    image, label = faces(1)
    noise = seeded_noise(generator.noise_sides, 1)
    with pytest.raises(ValueError, match="Received: 6 maps"):
        generator(image, label, noise[:-1])
    with pytest.raises(ValueError, match="Noise map 0 must be"):
        generator(image, label, noise[::-1])


@pytest.mark.parametrize(("size", "groups"), [(128, 10), (512, 4)])
def test_other_sizes_and_partitions(size: int, groups: int) -> None:
    network = AgeTrans(size, groups, width=2, units=4)
    image, label = faces(1, size, groups)
    assert network.noise_sides[-1] == size // 2
    change = network.decode(network.encode(image), label, seeded_noise(network.noise_sides, 1))
    assert tuple(change.shape) == (1, size, size, 6)
    assert tuple(network.compose(faces(1, 600)[0], change).shape) == (1, 600, 600, 3)


@pytest.mark.parametrize("size", [0, 32, 96, 100])
def test_sizes_that_the_grids_do_not_fit_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"multiple of 64 pixels. Received: size={size}"):
        AgeTrans(size)


def test_a_network_comes_back_from_its_configuration() -> None:
    network = AgeTrans(64, GROUPS, width=2, units=4, dtype="mixed_bfloat16", name="mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(network))
    assert isinstance(again, AgeTrans)
    assert again.get_config() == network.get_config()
    assert again.dtype_policy.name == "mixed_bfloat16"
    assert [weight.shape for weight in again.weights] == [weight.shape for weight in network.weights]


def test_mixed_precision_is_close_to_full(generator: AgeTrans) -> None:
    mixed = AgeTrans(64, GROUPS, width=4, units=8, dtype="mixed_bfloat16")
    mixed.set_weights(generator.get_weights())
    image, label = faces(2)
    full = numbers(generator.decode(generator.encode(image), label))
    change = mixed.decode(mixed.encode(image), label)
    assert keras.backend.standardize_dtype(change.dtype) == "float32"
    error = np.abs(numbers(change) - full).mean(axis=(0, 1, 2)) / full.std(axis=(0, 1, 2))
    assert (error > 0).all()
    assert (error < 0.05).all()


def test_beyond_the_heads_reach_every_pixel_stays() -> None:
    network = AgeTrans(size=64, groups=GROUPS, width=4, units=8)
    reference.fill(network, seed=2)
    network.to_change[3].bias.assign([0, 0, 0, 50])  # a mask that takes all it can
    photo, label = faces(2)
    result = numbers(network(photo, label))
    changed = np.abs(result - photo).max(axis=(0, 3)) > 0
    side = (np.arange(64) + 0.5) / 64 - 0.5
    from_middle = np.hypot(side[None] / 0.383, (side[:, None] + 0.023) / 0.492)
    assert not changed[from_middle > 1.25].any()
    assert changed[from_middle < 1.1].all()
    assert (from_middle > 1.25).mean() > 0.1


def test_after_a_reset_no_age_changes_the_photograph() -> None:
    network = AgeTrans(64, GROUPS, width=4, units=8)
    network.reset_change()
    image, label = faces(2)
    np.testing.assert_array_equal(numbers(network(image, label)), image)


def loss(
    network: AgeTrans, image: np.ndarray, label: np.ndarray, noise: list[Any], weight: np.ndarray
) -> Any:
    codes, (years, groups) = network.encode_and_read_age(image)
    change = network.decode(codes, label, noise)
    return (
        ops.sum(ops.multiply(change, weight)) + 0.1 * ops.sum(ops.sin(years)) + 0.1 * ops.sum(ops.sin(groups))
    )


def test_gradients_are_the_slope_of_the_network_in_numpy() -> None:
    network = AgeTrans(64, 3, width=2, units=4)
    reference.fill(network, seed=2)
    image, label = faces(1, groups=3)
    noise = seeded_noise(network.noise_sides, 3)
    weight = np.random.RandomState(4).standard_normal((1, 64, 64, 6)).astype("f") / 64
    _, gradients = value_and_gradients(
        lambda: loss(network, image, label, noise, weight), network.trainable_variables
    )
    assert all(np.abs(numbers(gradient)).max() > 0 for gradient in gradients), "every variable is used"

    stream, start, step = np.random.RandomState(7), network.get_weights(), 2e-5
    direction = [stream.standard_normal(value.shape).astype("f") for value in start]
    ends = []
    for sign in (1, -1):
        network.set_weights([value + sign * step * d for value, d in zip(start, direction, strict=True)])
        years, groups = reference.read_age(network, image)
        change = reference.change(network, image, label, noise)
        ends.append((change * weight).sum() + 0.1 * np.sin(years).sum() + 0.1 * np.sin(groups).sum())
    slope = sum((numbers(g) * d).sum() for g, d in zip(gradients, direction, strict=True))
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=0.02)
