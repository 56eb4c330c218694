"""Reads the teacher's published weights: OpenVINO IR pairs (XML graph, raw constants) of the package `random-face`.

The package (version 2021.7.21.1, Apache-2.0) holds MobileStyleGAN, distilled from StyleGAN2 on FFHQ. Its own
loader needs an OpenVINO interface that no longer exists; the constants are plain float32 arrays, so they are read
here with the standard library and NumPy only.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

INSTALL_COMMAND = "pip install --no-deps random-face==2021.7.21.1"


class TeacherMissing(RuntimeError):
    """The package that carries the teacher's weights is not installed."""


def weights_folder() -> Path:
    """Folder of the installed package's IR files.

    Raises:
        TeacherMissing: If the package is not installed; the message says how to install it.
    """
    spec = importlib.util.find_spec("random_face")
    if spec is None or not spec.submodule_search_locations:
        raise TeacherMissing(
            f"The teacher's weights come with the package random-face, which is not installed: run `{INSTALL_COMMAND}`."
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def read_constants(xml_path: Path) -> list[tuple[str, np.ndarray]]:
    """Float32 constants of an IR pair, in file order: (name, array).

    Args:
        xml_path: The `.xml` file; its constants are in the `.bin` file of the same name.
    """
    blob = np.fromfile(xml_path.with_suffix(".bin"), np.uint8)
    constants = []
    layers = ElementTree.parse(xml_path).getroot().find("layers")
    for layer in layers if layers is not None else ():
        data = layer.find("data")
        if layer.get("type") != "Const" or data is None or data.get("element_type") != "f32":
            continue
        offset, size = int(data.attrib["offset"]), int(data.attrib["size"])
        shape = [int(side) for side in data.attrib["shape"].split(",") if side.strip()]
        values = blob[offset : offset + size].view(np.float32).reshape(shape)
        constants.append((layer.attrib["name"], values))
    return constants


def mapping_weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """The eight mapping layers as (kernel `(512 in, 512 out)`, bias `(512,)`), scales folded in."""
    constants = [array for _, array in read_constants(weights_folder() / "MappingNetwork.xml")]
    kernels = [array.T for array in constants if array.shape == (512, 512)]
    biases = [array for array in constants if array.shape == (512,)]
    if len(kernels) != 8 or len(biases) != 8:
        raise ValueError(f"Expected 8 mapping layers, found {len(kernels)} kernels and {len(biases)} biases.")
    return list(zip(kernels, biases, strict=True))


def synthesis_weights() -> dict[str, np.ndarray]:
    """The synthesis network's constants by our names, channels last.

    Names: `input` (4, 4, 512); per convolution `conv1`, `block{0-6}.conv1`, `block{0-6}.conv2` and `image`:
    `.modulation.kernel` (512, in), `.modulation.bias` (in,), `.depthwise` (3, 3, in, 1) or, for `conv1`, `.kernel`
    (3, 3, in, out), `.pointwise` (in, out), `.noise` (r, r, 1), `.bias` (out,); `block{0-6}.up.modulation.*`.
    """
    weights: dict[str, np.ndarray] = {}
    layer = "conv1"
    for name, array in read_constants(weights_folder() / "SynthesisNetwork.xml"):
        if name.startswith("m."):
            ours = _our_name(name.removeprefix("m."))
            owner, _, part = ours.rpartition(".")
            if part == "depthwise":
                layer, array = owner, array[:, 0].transpose(2, 3, 0, 1)
            elif part == "kernel":
                array = array.T
            elif part == "bias":
                array = array.reshape(-1)
            elif ours == "input":
                array = array[0].transpose(1, 2, 0)
            weights[ours] = array
        elif array.ndim == 4 and array.shape[2:] == (3, 3) and array.shape[0] > 1:
            weights[f"{layer}.kernel"] = array.transpose(2, 3, 1, 0)
        elif array.ndim == 4 and array.shape[2:] == (1, 1) and array.shape[0] > 1:
            weights[f"{layer}.pointwise"] = array[:, :, 0, 0].T
        elif array.ndim == 4 and array.shape[:2] == (1, 1) and array.shape[2] > 1:
            weights[f"{layer}.noise"] = array[0].transpose(1, 2, 0)
    return weights


def _our_name(name: str) -> str:
    """`layers.3.conv1.conv.modulation.weight` to `block3.conv1.modulation.kernel`, and so on."""
    name = (
        name.removeprefix("input.")
        .replace("layers.", "block")
        .replace(".conv.", ".")
        .replace("weight_dw", "depthwise")
    )
    if "to_img" in name:
        name = "image." + name.split("to_img.")[1].removeprefix("conv.")
    return name.removesuffix(".weight") + (".kernel" if name.endswith(".weight") else "")
