"""Layers against numbers of the official AgeTransGAN code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stylegan2_ops import EqualizedConv2D, EqualizedDense, StyledConv2D, ToImage, blur_2d, upsample_2d
from stylegan2_ops.modulated import ModulatedConv2D
from tests.stylegan2_ops.layers import numbers

GOLDEN = Path(__file__).parents[3] / "shared/golden/agetransgan/layers.npz"


def kernel(weight: np.ndarray) -> np.ndarray:
    """(outputs, inputs, k, k), perhaps with a leading 1, to (k, k, inputs, outputs)."""
    return weight.reshape(weight.shape[-4:]).transpose(2, 3, 1, 0)


def last(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 3, 1)


class Case:
    """One case of the file, channels last."""

    def __init__(self, arrays: dict[str, np.ndarray], name: str) -> None:
        self.arrays, self.name = arrays, name

    def __getitem__(self, entry: str) -> np.ndarray:
        array = self.arrays[f"{self.name}.{entry}"]
        return last(array) if array.ndim == 4 and "param" not in entry else array

    def matches(self, y: object) -> None:
        np.testing.assert_allclose(numbers(y), self["out"], atol=2e-6, err_msg=self.name)

    def give_modulated(self, layer: ModulatedConv2D, prefix: str = "param") -> None:
        layer.kernel.assign(kernel(self[f"{prefix}.weight"]))
        layer.modulation.kernel.assign(self[f"{prefix}.modulation.weight"].T)
        layer.modulation.bias.assign(self[f"{prefix}.modulation.bias"])


@pytest.mark.skipif(not GOLDEN.exists(), reason="golden/agetransgan/layers.npz is not beside the repository")
def test_official_layers() -> None:
    arrays = dict(np.load(GOLDEN))
    for name, padding, gain in (("pad22", 2, 1.0), ("pad11", 1, 1.0), ("pad11_gain4", 1, 4.0)):
        case = Case(arrays, f"blur_{name}")
        case.matches(blur_2d(case["in0"], (padding, padding), gain=gain))
    case = Case(arrays, "upsample_skip")
    case.matches(upsample_2d(case["in0"]))

    for name, arguments in (
        ("equal_linear_mapping", {"learning_rate_multiplier": 0.01, "activation": "scaled_leaky_relu"}),
        ("equal_linear_plain", {}),
    ):
        case = Case(arrays, name)
        dense = EqualizedDense(5, **arguments)
        dense.build((None, 6))
        dense.kernel.assign(case["param.weight"].T)
        dense.bias.assign(case["param.bias"])
        case.matches(dense(case["in0"]))

    for name, size, resample, weight, bias in (
        ("conv_layer_1x1", 1, None, "0.weight", "1.bias"),
        ("conv_layer_3x3_down", 3, "down", "1.weight", "2.bias"),
        ("conv_layer_skip_down", 1, "down", "1.weight", None),
    ):
        case = Case(arrays, name)
        layer = EqualizedConv2D(4, size, resample, "scaled_leaky_relu" if bias else None, bias is not None)
        layer.build(case["in0"].shape)
        layer.kernel.assign(kernel(case[f"param.{weight}"]))
        if bias:
            layer.bias.assign(case[f"param.{bias}"])
        case.matches(layer(case["in0"]))

    for name, layer in (
        ("modconv", ModulatedConv2D(5, 3)),
        ("modconv_up", ModulatedConv2D(5, 3, "up")),
        ("modconv_rgb", ModulatedConv2D(3, 1, demodulate=False)),
    ):
        case = Case(arrays, name)
        layer.build(case["in0"].shape, case["in1"].shape)
        case.give_modulated(layer)
        case.matches(layer(case["in0"], case["in1"]))

    for name, resample in (("styled_conv", None), ("styled_conv_up", "up")):
        case = Case(arrays, name)
        styled = StyledConv2D(5, resample=resample)
        styled.build(case["in0"].shape, case["in1"].shape)
        case.give_modulated(styled.conv, "param.conv")
        styled.noise.strength.assign(case["param.noise.weight"][0])
        styled.bias.assign(case["param.activate.bias"])
        case.matches(styled(case["in0"], case["in1"], case["noise"]))

    for name in ("to_rgb_first", "to_rgb_skip"):
        case = Case(arrays, name)
        image = ToImage(3)
        image.build(case["in0"].shape, case["in1"].shape)
        case.give_modulated(image.conv, "param.conv")
        image.bias.assign(case["param.bias"].reshape(3))
        case.matches(image(case["in0"], case["in1"], case["in2"] if name == "to_rgb_skip" else None))
