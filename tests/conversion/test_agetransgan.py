"""Official AgeTransGAN weights that do not fit are refused whole."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.conversion.agetransgan import load_state
from agetrans.models.agetransgan import AgeTransGAN
from stylegan2_ops import fir_filter
from tests.models.agetransgan_reference import State, official_shapes, recipe_state


@pytest.fixture
def generator() -> AgeTransGAN:
    return AgeTransGAN(32, 3, base_width=4, mapping_layers=2)


@pytest.fixture
def state() -> State:
    return recipe_state(official_shapes(32, 3, 2, 4, 2), seed=1)


def test_layout_and_prefix(generator: AgeTransGAN, state: State) -> None:
    load_state(generator, {f"module.{name}": array for name, array in state.items()})
    np.testing.assert_array_equal(
        generator.trunk[0].conv2.kernel.numpy()[2, 0, 1, 3], state["convs_e.1.conv2.1.weight"][3, 1, 2, 0]
    )
    np.testing.assert_array_equal(
        generator.convs[1].conv.kernel.numpy()[2, 0, 1, 3], state["convs.0.conv.weight"][0, 3, 1, 2, 0]
    )
    np.testing.assert_array_equal(generator.mapping[1].kernel.numpy(), state["style.2.weight"].T)


def test_noise_maps_are_taken_from_the_fourth_and_filters_checked(
    generator: AgeTransGAN, state: State
) -> None:
    sides = (4, 8, 8, 16, 16, 32, 32)
    noises = {f"noises.noise_{i}": np.full((1, 1, side, side), i, "f") for i, side in enumerate(sides)}
    load_state(generator, {**state, **noises, "convs.0.conv.blur.kernel": fir_filter(gain=4.0)})
    assert [float(noise[0, 0, 0, 0]) for noise in generator.stored_noise.maps()] == [4, 5, 6]
    with pytest.raises(ValueError, match=r"convs\.0\.conv\.blur\.kernel"):
        load_state(generator, {**state, "convs.0.conv.blur.kernel": np.ones((4, 4), "f")})


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("style.1.bias", None),
        ("extra.weight", (3,)),
        ("final_conv.0.weight", (4, 4, 1, 1)),
        ("style.1.bias", (5,)),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_changes(
    generator: AgeTransGAN, state: State, name: str, shape: tuple[int, ...] | None
) -> None:
    before = [variable.numpy().copy() for variable in generator.weights]
    if shape is None:
        del state[name]
    else:
        state[name] = np.zeros(shape, "f")
    with pytest.raises(ValueError, match=name):
        load_state(generator, state)
    for variable, values in zip(generator.weights, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), values)
