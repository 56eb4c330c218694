"""Reading OpenVINO's files, and what is said where they are not there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from agetrans.data.teacher import weights
from agetrans.data.teacher.weights import TeacherMissing, mapping_weights, read_constants, synthesis_weights

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("random_face") is None,
    reason=f"random-face is not here: {weights.INSTALL_COMMAND}",
)

NETWORK = """<?xml version="1.0"?>
<net name="made" version="10">
  <layers>
    <layer id="0" name="z" type="Parameter"><data shape="1,3" element_type="f32"/></layer>
    <layer id="1" name="kernel" type="Const"><data element_type="f32" offset="8" shape="2, 3" size="24"/></layer>
    <layer id="2" name="axes" type="Const"><data element_type="i64" offset="0" shape="1" size="8"/></layer>
    <layer id="3" name="scale" type="Const"><data element_type="f32" offset="32" shape="" size="4"/></layer>
  </layers>
</net>
"""


def test_constants_are_read_by_offset_and_shape(tmp_path: Path) -> None:
    (tmp_path / "made.xml").write_text(NETWORK)
    kernel = np.arange(6, dtype="<f4").reshape(2, 3)
    blob = np.array([-1], "<i8").tobytes() + kernel.tobytes() + np.array(0.5, "<f4").tobytes()
    (tmp_path / "made.bin").write_bytes(blob)
    constants = dict(read_constants(tmp_path / "made.xml"))
    assert list(constants) == ["kernel", "scale"]
    np.testing.assert_array_equal(constants["kernel"], kernel)
    assert constants["scale"] == np.float32(0.5)


def test_a_missing_package_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TeacherMissing) as raised:
        mapping_weights()
    assert str(raised.value) == (
        "The teacher's weights come with the package random-face, which is not installed: "
        "run `pip install --no-deps random-face==2021.7.21.1`."
    )


@needs_package
def test_the_packages_mapping() -> None:
    layers = mapping_weights()
    assert [(kernel.shape, bias.shape) for kernel, bias in layers] == [((512, 512), (512,))] * 8


@needs_package
def test_the_packages_synthesis() -> None:
    constants = synthesis_weights()
    shapes = {name: array.shape for name, array in constants.items()}
    assert shapes["input"] == (4, 4, 512)
    assert shapes["conv1.kernel"] == (3, 3, 512, 512)
    widths = (512, 512, 512, 512, 256, 128, 64)
    entering = (512, *widths)
    for block, width in enumerate(widths):
        side, bands = 8 << block, entering[block] // 4
        assert shapes[f"block{block}.up.modulation.kernel"] == (512, entering[block])
        assert shapes[f"block{block}.conv1.depthwise"] == (3, 3, bands, 1)
        assert shapes[f"block{block}.conv1.pointwise"] == (bands, width)
        assert shapes[f"block{block}.conv2.pointwise"] == (width, width)
        assert shapes[f"block{block}.conv2.noise"] == (side, side, 1)
        assert shapes[f"block{block}.conv2.bias"] == (width,)
    assert shapes["image.kernel"][-1] == shapes["image.bias"][0] == 12
    assert sum(array.size for array in constants.values()) == 8_005_404
