"""The authors' age estimator, against their network's numbers on a recipe of random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from keras import ops

from agetrans.backend import on_arrays
from agetrans.conversion.age_estimator import load_state
from agetrans.models.age_estimator import expected_age
from agetrans.models.age_resnet50 import STAGES, AgeResNet50

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "agetransgan" / "recipe_age_estimator.npz"


def official_shapes() -> dict[str, tuple[int, ...]]:
    """The parameters of the body and of the age head under their official names."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, outputs: int, inputs: int, side: int) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs, side, side)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}_bn.{part}"] = (outputs,)

    conv("conv1_7x7_s2", 64, 3, 7)
    channels = 64
    for stage, (inner, outer, blocks) in enumerate(STAGES, start=2):
        for block in range(1, blocks + 1):
            conv(f"conv{stage}_{block}_1x1_reduce", inner, channels, 1)
            conv(f"conv{stage}_{block}_3x3", inner, inner, 3)
            conv(f"conv{stage}_{block}_1x1_increase", outer, inner, 1)
            if block == 1:
                conv(f"conv{stage}_1_1x1_proj", outer, channels, 1)
            channels = outer
    return {**shapes, "classage.weight": (101, 2048, 1, 1), "classage.bias": (101,)}


def recipe_state() -> dict[str, np.ndarray]:
    """The weights of the golden file's recipe."""
    random = np.random.RandomState(777)
    state = {}
    for name, shape in sorted(official_shapes().items()):
        if name.endswith("running_var"):
            value = random.uniform(0.5, 1.5, shape)
        elif name == "conv1_7x7_s2.weight":
            value = random.standard_normal(shape) * np.sqrt(2 / 147) / 120
        elif name == "classage.weight":
            value = random.standard_normal(shape) * 0.004
        elif name == "classage.bias":
            value = random.standard_normal(shape) * 0.3
        elif name.endswith("increase_bn.weight"):
            value = 0.3 + 0.05 * random.standard_normal(shape)
        elif name.endswith("_bn.weight"):
            value = 1 + 0.1 * random.standard_normal(shape)
        elif name.endswith(("_bn.bias", "running_mean")):
            value = 0.1 * random.standard_normal(shape)
        else:
            value = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        state[name] = value.astype(np.float32)
    return state


def recipe_pictures() -> np.ndarray:
    pictures = np.random.RandomState(778).randint(0, 256, (2, 224, 224, 3)).astype(np.uint8)
    row, column = np.mgrid[:224, :224]
    pictures[1] = np.stack([column, row, (column + row) // 2], axis=-1)
    return pictures.astype(np.float32)


@pytest.fixture(scope="module")
def estimator() -> AgeResNet50:
    return AgeResNet50()


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    return recipe_state()


def test_matches_the_official_network(estimator: AgeResNet50, state: dict[str, np.ndarray]) -> None:
    if not GOLDEN.is_file():
        pytest.skip(f"the golden numbers are not here: {GOLDEN}")
    golden, pictures = np.load(GOLDEN), recipe_pictures()
    np.testing.assert_array_equal(golden["weight_probe"], state["conv5_3_3x3.weight"].ravel()[:4])
    np.testing.assert_array_equal(golden["picture_probe"], pictures[0, 0, :4])
    load_state(estimator, state)
    outputs = on_arrays(estimator)(pictures)
    for stage, shape, means in zip(
        outputs["stages"], golden["stage_shapes"][:5], golden["stage_means"][:5], strict=True
    ):
        assert (stage.shape[3], *stage.shape[1:3]) == tuple(shape)
        np.testing.assert_allclose(stage.mean(axis=(1, 2, 3)), means, atol=1e-5)
    np.testing.assert_allclose(outputs["pooled"], golden["pooled"], atol=1e-4)
    np.testing.assert_allclose(outputs["logits"], golden["logits"], atol=1e-5)
    np.testing.assert_allclose(expected_age(outputs["logits"]), golden["expected_age"], atol=1e-4)


def test_unused_heads_are_ignored_and_all_else_is_strict(
    estimator: AgeResNet50, state: dict[str, np.ndarray]
) -> None:
    extra = {
        "fc.weight": np.zeros((101, 101)),
        "classifier.bias": np.zeros(8631),
        "classgage.bias": np.zeros(164),
        "conv1_7x7_s2_bn.num_batches_tracked": np.array(5),
    }
    load_state(estimator, {f"module.{name}": value for name, value in {**state, **extra}.items()})
    np.testing.assert_array_equal(
        ops.convert_to_numpy(estimator.stages[1][0].middle.conv.kernel)[2, 0],
        state["conv3_1_3x3.weight"][:, :, 2, 0].T,
    )
    with pytest.raises(ValueError, match=r"missing 1 \(classage.bias\)"):
        load_state(estimator, {name: state[name] for name in state if name != "classage.bias"})
    with pytest.raises(ValueError, match=r"unknown 1 \(conv9.weight\)"):
        load_state(estimator, {**state, "conv9.weight": np.zeros(1)})
    with pytest.raises(ValueError, match=r"classage.bias is of shape \(164,\)"):
        load_state(estimator, {**state, "classage.bias": np.zeros(164)})
