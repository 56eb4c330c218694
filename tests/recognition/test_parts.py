"""Backbones, heads, ages and the bound against plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from agetrans.recognition.ages import CUTS, age_group, dex_expectation, reverse_gradient
from agetrans.recognition.backbones import Conv, make_backbone
from agetrans.recognition.encoders import AttentionDecomposition, DALEncoder, IEFPEncoder, MTLFaceEncoder
from agetrans.recognition.heads import ArcFace, CosFace, accuracy, identity_loss, make_head, unit
from agetrans.recognition.information import SampledBound
from agetrans.recognition.optimisers import StepSchedule, clipped, decayed
from agetrans.recognition.trainers import squared_correlation
from agetrans.training.autodiff import input_gradient
from tests.models.agetrans_reference import numbers

RANDOM = np.random.RandomState(1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_margins_are_the_papers() -> None:
    x = RANDOM.standard_normal((5, 8)).astype("f") * 3
    labels = np.array([0, 1, 2, 0, 1], np.int32)
    for head, widened in (
        (CosFace(3, 30.0, 0.35), lambda c: c - 0.35),
        (ArcFace(3, 30.0, 0.5), lambda c: np.cos(np.arccos(c) + 0.5)),
    ):
        head.build((None, 8))
        kernel = numbers(head.kernel.value)
        cosines = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (kernel / np.linalg.norm(kernel, axis=0))
        expected = cosines.copy()
        for row, label in enumerate(labels):
            expected[row, label] = widened(cosines[row, label])
        logits = numbers(head(x, labels))
        np.testing.assert_allclose(logits, 30 * expected, atol=1e-4)
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        loss = -np.log(shares[np.arange(5), labels]).mean()
        assert float(identity_loss(logits, labels)) == pytest.approx(loss, rel=1e-4)
        # Accuracy is that of the cosines: the margin would make it read too low.
        assert float(accuracy(head.cosines(x), labels)) == pytest.approx((cosines.argmax(1) == labels).mean())


@pytest.mark.parametrize("name", ["cosface", "arcface"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_are_finite_at_cosines_of_one(name: str, sign: float) -> None:
    head = make_head(name, 2, 64.0, 0.3)
    head.build((None, 4))
    x = sign * numbers(head.kernel.value).T[:1] * 5
    gradient = numbers(input_gradient(lambda v: identity_loss(head(v, np.array([0])), np.array([0])), x))
    assert np.isfinite(gradient).all()


def test_arcface_never_rises_with_the_angle() -> None:
    cosines = np.cos(np.linspace(0, np.pi, 200)).astype("f")
    values = numbers(ArcFace(2, 1.0, 0.5).with_margin(ops.convert_to_tensor(cosines)))
    assert (np.diff(values) <= 1e-6).all()


@pytest.mark.parametrize("name", ["", "c", "face", "Cosface"])
def test_a_head_goes_by_its_whole_name(name: str) -> None:
    with pytest.raises(ValueError, match="no head"):
        make_head(name, 2, 64.0, 0.3)


@pytest.mark.parametrize("length", [1e-12, 3e-6, 1.0, 1e12])
def test_vectors_of_any_length_get_length_one(length: float) -> None:
    x = np.array([[3.0, 0.0, -4.0]], "f") * np.float32(length)
    np.testing.assert_allclose(numbers(unit(x)), [[0.6, 0.0, -0.8]], atol=1e-6)
    np.testing.assert_array_equal(numbers(unit(np.zeros((1, 3), "f"))), 0)


def test_all_eight_groups_have_their_borders() -> None:
    years = np.array([0, 12, 13, 18, 19, 25, 26, 35, 36, 45, 46, 55, 56, 65, 66, 110], "f")
    expected = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]
    assert numbers(age_group(years, CUTS[8])).tolist() == expected
    assert numbers(age_group(np.array([10, 10.5, 60, 61], "f"), CUTS[7])).tolist() == [0, 1, 5, 6]


def test_dex_is_an_expectation() -> None:
    logits = RANDOM.standard_normal((3, 101)).astype("f") * 4
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(numbers(dex_expectation(logits)), shares @ np.arange(101), rtol=1e-4)


def test_gradients_are_reversed_and_numbers_are_not() -> None:
    x = RANDOM.standard_normal((4,)).astype("f")
    np.testing.assert_array_equal(numbers(reverse_gradient(ops.convert_to_tensor(x))), x)
    gradient = numbers(input_gradient(lambda v: 2.0 * reverse_gradient(v), x))
    np.testing.assert_array_equal(gradient, np.full(4, -2.0))


def test_the_schedule_at_every_turn() -> None:
    rate = StepSchedule(0.1, warmup=10, milestones=(20, 30), gamma=0.1)
    at = {step: float(rate(step - 1)) for step in (1, 5, 10, 11, 20, 21, 30, 31)}
    expected = {1: 0.01, 5: 0.05, 10: 0.1, 11: 0.1, 20: 0.1, 21: 0.01, 30: 0.01, 31: 0.001}
    assert at == pytest.approx(expected)
    assert float(StepSchedule(0.1, 0, (1, 2, 3, 4))(100)) == pytest.approx(1e-5)
    assert float(StepSchedule(0.1, 0, (1, 2, 3, 4), least=1e-4)(100)) == pytest.approx(1e-4)
    assert float(StepSchedule(1e-5, 0, (1,), least=1e-4)(100)) == pytest.approx(1e-5)


def test_decay_takes_kernels_and_slopes_and_leaves_biases_and_norms() -> None:
    encoder = IEFPEncoder("ir18", (16, 16), 2, 4)
    variables = encoder.trainable_variables
    result = decayed([None] * len(variables), variables, 0.5)
    for variable, gradient in zip(variables, result, strict=True):
        wanted = 0.0 if variable.name in ("bias", "gamma", "beta") else 0.5
        np.testing.assert_allclose(numbers(gradient), wanted * numbers(variable.value), atol=1e-7)
    assert {v.name for v in variables} == {"kernel", "alpha", "bias", "gamma", "beta"}


def test_clipping_takes_all_gradients_together() -> None:
    gradients = [np.full(3, 4.0, "f"), np.full(4, 3.0, "f")]
    norm = np.sqrt(3 * 16 + 4 * 9)
    for part, whole in zip(clipped(gradients, 5.0), gradients, strict=True):
        np.testing.assert_allclose(numbers(part), whole * 5 / norm, rtol=1e-5)
    np.testing.assert_allclose(numbers(clipped(gradients, 50.0)[0]), gradients[0])


def test_the_squared_correlation_is_numpys_at_every_scale() -> None:
    a = RANDOM.standard_normal(64).astype("f")
    b = (0.4 * a + RANDOM.standard_normal(64)).astype("f")
    expected = np.corrcoef(a, b)[0, 1] ** 2
    for scale in (1.0, 1e-3, 1e-8, 1e6):
        assert float(squared_correlation(a * np.float32(scale), b)) == pytest.approx(expected, rel=1e-3)
    assert float(squared_correlation(a, a)) == pytest.approx(1.0, rel=1e-4)
    for degenerate in (np.ones(64, "f"), np.zeros(64, "f")):
        assert float(squared_correlation(a, degenerate)) == 0.0
    assert np.isfinite(float(squared_correlation(a[:1], b[:1])))


def batch_normed(layer: Any, x: np.ndarray) -> np.ndarray:
    gamma = numbers(layer.gamma.value) if layer.scale else 1.0
    mean, variance = numbers(layer.moving_mean.value), numbers(layer.moving_variance.value)
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + numbers(layer.beta.value)


def fill(layer: Any, seed: int = 3) -> None:
    random = np.random.RandomState(seed)
    for variable in layer.weights:
        if not np.issubdtype(np.dtype(variable.dtype), np.floating):
            continue
        value = random.standard_normal(variable.shape) * 0.3
        variable.assign(np.abs(value) + 0.5 if "variance" in variable.name else value)


def test_the_bound_is_numpys_and_seeded() -> None:
    club = SampledBound(4)
    club.build_all()
    fill(club)
    age, identity = RANDOM.standard_normal((2, 5, 4)).astype("f")

    def network(layers: Any, x: np.ndarray) -> np.ndarray:
        for norm, linear in zip(layers.norms, layers.linears, strict=True):
            x = batch_normed(norm, x) @ numbers(linear.kernel.value) + numbers(linear.bias.value)
            if linear is layers.linears[0]:
                x = np.maximum(x, 0)
        return x

    seen = ops.convert_to_tensor(age), ops.convert_to_tensor(identity)
    mean, log_variance = network(club.mean, age), np.tanh(network(club.log_variance, age))
    variance = np.exp(log_variance)
    likelihood = (-((mean - identity) ** 2) / variance - log_variance).sum(1).mean()
    assert float(numbers(club.likelihood(*seen))) == pytest.approx(likelihood, rel=1e-4)
    for step, turn in ((0, 1), (2, 3), (4, 1)):
        others = np.roll(identity, -turn, axis=0)
        bound = ((mean - others) ** 2 / variance - (mean - identity) ** 2 / variance).sum(1).mean() / 2
        assert float(numbers(club.bound(*seen, step))) == pytest.approx(bound, rel=1e-4)


@pytest.mark.parametrize("package", [False, True])
def test_attention_in_the_roles_of_both_programs(package: bool) -> None:
    layer = AttentionDecomposition(package, reduction=4)
    x = RANDOM.standard_normal((2, 4, 4, 3)).astype("f")
    layer.build(x.shape)
    fill(layer)
    windows = [(0, 4), (0, 2), (2, 4), (0, 2), (1, 3), (2, 4)]
    grids = [(0, 1), (1, 3), (3, 6)]
    pooled = []
    for reduce in (np.mean, np.max):
        cells = [
            reduce(x[:, r[0] : r[1], c[0] : c[1]], axis=(1, 2))
            for a, b in grids
            for r in windows[a:b]
            for c in windows[a:b]
        ]
        pooled.append(np.concatenate(cells, axis=-1))
    vector = np.concatenate(pooled, axis=-1) if package else pooled[0] + pooled[1]
    hidden = np.maximum(vector @ numbers(layer.squeeze.kernel.value), 0) @ numbers(layer.excite.kernel.value)
    channel = sigmoid(batch_normed(layer.channel_norm, hidden))[:, None, None]
    planes = np.pad(np.stack([x.max(-1), x.mean(-1)], -1), ((0, 0), (3, 3), (3, 3), (0, 0)))
    kernel = numbers(layer.spatial.conv.kernel.value)[..., 0]
    spatial = np.array(
        [[[(p[i : i + 7, j : j + 7] * kernel).sum() for j in range(4)] for i in range(4)] for p in planes]
    )
    spatial = sigmoid(batch_normed(layer.spatial_norm, spatial[..., None]))
    attended = x * 0.5 * (channel + spatial)
    identity, age = (numbers(part) for part in layer(x))
    np.testing.assert_allclose(identity if package else age, attended, atol=1e-5)
    np.testing.assert_allclose(identity + age, x, atol=1e-5)


def test_strided_convolutions_pad_as_pytorchs() -> None:
    conv = Conv(1, 3, 2)
    conv.build((None, 4, 4, 1))
    conv.conv.kernel.assign(np.arange(9, dtype="f").reshape(3, 3, 1, 1))
    x = RANDOM.standard_normal((1, 4, 4, 1)).astype("f")
    padded = np.pad(x[0, ..., 0], 1)
    expected = [
        [(padded[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * np.arange(9).reshape(3, 3)).sum() for j in (0, 1)]
        for i in (0, 1)
    ]
    np.testing.assert_allclose(numbers(conv(x))[0, ..., 0], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["ir18", "irse18", "iresnet18", "oecnn"])
def test_maps_halve_from_level_to_level(name: str) -> None:
    backbone = make_backbone(name, 2)
    shapes = [tuple(m.shape) for m in backbone(np.zeros((1, 32, 16, 3), "f"))]
    channels = [2, 2, 4, 8, 16]
    assert shapes == [(1, 32 >> n, 16 >> n, c) for n, c in enumerate(channels)]


def test_ir_leaves_pixels_out_where_iresnet_convolves() -> None:
    ir, iresnet = make_backbone("ir18", 2), make_backbone("iresnet18", 2)
    assert ir.levels[0][0].shortcut is None
    assert iresnet.levels[0][0].shortcut is not None
    assert ir.levels[1][0].shortcut is not None


def test_there_is_no_backbone_of_any_other_name() -> None:
    with pytest.raises(ValueError, match="no backbone"):
        make_backbone("ir51")


def test_dals_parts_are_a_sum_and_its_age_part_is_not_negative() -> None:
    encoder = DALEncoder("oecnn", (32, 16), 2, 8)
    x = RANDOM.standard_normal((2, 32, 16, 3)).astype("f")
    identity, age = (numbers(part) for part in encoder.factors(x))
    np.testing.assert_allclose(np.linalg.norm(identity + age, axis=1), 1.0, rtol=1e-5)
    assert (age >= 0).all()
    with pytest.raises(ValueError, match="16, 32"):
        encoder(np.zeros((2, 16, 32, 3), "f"))


def test_a_size_that_halves_unevenly_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        MTLFaceEncoder("ir18", (30, 32), 2, 8)
