"""What the official AgeTransGAN's checkpoints hold: names and shapes, and the network that they describe. No Keras."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agetrans.conversion.pickled import CheckpointError
from agetrans.conversion.torch_files import read_torch_file

Shapes = dict[str, tuple[int, ...]]
State = Mapping[str, np.ndarray]

_ENTRIES = ("g_ema", "g")
"""Entries of a checkpoint that hold a generator, the averaged one first; without them the file is the state itself."""

_NAMED = 8
"""Names that a complaint lists of each kind."""


@dataclass(frozen=True)
class Layout:
    """The constructor arguments of `AgeTransGAN`, which see."""

    size: int
    groups: int
    channel_multiplier: int
    base_width: int
    mapping_layers: int

    @property
    def sides(self) -> list[int]:
        """Sides of the features from the size down to 16."""
        return [self.size >> step for step in range(self.size.bit_length() - 4)]

    def width(self, side: int) -> int:
        """Number of channels where the features have this side."""
        return (
            self.base_width if side <= 32 else max(1, self.base_width * self.channel_multiplier * 32 // side)
        )

    def parameters(self) -> Shapes:
        """Names and shapes of what training changes."""
        base, shapes = self.base_width, Shapes()

        def add_block(name: str, inputs: int, outputs: int, down: bool) -> None:
            shapes[f"{name}.conv1.0.weight"] = (inputs, inputs, 3, 3)
            shapes[f"{name}.conv1.1.bias"] = (inputs,)
            shapes[f"{name}.conv2.{int(down)}.weight"] = (outputs, inputs, 3, 3)
            shapes[f"{name}.conv2.{1 + down}.bias"] = (outputs,)
            shapes[f"{name}.skip.{int(down)}.weight"] = (outputs, inputs, 1, 1)

        def add_modulated(name: str, inputs: int, outputs: int, kernel: int) -> None:
            shapes[f"{name}.conv.weight"] = (1, outputs, inputs, kernel, kernel)
            shapes[f"{name}.conv.modulation.weight"] = (inputs, base)
            shapes[f"{name}.conv.modulation.bias"] = (inputs,)

        def add_styled(name: str, inputs: int, outputs: int) -> None:
            add_modulated(name, inputs, outputs, 3)
            shapes[f"{name}.noise.weight"] = (1,)
            shapes[f"{name}.activate.bias"] = (outputs,)

        def add_image(name: str, inputs: int) -> None:
            add_modulated(name, inputs, 3, 1)
            shapes[f"{name}.bias"] = (1, 3, 1, 1)

        for layer in range(1, self.mapping_layers + 1):
            shapes[f"style.{layer}.weight"] = (base, base)
            shapes[f"style.{layer}.bias"] = (base,)
        shapes["convs_e.0.0.weight"] = (self.width(self.size), 3 + self.groups, 1, 1)
        shapes["convs_e.0.1.bias"] = (self.width(self.size),)
        for index, side in enumerate(self.sides[:-1], start=1):
            add_block(f"convs_e.{index}", self.width(side), self.width(side // 2), down=True)
        for index in (0, 1):
            add_block(f"convs_ei.{index}", base, base, down=False)
            add_block(f"convs_es.{index}", base, base, down=True)
        shapes["final_conv.0.weight"] = (base, base, 3, 3)
        shapes["final_conv.1.bias"] = (base,)
        add_styled("conv1", base, base)
        add_image("to_rgb1", base)
        for level, side in enumerate(reversed(self.sides[:-1])):
            add_styled(f"convs.{2 * level}", self.width(side // 2), self.width(side))
            add_styled(f"convs.{2 * level + 1}", self.width(side), self.width(side))
            add_image(f"to_rgbs.{level}", self.width(side))
        return shapes

    def filters(self) -> dict[str, float]:
        """Names of the (1, 3, 3, 1) filters, and their gains."""
        levels = range(len(self.sides) - 1)
        blocks = [f"convs_e.{level + 1}" for level in levels] + ["convs_es.0", "convs_es.1"]
        return {
            **{f"{block}.{part}.0.kernel": 1.0 for block in blocks for part in ("conv2", "skip")},
            **{f"convs.{2 * level}.conv.blur.kernel": 4.0 for level in levels},
            **{f"to_rgbs.{level}.upsample.kernel": 4.0 for level in levels},
        }

    def noises(self) -> Shapes:
        """Names and shapes of the noise maps, which begin at 4 pixels."""
        count = 2 * self.size.bit_length() - 5
        sides = [2 ** ((index + 5) // 2) for index in range(count)]
        return {f"noises.noise_{index}": (1, 1, side, side) for index, side in enumerate(sides)}


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[Layout, State]:
    """Reads a checkpoint and checks it wholly.

    Returns:
        The network that it describes, and its state dictionary: read-only views of the file.

    Raises:
        CheckpointError: See `agetrans.conversion.agetransgan.load`.
    """
    state = _read_state(path)
    try:
        layout = layout_of(state)
        check_state(state, layout)
    except CheckpointError as error:
        raise CheckpointError(f"{path} {error}") from None
    return layout, state


def layout_of(state: State) -> Layout:
    """Reads a network's size, groups and widths from the shapes of its tensors.

    Raises:
        CheckpointError: The tensors that say so are missing or describe no such network.
    """
    blocks = _indices(state, r"convs_e\.(\d+)\.conv1\.0\.weight")
    levels = max((index for index in blocks if index <= 6), default=0)
    if not levels:
        raise CheckpointError("is not an AgeTransGAN: convs_e.1.conv1.0.weight is missing.")
    base = _axis(state, "style.1.weight", axis=0, axes=2)
    groups = _axis(state, "convs_e.0.0.weight", axis=1, axes=4) - 3
    # Of features of 32 pixels and less, the multiplier changes nothing.
    multiplier = 2
    if levels > 1:
        multiplier = 2 * _axis(state, f"convs_e.{levels - 1}.conv1.0.weight", axis=1, axes=4) // max(base, 1)
    if groups < 1 or base < 1 or multiplier < 1:
        raise CheckpointError(
            f"describes no network: {groups} age groups, a width of {base}, a channel multiplier of {multiplier}."
        )
    mapping = [layer for layer in _indices(state, r"style\.(\d+)\.weight") if layer <= len(state)]
    return Layout(16 << levels, groups, multiplier, base, max(mapping))


def check_state(state: State, layout: Layout) -> None:
    """Checks every name, shape and type; the filters and noise maps may be missing.

    Raises:
        CheckpointError: With the names of what is missing, unknown or wrong.
    """
    parameters = layout.parameters()
    filters = layout.filters()
    shapes = {**parameters, **dict.fromkeys(filters, (4, 4)), **layout.noises()}
    wrong = [
        f"{name} {state[name].shape} instead of {shapes[name]}"
        for name in shapes
        if name in state and state[name].shape != shapes[name]
    ]
    complaints = [
        f"{what}: {_listed(names)}"
        for what, names in (
            ("missing", [name for name in parameters if name not in state]),
            ("unknown", [_shown(name) for name in state if name not in shapes]),
            ("of another shape", wrong),
            (
                "no numbers with a fraction",
                [_shown(name) for name in state if state[name].dtype.kind != "f"],
            ),
        )
        if names
    ]
    if complaints:
        raise CheckpointError(
            f"is not an AgeTransGAN of {layout.size} pixels and {layout.groups} age groups: {'; '.join(complaints)}."
        )
    row = np.array([1, 3, 3, 1]) / 8
    for name, gain in filters.items():
        if name in state and not np.allclose(state[name], gain * np.outer(row, row), atol=1e-6):
            raise CheckpointError(f"is not an AgeTransGAN: {name} is not the (1, 3, 3, 1) filter.")


def _read_state(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The generator's state dictionary of a checkpoint, without `module.` before its names.

    Raises:
        CheckpointError: The file cannot be read, or holds no tensors by name.
    """
    content = read_torch_file(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is not an AgeTransGAN: it holds no tensors by name.")
    entry = next((name for name in _ENTRIES if isinstance(content.get(name), dict)), None)
    content = content if entry is None else content[entry]
    where = path if entry is None else f"the entry {entry} of {path}"
    state: dict[str, np.ndarray] = {}
    for name, array in content.items():
        if not isinstance(name, str) or not isinstance(array, np.ndarray):
            raise CheckpointError(f"{where} is not an AgeTransGAN: its entry {_shown(name)} is not a tensor.")
        state[name.removeprefix("module.")] = array
    if len(state) != len(content):
        raise CheckpointError(f"{where} is not an AgeTransGAN: it has names both with and without module.")
    # Repeated elements could stand for a network of any size.
    if sum(array.nbytes for array in state.values()) > 2 * Path(path).stat().st_size:
        raise CheckpointError(f"{where} is not an AgeTransGAN: its tensors are larger than the file.")
    return state


def _indices(state: Iterable[str], pattern: str) -> list[int]:
    return [int(match[1]) for name in state if (match := re.fullmatch(pattern, name[:100]))]


def _axis(state: State, name: str, axis: int, axes: int) -> int:
    if name not in state:
        raise CheckpointError(f"is not an AgeTransGAN: {name} is missing.")
    if state[name].ndim != axes:
        raise CheckpointError(f"is not an AgeTransGAN: {name} has {state[name].ndim} axes instead of {axes}.")
    return int(state[name].shape[axis])


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _shown(name: object) -> str:
    """A name of the file's choosing, safe to print: short, on one line, without a terminal's commands."""
    text = str(name)
    return text if re.fullmatch(r"[\w./-]{1,100}", text, re.ASCII) else ascii(text[:100])
