"""The released AgeTransGAN's state dictionary to the weights of `AgeTransGAN`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from agetrans.models.agetransgan import AgeTransGAN
from stylegan2_ops import fir_filter

NOISE_SHIFT = 4
"""The file holds noise maps as if the decoder started at 4 pixels: that of layer i is `noise_(i + 4)`."""


def load_state(generator: AgeTransGAN, state: Mapping[str, np.ndarray]) -> None:
    """Gives a generator the weights of an official state dictionary.

    The noise maps become the generator's stored noise; the filters are only checked. Both may be missing.

    Args:
        generator: Of the size, groups and widths of the dictionary.
        state: Official names to arrays; a `module.` before a name is ignored.

    Raises:
        ValueError: If a weight is missing, unknown or of another shape, or a filter is not (1, 3, 3, 1).
    """
    state = {name.removeprefix("module."): np.asarray(array) for name, array in state.items()}
    variables = dict(_weights(generator))
    stored = {name: variable for name, variable in _stored_noise(generator) if name in state}
    missing = sorted(variables.keys() - state.keys())
    unknown = sorted(name for name in state.keys() - variables.keys() if not _is_buffer(name))
    if missing or unknown:
        raise ValueError(f"This is not the state of such a network: missing {missing}, unknown {unknown}.")
    for name, array in state.items():
        if name.endswith(".kernel"):
            _check_filter(name, array)
    arrays = {
        variable.path: _channels_last(name, state[name], variable)
        for name, variable in {**variables, **stored}.items()
    }
    for variable in (*variables.values(), *stored.values()):
        variable.assign(arrays[variable.path])


def _is_buffer(name: str) -> bool:
    return name.endswith(".kernel") or name.startswith("noises.")


def _check_filter(name: str, kernel: np.ndarray) -> None:
    if kernel.shape != (4, 4) or not np.allclose(kernel / kernel.sum(), fir_filter(), atol=1e-6):
        raise ValueError(f"{name} is not the (1, 3, 3, 1) filter. Received: {kernel.tolist()}")


def _channels_last(name: str, array: np.ndarray, variable: Any) -> np.ndarray:
    """PyTorch's (outputs, inputs, k, k) and (outputs, inputs) to Keras' order."""
    if name.endswith("weight") and array.ndim == 2:
        array = array.T
    elif name.endswith("weight") and array.ndim >= 4:
        array = array.reshape(array.shape[-4:]).transpose(2, 3, 1, 0)
    elif name.startswith("noises."):
        array = array.transpose(0, 2, 3, 1)
    elif array.size == math.prod(variable.shape):  # A bias or a noise strength with axes of one.
        array = array.reshape(variable.shape)
    if array.shape != tuple(variable.shape):
        raise ValueError(f"{name} does not fit {variable.path} {tuple(variable.shape)}: {array.shape}")
    return array


def _weights(generator: AgeTransGAN) -> Iterator[tuple[str, Any]]:
    """Every official parameter's name with the variable that holds it."""
    yield "convs_e.0.0.weight", generator.from_picture.kernel
    yield "convs_e.0.1.bias", generator.from_picture.bias
    for index, block in enumerate(generator.trunk, start=1):
        yield from _residual_block(f"convs_e.{index}", block)
    for index, block in enumerate(generator.identity):
        yield from _residual_block(f"convs_ei.{index}", block)
    for index, block in enumerate(generator.style):
        yield from _residual_block(f"convs_es.{index}", block)
    yield "final_conv.0.weight", generator.style_conv.kernel
    yield "final_conv.1.bias", generator.style_conv.bias
    for index, dense in enumerate(generator.mapping, start=1):
        yield from _dense(f"style.{index}", dense)
    for name, conv in zip(_numbered("conv1", "convs"), generator.convs, strict=False):
        yield from _modulated(f"{name}.conv", conv.conv)
        yield f"{name}.noise.weight", conv.noise.strength
        yield f"{name}.activate.bias", conv.bias
    for name, image in zip(_numbered("to_rgb1", "to_rgbs"), generator.images, strict=False):
        yield from _modulated(f"{name}.conv", image.conv)
        yield f"{name}.bias", image.bias


def _numbered(first: str, rest: str) -> Iterator[str]:
    """The official decoder names its first layer apart and counts the others from zero."""
    yield first
    index = 0
    while True:
        yield f"{rest}.{index}"
        index += 1


def _residual_block(prefix: str, block: Any) -> Iterator[tuple[str, Any]]:
    filters = 1 if block.resample == "down" else 0  # Where a filter comes first, it takes index 0.
    yield f"{prefix}.conv1.0.weight", block.conv1.kernel
    yield f"{prefix}.conv1.1.bias", block.conv1.bias
    yield f"{prefix}.conv2.{filters}.weight", block.conv2.kernel
    yield f"{prefix}.conv2.{filters + 1}.bias", block.conv2.bias
    yield f"{prefix}.skip.{filters}.weight", block.skip.kernel


def _modulated(prefix: str, conv: Any) -> Iterator[tuple[str, Any]]:
    yield f"{prefix}.weight", conv.kernel
    yield from _dense(f"{prefix}.modulation", conv.modulation)


def _dense(prefix: str, dense: Any) -> Iterator[tuple[str, Any]]:
    yield f"{prefix}.weight", dense.kernel
    yield f"{prefix}.bias", dense.bias


def _stored_noise(generator: AgeTransGAN) -> Iterator[tuple[str, Any]]:
    for index, variable in enumerate(generator.stored_noise.weights):
        yield f"noises.noise_{index + NOISE_SHIFT}", variable
