"""The released AgeTransGAN generator in slow NumPy, float64, from its official state dictionary."""

from __future__ import annotations

import numpy as np

from tests.stylegan2_ops import reference

State = dict[str, np.ndarray]


def widths(size: int, multiplier: int, base: int) -> dict[int, int]:
    """Channels by side."""
    table = {4: base, 8: base, 16: base, 32: base}
    for level, side in enumerate((64, 128, 256, 512, 1024), start=1):
        table[side] = base * multiplier // 2**level
    return {side: width for side, width in table.items() if side <= size}


def official_shapes(
    size: int, groups: int, multiplier: int = 2, base: int = 512, mapping_layers: int = 8
) -> dict[str, tuple[int, ...]]:
    """The official names and shapes of all parameters."""
    channels = widths(size, multiplier, base)
    levels = int(np.log2(size)) - 4
    shapes: dict[str, tuple[int, ...]] = {}

    def add_block(name: str, inputs: int, outputs: int, filters: int) -> None:
        shapes[f"{name}.conv1.0.weight"] = (inputs, inputs, 3, 3)
        shapes[f"{name}.conv1.1.bias"] = (inputs,)
        shapes[f"{name}.conv2.{filters}.weight"] = (outputs, inputs, 3, 3)
        shapes[f"{name}.conv2.{filters + 1}.bias"] = (outputs,)
        shapes[f"{name}.skip.{filters}.weight"] = (outputs, inputs, 1, 1)

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

    for n in range(1, mapping_layers + 1):
        shapes[f"style.{n}.weight"] = (base, base)
        shapes[f"style.{n}.bias"] = (base,)
    shapes["convs_e.0.0.weight"] = (channels[size], 3 + groups, 1, 1)
    shapes["convs_e.0.1.bias"] = (channels[size],)
    for i in range(1, levels + 1):
        add_block(f"convs_e.{i}", channels[size >> (i - 1)], channels[size >> i], filters=1)
    for j in (0, 1):
        add_block(f"convs_ei.{j}", base, base, filters=0)
        add_block(f"convs_es.{j}", base, base, filters=1)
    shapes["final_conv.0.weight"] = (base, base, 3, 3)
    shapes["final_conv.1.bias"] = (base,)
    add_styled("conv1", base, base)
    add_image("to_rgb1", base)
    for k in range(levels):
        add_styled(f"convs.{2 * k}", channels[16 << k], channels[32 << k])
        add_styled(f"convs.{2 * k + 1}", channels[32 << k], channels[32 << k])
        add_image(f"to_rgbs.{k}", channels[32 << k])
    return shapes


def recipe_state(shapes: dict[str, tuple[int, ...]], seed: int) -> State:
    """Random weights, the same as in the golden files of the same seed."""
    stream = np.random.RandomState(seed)
    state = {}
    for name in sorted(shapes):
        offset, factor = _spread(name)
        state[name] = (offset + factor * stream.standard_normal(shapes[name])).astype(np.float32)
    return state


def _spread(name: str) -> tuple[float, float]:
    if name.startswith("style."):
        return (0.0, 100.0) if name.endswith("weight") else (0.0, 20.0)
    if name.endswith("modulation.weight"):
        return 0.0, 0.5
    if name.endswith("modulation.bias"):
        return 1.0, 0.2
    if name.endswith("noise.weight"):
        return 0.2, 0.05
    if name.startswith("to_rgb") and name.endswith("conv.weight"):
        return 0.0, 0.35
    return (0.0, 0.2) if name.endswith("bias") else (0.0, 1.0)


def generate(
    state: State, image: np.ndarray, label: np.ndarray, noise: list[np.ndarray] | None
) -> np.ndarray:
    """The whole network: image `(B, S, S, 3)`, label `(B, groups)`, noise maps `(1 or B, side, side, 1)`."""
    batch, side = image.shape[:2]
    planes = np.broadcast_to(label[:, None, None, :], (batch, side, side, label.shape[1]))
    x = np.concatenate([image, planes], axis=-1).astype(np.float64)
    x = _conv(state, "convs_e.0", x)
    i = 1
    while f"convs_e.{i}.skip.1.weight" in state:
        x = _block(state, f"convs_e.{i}", x, "down")
        i += 1
    identity = _block(state, "convs_ei.1", _block(state, "convs_ei.0", x, None), None)
    style = _block(state, "convs_es.1", _block(state, "convs_es.0", x, "down"), "down")
    w = _conv(state, "final_conv", style).mean(axis=(1, 2))
    w = w / np.sqrt((w**2).mean(axis=1, keepdims=True) + 1e-8)
    n = 1
    while f"style.{n}.weight" in state:
        w = reference.dense(w, state[f"style.{n}.weight"].T, state[f"style.{n}.bias"], 0.01)
        w = np.sqrt(2) * reference.leaky_relu(w)
        n += 1

    maps = noise if noise is not None else [np.zeros(1)] * i * 2
    x = _styled(state, "conv1", identity, w, None, maps[0])
    picture = _image(state, "to_rgb1", x, w)
    for k in range(i - 1):
        x = _styled(state, f"convs.{2 * k}", x, w, "up", maps[2 * k + 1])
        x = _styled(state, f"convs.{2 * k + 1}", x, w, None, maps[2 * k + 2])
        below = reference.resample(picture, 4 * reference.BINOMIAL, (2, 1), up=2)
        picture = _image(state, f"to_rgbs.{k}", x, w) + below
    return picture


def _kernel(weight: np.ndarray) -> np.ndarray:
    return weight.reshape(weight.shape[-4:]).transpose(2, 3, 1, 0).astype(np.float64)


def _conv(
    state: State, name: str, x: np.ndarray, resampling: str | None = None, filters: int = 0
) -> np.ndarray:
    kernel = _kernel(state[f"{name}.{filters}.weight"])
    x = reference.resampled_conv(x, kernel / np.sqrt(np.prod(kernel.shape[:3])), resampling)
    if f"{name}.{filters + 1}.bias" not in state:
        return x
    return np.sqrt(2) * reference.leaky_relu(x + state[f"{name}.{filters + 1}.bias"])


def _block(state: State, name: str, x: np.ndarray, resampling: str | None) -> np.ndarray:
    filters = 1 if resampling else 0
    main = _conv(state, f"{name}.conv2", _conv(state, f"{name}.conv1", x), resampling, filters)
    return (main + _conv(state, f"{name}.skip", x, resampling, filters)) / np.sqrt(2)


def _modulated(
    state: State, name: str, x: np.ndarray, w: np.ndarray, resampling: str | None, demodulate: bool
) -> np.ndarray:
    modulation = f"{name}.conv.modulation"
    style = reference.dense(w, state[f"{modulation}.weight"].T, state[f"{modulation}.bias"])
    return reference.modulated_conv(x, style, _kernel(state[f"{name}.conv.weight"]), resampling, demodulate)


def _styled(
    state: State, name: str, x: np.ndarray, w: np.ndarray, resampling: str | None, noise: np.ndarray
) -> np.ndarray:
    x = _modulated(state, name, x, w, resampling, True) + state[f"{name}.noise.weight"] * noise
    return np.sqrt(2) * reference.leaky_relu(x + state[f"{name}.activate.bias"])


def _image(state: State, name: str, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return _modulated(state, name, x, w, None, False) + state[f"{name}.bias"].reshape(3)
