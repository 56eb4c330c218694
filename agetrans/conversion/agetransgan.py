"""The official AgeTransGAN's checkpoints to `AgeTransGAN`, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from keras import ops

from agetrans.conversion.agetransgan_layout import Layout, check_state, read_checkpoint
from agetrans.conversion.torch_writer import write_torch_file
from agetrans.models.agetransgan import AgeTransGAN
from stylegan2_ops import fir_filter

FRAMING = "agetransgan"

CARD = """# AgeTransGAN, from its authors' checkpoint

Converted from `{name}` (SHA-256 `{checksum}`) by agetrans, bit for bit: `agetrans export agetransgan` gives its tensors
back. The network paints the whole picture anew, {size} pixels, {groups} age groups; faces are framed as in its authors'
program. Described in *AgeTransGAN for Facial Age Transformation with Rectified Performance Metrics* (Hsu, Xie, Chen,
Lin, ECCV 2022).
"""

LICENSES = """# Whose terms these weights are under

The weights are those of the checkpoint that this snapshot was converted from, and remain under the terms of whoever
made that file. Converting it gives no further right.
"""


def load(path: str | os.PathLike[str]) -> AgeTransGAN:
    """Loads a checkpoint of the official program.

    Size, age groups and widths are read from its tensors. The generator takes `(image, label, noise)`, noise being one
    map for each of `generator.noise_sides`; `generator.stored_noise.maps()` are those of the file.

    Args:
        path: A file of `torch.save`, any version: with an entry `g_ema` or `g`, or a state dictionary alone.

    Raises:
        CheckpointError: The file cannot be read, is none of these, or holds anything but data.
    """
    layout, state = read_checkpoint(path)
    generator = AgeTransGAN(**asdict(layout))
    load_state(generator, state)
    return generator


def save(generator: AgeTransGAN, path: str | os.PathLike[str]) -> None:
    """Writes a checkpoint that the official program reads, with PyTorch 1.4 too: the entry `g_ema`, float32."""
    write_torch_file(path, {"g_ema": state_of(generator)})


def load_state(generator: AgeTransGAN, state: Mapping[str, np.ndarray]) -> None:
    """Gives a generator the weights of an official state dictionary.

    The noise maps become the generator's stored noise; the filters are only checked. Both may be missing.

    Args:
        generator: Of the size, groups and widths of the dictionary.
        state: Official names to arrays; a `module.` before a name is ignored.

    Raises:
        CheckpointError: If a weight is missing, unknown or of another shape, or a filter is not (1, 3, 3, 1). Nothing
            is changed then.
    """
    state = {name.removeprefix("module."): np.asarray(array) for name, array in state.items()}
    check_state(state, _layout(generator))
    for name, variable in _variables(generator):
        if name in state:
            variable.assign(_channels_last(name, state[name]).reshape(variable.shape))


def state_of(generator: AgeTransGAN) -> dict[str, np.ndarray]:
    """The official state dictionary of a generator, its filters and noise maps included; float32."""
    layout = _layout(generator)
    shapes = {**layout.parameters(), **layout.noises()}
    state = {
        name: _channels_first(name, ops.convert_to_numpy(variable.value)).reshape(shapes[name])
        for name, variable in _variables(generator)
    }
    return state | {name: fir_filter(gain=gain) for name, gain in layout.filters().items()}


def _layout(generator: AgeTransGAN) -> Layout:
    return Layout(
        generator.size,
        generator.groups,
        generator.channel_multiplier,
        generator.base_width,
        generator.mapping_layers,
    )


def _channels_last(name: str, array: np.ndarray) -> np.ndarray:
    """PyTorch's (outputs, inputs, k, k) and (outputs, inputs) in Keras' order, float32."""
    if name.endswith("weight") and array.ndim == 2:
        array = array.T
    elif name.endswith("weight") and array.ndim >= 4:
        array = array.reshape(array.shape[-4:]).transpose(2, 3, 1, 0)
    return np.ascontiguousarray(array, np.float32)


def _channels_first(name: str, array: np.ndarray) -> np.ndarray:
    """The reverse of `_channels_last`."""
    if name.endswith("weight") and array.ndim == 2:
        array = array.T
    elif name.endswith("weight") and array.ndim == 4:
        array = array.transpose(3, 2, 0, 1)
    return np.ascontiguousarray(array, np.float32)


def _variables(generator: AgeTransGAN) -> Iterator[tuple[str, Any]]:
    """Every official name, filters excepted, with the variable that holds its numbers."""
    yield from _weights(generator)
    noises = (*generator.unused_noise.weights, *generator.stored_noise.weights)
    for index, variable in enumerate(noises):
        yield f"noises.noise_{index}", variable


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
