"""AgeTransGAN against the whole network in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from agetrans.conversion.agetransgan import load_state
from agetrans.models.agetransgan import AgeTransGAN
from agetrans.training.autodiff import value_and_gradients
from stylegan2_ops import seeded_noise
from tests.models.agetransgan_reference import State, generate, official_shapes, recipe_state, widths


def numbers(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(ops.cast(x, "float32")))


def narrow(size: int = 32, groups: int = 3, **kwargs: Any) -> tuple[AgeTransGAN, State]:
    """A small network with known weights."""
    arguments = {"channel_multiplier": 1, "base_width": 8, "mapping_layers": 3}
    generator = AgeTransGAN(size, groups, **arguments, **kwargs)
    state = recipe_state(official_shapes(size, groups, *arguments.values()), seed=5)
    load_state(generator, state)
    return generator, state


def faces(batch: int, size: int = 32, groups: int = 3) -> tuple[np.ndarray, np.ndarray]:
    stream = np.random.RandomState(batch)
    image = stream.uniform(-1, 1, (batch, size, size, 3)).astype("f")
    return image, stream.dirichlet(np.ones(groups), batch).astype("f")


@pytest.mark.parametrize(("size", "batch", "noise_batch"), [(32, 3, 1), (64, 1, 1), (32, 2, 2)])
def test_the_whole_network_in_numpy(size: int, batch: int, noise_batch: int) -> None:
    generator, state = narrow(size)
    image, label = faces(batch, size)
    noise = seeded_noise(generator.noise_sides, 1, noise_batch)
    expected = generate(state, image, label, noise)
    np.testing.assert_allclose(numbers(generator(image, label, noise)), expected, atol=1e-5)


def test_without_noise_maps_the_noise_is_zero_and_the_picture_always_the_same() -> None:
    generator, state = narrow()
    image, label = faces(1)
    first = numbers(generator(image, label))
    np.testing.assert_allclose(first, generate(state, image, label, None), atol=1e-5)
    np.testing.assert_array_equal(numbers(generator(image, label)), first)


def test_the_released_sizes_have_the_released_number_of_parameters() -> None:
    """Of the table of official shapes, which `load_state` holds the network to."""
    for size, groups, expected in ((1024, 10, 54_120_034), (1024, 4, 54_119_842), (256, 4, 53_636_120)):
        assert sum(int(np.prod(shape)) for shape in official_shapes(size, groups).values()) == expected
    generator = AgeTransGAN(1024, 10, base_width=32, mapping_layers=1)
    assert {side: generator.width(side) for side in widths(1024, 2, 32)} == widths(1024, 2, 32)
    assert generator.noise_sides == (16, 32, 32, 64, 64, 128, 128, 256, 256, 512, 512, 1024, 1024)


def test_every_weight_has_a_path_of_its_own() -> None:
    generator, _ = narrow(64)
    assert len({variable.path for variable in generator.weights}) == len(generator.weights)


def test_calling_is_encoding_decoding_and_composing() -> None:
    generator, _ = narrow()
    image, label = faces(2)
    codes = generator.encode(image)
    change = generator.decode(codes, label)
    np.testing.assert_array_equal(numbers(generator.compose(image, change)), numbers(generator(image, label)))


def test_one_picture_at_many_ages() -> None:
    generator, _ = narrow()
    image, label = faces(3)
    at_once = numbers(generator.decode(generator.encode(image[:1]), label))
    for index in range(3):
        one = numbers(generator(image[:1], label[index : index + 1]))
        np.testing.assert_allclose(at_once[index], one[0], atol=1e-5)


def test_the_loss_reaches_every_weight() -> None:
    generator, _ = narrow()
    image, label = faces(2)
    noise = seeded_noise(generator.noise_sides, 1)
    _, gradients = value_and_gradients(
        lambda: ops.mean(ops.square(generator(image, label, noise))), generator.trainable_variables
    )
    assert all(np.abs(numbers(gradient)).max() > 0 for gradient in gradients)


def test_mixed_bfloat16() -> None:
    exact, state = narrow()
    mixed = AgeTransGAN(32, 3, 1, 8, 3, dtype="mixed_bfloat16")
    load_state(mixed, state)
    image, label = faces(2)
    y, expected = mixed(image, label), numbers(exact(image, label))
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    assert 0 < (numbers(y) - expected).std() < 0.02 * expected.std()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs are TensorFlow's")
def test_a_graph_takes_any_batch_size() -> None:
    import tensorflow as tf

    generator, _ = narrow()
    graph = tf.function(
        lambda image, label: generator(image, label),
        input_signature=[tf.TensorSpec((None, 32, 32, 3)), tf.TensorSpec((None, 3))],
    )
    for batch in (1, 3):
        image, label = faces(batch)
        np.testing.assert_allclose(numbers(graph(image, label)), numbers(generator(image, label)), atol=1e-5)


def test_a_saved_model_comes_back(tmp_path: Path) -> None:
    generator, _ = narrow(64)
    image, label = faces(1, 64)
    generator.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numbers(loaded(image, label)), numbers(generator(image, label)))
    assert loaded.get_config() == generator.get_config()


@pytest.mark.parametrize("size", [16, 112, 2048])
def test_a_size_that_the_network_cannot_have_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"size={size}"):
        AgeTransGAN(size, 4)


@pytest.mark.parametrize("argument", ["groups", "channel_multiplier", "base_width", "mapping_layers"])
def test_numbers_below_one_are_refused(argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument}=0"):
        AgeTransGAN(**{"size": 32, "groups": 4, argument: 0})


def test_inputs_that_do_not_fit_are_refused() -> None:
    generator, _ = narrow()
    image, label = faces(1)
    with pytest.raises(ValueError, match="picture must be"):
        generator.encode(image[:, :16])
    with pytest.raises(ValueError, match="3 columns"):
        generator(image, label[:, :2])
    with pytest.raises(ValueError, match="1 maps"):
        generator(image, label, [np.zeros((1, 16, 16, 1), "f")])
