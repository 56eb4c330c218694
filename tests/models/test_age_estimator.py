"""The age estimator: where it looks, what it returns, and its expected age."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from scipy.signal import correlate2d

from agetrans.conversion.age_estimator import load_imagenet
from agetrans.models.age_estimator import AgeEstimator, InvertedBottleneck, expected_age, inner_face
from agetrans.variables import named_variables
from tests.models.agetrans_reference import numbers


def settle(network: keras.layers.Layer) -> None:
    """Weights as after training: no branch is silent, and statistics are not those of the start."""
    stream = np.random.RandomState(2)
    for weight in network.weights:
        if weight.path.rsplit("/", 1)[1] in ("gamma", "moving_variance"):
            weight.assign(stream.uniform(0.5, 1.5, weight.shape))
        elif weight.path.rsplit("/", 1)[1] in ("beta", "moving_mean"):
            weight.assign(0.1 * stream.standard_normal(weight.shape))
        elif weight.path.endswith("kernel") and len(weight.shape) == 4:
            side, _, inputs, outputs = weight.shape
            wide = inputs if outputs > 1 else 1  # depthwise filters have one output a channel
            weight.assign(stream.standard_normal(weight.shape) * np.sqrt(2 / (side * side * wide)))


@pytest.fixture(scope="module")
def estimator() -> AgeEstimator:
    keras.utils.set_random_seed(1)
    network = AgeEstimator()
    settle(network)
    return network


def faces(batch: int) -> np.ndarray:
    return np.random.RandomState(batch).uniform(-1, 1, (batch, 256, 256, 3)).astype("f")


def test_the_expected_age_is_the_mean_of_the_softmax() -> None:
    logits = np.random.RandomState(3).normal(0, 3, (4, 101)).astype("f")
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(numbers(expected_age(logits)), shares @ np.arange(101), rtol=1e-5)
    certain = np.full((1, 101), -50, "f")
    certain[0, 37] = 50
    assert numbers(expected_age(certain))[0] == pytest.approx(37)


def test_what_it_returns(estimator: AgeEstimator) -> None:
    outputs = estimator(faces(2))
    assert {name: tuple(outputs[name].shape) for name in ("logits", "male")} == {
        "logits": (2, 101),
        "male": (2, 1),
    }
    sides = [64, 32, 16, 8, 8, 4, 4]
    channels = [16, 24, 40, 80, 112, 192, 320]
    assert [tuple(x.shape) for x in outputs["features"]] == [
        (2, s, s, c) for s, c in zip(sides, channels, strict=True)
    ]


def test_it_has_as_many_weights_as_efficientnet_lite0_before_its_head(estimator: AgeEstimator) -> None:
    heads = 1280 * (101 + 1) + 101 + 1
    assert sum(int(np.prod(w.shape)) for w in estimator.trainable_weights) - heads == 4_652_008 - 1000 * 1281


def test_the_inner_three_quarters_in_two_thirds_of_the_pixels() -> None:
    row, column = np.mgrid[:256, :256] / 100.0
    ramp = np.stack([row, column, 1 - row - column], axis=-1)[None].astype("f")
    ramp[:, :32] = ramp[:, 224:] = ramp[:, :, :32] = ramp[:, :, 224:] = 9
    places = 32 + 1.5 * (np.arange(128) + 0.5) - 0.5
    y, x = np.meshgrid(places / 100, places / 100, indexing="ij")
    inner = numbers(inner_face(ramp))
    np.testing.assert_allclose(inner[0, 2:-2, 2:-2], np.stack([y, x, 1 - y - x], -1)[2:-2, 2:-2], atol=1e-3)
    assert inner.max() < 2.3
    # Pixels are averaged, not picked: of a chequerboard little is left.
    board = np.indices((256, 256)).sum(axis=0)[None, ..., None] % 2 * 2.0 - 1.0
    assert np.abs(numbers(inner_face(np.repeat(board, 3, axis=-1)))).mean() < 0.35


def test_it_reads_the_inner_face(estimator: AgeEstimator) -> None:
    image = faces(1)
    inner = numbers(inner_face(image))
    np.testing.assert_allclose(
        numbers(estimator(image)["logits"]), numbers(estimator.read(inner)["logits"]), atol=1e-4
    )


@pytest.mark.parametrize(
    ("expansion", "kernel", "stride", "filters"), [(1, 3, 1, 5), (6, 3, 2, 7), (3, 5, 1, 4), (2, 5, 2, 4)]
)
def test_a_block_against_scipy(expansion: int, kernel: int, stride: int, filters: int) -> None:
    block = InvertedBottleneck(filters, expansion, kernel, stride)
    x = np.random.RandomState(4).standard_normal((2, 8, 8, 4)).astype("f")
    block.build(x.shape)
    settle(block)

    def normalised(y: np.ndarray, norm: Any) -> np.ndarray:
        gamma, beta, mean, variance = (numbers(weight) for weight in norm.weights)
        return (y - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    y = x
    if expansion > 1:
        y = np.clip(normalised(y @ numbers(block.expand.kernel)[0, 0], block.expand_norm), 0, 6)
    # TensorFlow's "same": what is left over of the padding lies below and to the right.
    over = kernel - stride
    y = np.pad(y, ((0, 0), *2 * ((over // 2, over - over // 2),), (0, 0)))
    filtered = [
        [
            correlate2d(picture[..., c], numbers(block.depthwise.kernel)[..., c, 0], "valid")
            for c in range(y.shape[-1])
        ]
        for picture in y
    ]
    y = np.moveaxis(np.array(filtered), 1, -1)[:, ::stride, ::stride]
    y = np.clip(normalised(y, block.depthwise_norm), 0, 6)
    y = normalised(y @ numbers(block.project.kernel)[0, 0], block.project_norm)
    if stride == 1 and filters == 4:
        y = y + x
    np.testing.assert_allclose(numbers(block(x)), y, atol=1e-4)


def test_branches_are_dropped_whole_pictures_at_a_time_and_only_in_training() -> None:
    block = InvertedBottleneck(4, 2, 3, 1, dropped=0.5)
    x = np.ones((400, 4, 4, 4), "f")
    block.build(x.shape)
    settle(block)
    still = numbers(block(x, training=False))
    assert np.abs(still - x).max() > 0.1
    alone = np.all(numbers(block(x, training=True)) == x, axis=(1, 2, 3))
    assert 0.4 < alone.mean() < 0.6


def test_the_body_of_imagenet_is_taken_and_the_heads_are_left(estimator: AgeEstimator) -> None:
    network = AgeEstimator()
    before = {name: numbers(weight) for name, weight in named_variables(network).items()}
    state = imagenet_state(estimator)
    load_imagenet(
        network, {**state, "_fc.weight": np.zeros((1000, 1280)), "_bn0.num_batches_tracked": np.zeros(())}
    )
    wanted = {name: numbers(weight) for name, weight in named_variables(estimator).items()}
    for name, weight in named_variables(network).items():
        expected = before[name] if name.startswith(("years/", "male/")) else wanted[name]
        np.testing.assert_array_equal(numbers(weight), expected, name)
    del state["_blocks.3._bn1.bias"]
    with pytest.raises(
        ValueError, match=r"not the state of EfficientNet-Lite0: missing 1 \(_blocks.3._bn1.bias\)"
    ):
        load_imagenet(network, state)


def imagenet_state(network: AgeEstimator) -> dict[str, np.ndarray]:
    """The body of a network under the names and in the shapes of EfficientNet-Lite0 for PyTorch."""
    state: dict[str, np.ndarray] = {}

    def norm(name: str, layer: Any) -> None:
        parts = ("weight", "bias", "running_mean", "running_var")
        values = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        state.update({f"{name}.{part}": numbers(value) for part, value in zip(parts, values, strict=True)})

    state["_conv_stem.weight"] = numbers(network.stem.kernel).transpose(3, 2, 0, 1)
    norm("_bn0", network.stem_norm)
    blocks = [block for stage in network.stages for block in stage]
    for i, block in enumerate(blocks):
        if i:  # the first does not widen
            state[f"_blocks.{i}._expand_conv.weight"] = numbers(block.expand.kernel).transpose(3, 2, 0, 1)
            norm(f"_blocks.{i}._bn0", block.expand_norm)
        state[f"_blocks.{i}._depthwise_conv.weight"] = numbers(block.depthwise.kernel).transpose(2, 3, 0, 1)
        norm(f"_blocks.{i}._bn1", block.depthwise_norm)
        state[f"_blocks.{i}._project_conv.weight"] = numbers(block.project.kernel).transpose(3, 2, 0, 1)
        norm(f"_blocks.{i}._bn2", block.project_norm)
    state["_conv_head.weight"] = numbers(network.head.kernel).transpose(3, 2, 0, 1)
    norm("_bn1", network.head_norm)
    return state


def test_a_reading_depends_on_its_own_picture_and_leaves_no_trace(estimator: AgeEstimator) -> None:
    image, before = faces(3), [numbers(weight) for weight in estimator.weights]
    together = numbers(estimator(image, training=False)["logits"])
    np.testing.assert_allclose(together[1:2], numbers(estimator(image[1:2])["logits"]), atol=1e-4)
    assert np.abs(together[0] - together[1]).max() > 1e-2
    for weight, value in zip(estimator.weights, before, strict=True):
        np.testing.assert_array_equal(numbers(weight), value)


def test_training_moves_the_statistics() -> None:
    network = AgeEstimator()
    moving = [weight for weight in network.weights if "moving" in weight.path]
    before = [numbers(weight) for weight in moving]
    network(faces(2), training=True)
    assert all(
        np.abs(numbers(weight) - value).max() > 0 for weight, value in zip(moving, before, strict=True)
    )


def test_it_comes_back_from_its_configuration(estimator: AgeEstimator) -> None:
    again = AgeEstimator.from_config(estimator.get_config())
    again.set_weights(estimator.get_weights())
    image = faces(1)
    np.testing.assert_array_equal(numbers(again(image)["logits"]), numbers(estimator(image)["logits"]))


def test_weights_are_named_after_the_attributes_that_lead_to_them() -> None:
    names = set(named_variables(AgeEstimator()))
    assert {"stem/kernel", "stages/1/0/expand/kernel", "stages/6/0/project/kernel", "years/bias"} <= names
    assert {"stages/0/0/depthwise_norm/gamma", "head_norm/moving_mean"} <= names
