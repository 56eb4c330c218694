"""The peer that our generator is measured against: AgeTransGAN's layers in plain PyTorch, as they are commonly written.

Every sample has modulated weights of its own and a grouped convolution; enlarging is a transposed convolution, then
the filter. The filter runs as a depthwise convolution, which on a CPU is kinder than the padding and slicing of the
fallback that comes with public code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

State = Mapping[str, Tensor]
_ROW = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


def paint(state: State, image: Tensor, label: Tensor) -> Tensor:
    """The whole network, without noise: image `(B, 3, S, S)`, label `(B, groups)`, result `(B, 3, S, S)`."""
    planes = label[:, :, None, None].expand(-1, -1, *image.shape[2:])
    x = _conv(state, "convs_e.0", torch.cat([image, planes], dim=1))
    levels = sum(name.startswith("convs_e.") and name.endswith("conv1.0.weight") for name in state)
    for index in range(1, levels + 1):
        x = _block(state, f"convs_e.{index}", x, down=True)
    identity = style = x
    for index in (0, 1):
        identity = _block(state, f"convs_ei.{index}", identity, down=False)
        style = _block(state, f"convs_es.{index}", style, down=True)
    w = _conv(state, "final_conv", style).mean((2, 3))
    w = w * torch.rsqrt(w.square().mean(1, keepdim=True) + 1e-8)
    for layer in range(1, sum(name.startswith("style.") for name in state) // 2 + 1):
        w = _activate(_dense(state, f"style.{layer}", w, multiplier=0.01))

    x = _styled(state, "conv1", identity, w, up=False)
    picture = _image(state, "to_rgb1", x, w)
    for level in range(levels):
        x = _styled(state, f"convs.{2 * level}", x, w, up=True)
        x = _styled(state, f"convs.{2 * level + 1}", x, w, up=False)
        picture = _image(state, f"to_rgbs.{level}", x, w) + _enlarge(picture)
    return picture


def _activate(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.2) * math.sqrt(2)


def _dense(state: State, name: str, x: Tensor, multiplier: float = 1.0) -> Tensor:
    weight = state[f"{name}.weight"]
    return functional.linear(
        x, weight * (multiplier / math.sqrt(weight.shape[1])), state[f"{name}.bias"] * multiplier
    )


def _filter(x: Tensor, before: int, after: int, gain: float = 1.0, stride: int = 1) -> Tensor:
    kernel = (gain * torch.outer(_ROW, _ROW)).expand(x.shape[1], 1, 4, 4)
    return functional.conv2d(
        functional.pad(x, (before, after, before, after)), kernel, stride=stride, groups=x.shape[1]
    )


def _enlarge(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    inserted = x.new_zeros(batch, channels, height, 2, width, 2)
    inserted[:, :, :, 0, :, 0] = x
    return _filter(inserted.reshape(batch, channels, 2 * height, 2 * width), 2, 1, gain=4.0)


def _equalized(weight: Tensor) -> Tensor:
    return weight / math.sqrt(weight[0].numel())


def _conv(state: State, name: str, x: Tensor) -> Tensor:
    weight = _equalized(state[f"{name}.0.weight"])
    x = functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
    return _activate(x + state[f"{name}.1.bias"][:, None, None])


def _block(state: State, name: str, x: Tensor, down: bool) -> Tensor:
    main = _conv(state, f"{name}.conv1", x)
    weight, skip_weight = (
        _equalized(state[f"{name}.{part}.{int(down)}.weight"]) for part in ("conv2", "skip")
    )
    if down:
        main = functional.conv2d(_filter(main, 2, 2), weight, stride=2)
        skip = functional.conv2d(_filter(x, 1, 1, stride=2), skip_weight)
    else:
        main, skip = functional.conv2d(main, weight, padding=1), functional.conv2d(x, skip_weight)
    main = _activate(main + state[f"{name}.conv2.{1 + down}.bias"][:, None, None])
    return (main + skip) / math.sqrt(2)


def _modulated(state: State, name: str, x: Tensor, w: Tensor, demodulate: bool, up: bool) -> Tensor:
    style = _dense(state, f"{name}.modulation", w)
    weight = _equalized(state[f"{name}.weight"][0]) * style[:, None, :, None, None]
    if demodulate:
        weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    batch, outputs, inputs, size, _ = weight.shape
    grouped = x.reshape(1, batch * inputs, *x.shape[2:])
    if up:
        weight = weight.transpose(1, 2).reshape(batch * inputs, outputs, size, size)
        y = functional.conv_transpose2d(grouped, weight, stride=2, groups=batch)
        return _filter(y.reshape(batch, outputs, *y.shape[2:]), 1, 1, gain=4.0)
    weight = weight.reshape(batch * outputs, inputs, size, size)
    y = functional.conv2d(grouped, weight, padding=size // 2, groups=batch)
    return y.reshape(batch, outputs, *y.shape[2:])


def _styled(state: State, name: str, x: Tensor, w: Tensor, up: bool) -> Tensor:
    x = _modulated(state, f"{name}.conv", x, w, demodulate=True, up=up)
    return _activate(x + state[f"{name}.activate.bias"][:, None, None])


def _image(state: State, name: str, x: Tensor, w: Tensor) -> Tensor:
    return _modulated(state, f"{name}.conv", x, w, demodulate=False, up=False) + state[f"{name}.bias"]
