"""The teacher in our layers against OpenVINO in float32."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
import pytest

from agetrans.backend import on_arrays
from agetrans.data.teacher.network import STYLE_INPUTS, Mapping, Synthesis
from agetrans.data.teacher.weights import INSTALL_COMMAND, weights_folder

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("random_face") is None, reason=f"random-face is not here: {INSTALL_COMMAND}"
)


@pytest.fixture(scope="module")
def openvino() -> Callable[[str], Callable[[np.ndarray], np.ndarray]]:
    """A function from a network's name to the network, in float32."""
    library = pytest.importorskip("openvino", reason="openvino is not here: pip install 'agetrans[teacher]'")

    def load(name: str) -> Callable[[np.ndarray], np.ndarray]:
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2}
        network = library.Core().compile_model(weights_folder() / f"{name}.xml", "CPU", settings)
        return lambda x: network([x])[0]

    return load


@pytest.fixture(scope="module")
def styles() -> np.ndarray:
    """A person's w, the same for all style inputs: `(1, 512)`."""
    return on_arrays(Mapping().call)(np.random.RandomState(1).standard_normal((1, 512)).astype("f"))


@pytest.fixture(scope="module")
def picture(styles: np.ndarray) -> np.ndarray:
    """Our picture of 1024 pixels."""
    return on_arrays(Synthesis(1024).call)(styles)


def test_the_mapping_is_openvinos(openvino: Callable) -> None:
    z = np.random.RandomState(2).standard_normal((1, 512)).astype("f")
    np.testing.assert_allclose(on_arrays(Mapping().call)(z), openvino("MappingNetwork")(z), atol=1e-5)


def test_the_picture_is_openvinos(openvino: Callable, styles: np.ndarray, picture: np.ndarray) -> None:
    expected = openvino("SynthesisNetwork")(styles).transpose(0, 2, 3, 1)
    np.testing.assert_allclose(picture, expected, atol=1e-4)
    assert picture.std() > 0.1


def test_the_picture_of_512_pixels_is_the_large_one_averaged(styles: np.ndarray, picture: np.ndarray) -> None:
    for_each_input = np.repeat(styles[:, None], STYLE_INPUTS, axis=1)
    small, activations = on_arrays(Synthesis(512, features=("block3",)).call)(for_each_input)
    means = picture.reshape(1, 512, 2, 512, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(small, means, atol=1e-5)
    assert activations["block3"].shape == (1, 64, 64, 512)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="Received: size=256"):
        Synthesis(256)
