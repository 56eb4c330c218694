"""Checkpoints of AgeTransGAN, run: against the whole network in NumPy, and against numbers of the official code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops

from agetrans.conversion.agetransgan import load, load_state
from agetrans.conversion.torch_writer import write_torch_file
from agetrans.models.agetransgan import AgeTransGAN
from tests.models.agetransgan_reference import State, generate, official_shapes, recipe_state

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "agetransgan"
needs_golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason="golden/agetransgan is not beside the repository"
)


def numbers(x: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(ops.cast(x, "float32")))


@pytest.mark.parametrize(
    ("size", "groups", "multiplier", "dtype"), [(32, 4, 2, "f4"), (64, 10, 1, "f2"), (64, 3, 4, "f8")]
)
def test_a_checkpoint_in_numpy(size: int, groups: int, multiplier: int, dtype: str, tmp_path: Path) -> None:
    arguments = (size, groups, multiplier, 8, 3)
    state = {
        name: array.astype(dtype) for name, array in recipe_state(official_shapes(*arguments), 7).items()
    }
    stream = np.random.RandomState(8)
    sides = [2 ** ((index + 5) // 2) for index in range(2 * size.bit_length() - 5)]
    stored = [stream.standard_normal((1, 1, side, side)).astype(dtype) for side in sides]
    noises = {f"noises.noise_{index}": array for index, array in enumerate(stored)}
    file = {f"module.{name}": array for name, array in {**state, **noises}.items()}
    write_torch_file(tmp_path / "file.pt", {"d": {"x": np.zeros(2, "f")}, "g_ema": file})
    generator = load(tmp_path / "file.pt")
    found = (generator.size, generator.groups, generator.channel_multiplier, generator.base_width)
    # At 32 pixels nothing in the file depends on the multiplier.
    assert (*found, generator.mapping_layers) == (*arguments[:2], 2 if size == 32 else multiplier, 8, 3)

    image = stream.uniform(-1, 1, (2, size, size, 3)).astype("f")
    label = np.concatenate([np.eye(groups)[:1], stream.dirichlet(np.ones(groups), 1)]).astype("f")
    for noise, given in (
        (None, None),
        ([array.transpose(0, 2, 3, 1).astype("f8") for array in stored[4:]], generator.stored_noise.maps()),
    ):
        expected = generate({key: array.astype("f8") for key, array in state.items()}, image, label, noise)
        np.testing.assert_allclose(numbers(generator(image, label, noise=given)), expected, atol=1e-5)


def golden(name: str) -> dict[str, np.ndarray]:
    """A file of official numbers, channels last."""
    return {
        key: array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
        for key, array in np.load(GOLDEN / f"{name}.npz").items()
    }


@needs_golden
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("w32_s32_g4.legacy.pt", "w32_s32_g4"),
        ("w32_s64_g10.zip.pt", "w32_s64_g10"),
        ("w32_s64_g10.module.zip.pt", "w32_s64_g10"),
        ("w32_s128_g4.legacy.pt", "w32_s128_g4"),
    ],
)
def test_official_numbers(file: str, name: str) -> None:
    generator, arrays = load(GOLDEN / file), golden(name)
    image, label = arrays["image"], arrays["labels"]
    noise = [arrays[key] for key in sorted(arrays) if key.startswith("noise_")]
    identity, pooled = generator.features(image, label)
    found = {
        "output": generator(image, label, noise=noise),
        "output_zero_noise": generator(image, label),
        "output_stored_noise_shift4": generator(image, label, noise=generator.stored_noise.maps()),
        "identity_16": identity,
        "style_pooled": pooled,
        "w": generator.map_style(pooled),
        "output_pooled_as_w": generator.synthesis(identity[:1], pooled[:1]),
    }
    for key, y in found.items():
        np.testing.assert_allclose(numbers(y), arrays[key], atol=1e-5, err_msg=key)


def official_recipe(name: str) -> tuple[AgeTransGAN, State, dict[str, np.ndarray]]:
    """A network of full width with weights by recipe, its state and its numbers; the arrays as stored."""
    arrays = dict(np.load(GOLDEN / f"{name}.npz"))
    *arguments, seed = (int(number) for number in arrays["config"])
    state = recipe_state(official_shapes(*arguments), seed)
    for key, probe in arrays.items():
        if key.startswith("weight_probe."):
            np.testing.assert_array_equal(state[key[13:]].ravel()[: probe.size], probe.ravel())
    generator = AgeTransGAN(*arguments)
    load_state(generator, state)
    return generator, state, arrays


@needs_golden
@pytest.mark.parametrize("name", ["recipe_w512_s64_g10", "recipe_w512_s256_g4", "recipe_w512_s1024_g10"])
def test_official_numbers_at_full_width(name: str) -> None:
    generator, _, arrays = official_recipe(name)
    size, seed, batch = generator.size, int(arrays["config"][5]), len(arrays["labels"])
    image = (
        np.random.RandomState(seed + 1)
        .uniform(-1, 1, (batch, 3, size, size))
        .astype("f")
        .transpose(0, 2, 3, 1)
    )
    stream = np.random.RandomState(seed + 3)
    noise = [stream.standard_normal((1, side, side, 1)).astype("f") for side in generator.noise_sides]
    parts = {
        "output": np.s_[:],
        "output_s8": np.s_[:, :, 3::8, 5::8],
        "output_center64": np.s_[:, :, 480:544, 480:544],
        "output_corner32": np.s_[:, :, :32, :32],
    }
    zero_parts = {
        "output_zero_noise": np.s_[:] if size == 64 else np.s_[:, :, ::4, ::4],
        "output_zero_noise_s16": np.s_[:, :, ::16, ::16],
    }
    for given, wanted in ((noise, parts), (None, zero_parts)):
        y = numbers(generator(image, arrays["labels"], noise=given)).transpose(0, 3, 1, 2)
        keys = [key for key in wanted if key in arrays]
        assert keys
        for key in keys:
            np.testing.assert_allclose(y[wanted[key]], arrays[key], atol=2e-5, err_msg=key)
