"""The discriminator: what its scores depend on."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from agetrans.models.discriminator import LEVELS, Discriminator
from tests.models.agetrans_reference import numbers

GROUPS = 5


@pytest.fixture(scope="module")
def judge() -> Discriminator:
    keras.utils.set_random_seed(1)
    return Discriminator(64, GROUPS)


def faces(batch: int, size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    stream = np.random.RandomState(batch)
    return stream.uniform(-1, 1, (batch, size, size, 3)).astype("f"), stream.dirichlet(
        np.ones(GROUPS), batch
    ).astype("f")


def levels(scores: object) -> list[np.ndarray]:
    """Scores by level: `(B, side, side)`, finest first; all levels are as long as the finest."""
    found = []
    for part, side in zip(np.split(numbers(scores), len(LEVELS), axis=1), LEVELS, strict=True):
        repeats = part.reshape(len(part), side * side, -1)
        np.testing.assert_array_equal(repeats, np.broadcast_to(repeats[..., :1], repeats.shape))
        found.append(repeats[..., 0].reshape(-1, side, side))
    return found


@pytest.mark.parametrize("batch", [1, 3, 5])
@pytest.mark.parametrize("size", [64, 128])
def test_any_batch_is_judged_at_four_levels(size: int, batch: int) -> None:
    scores, logits = Discriminator(size, GROUPS)(*faces(batch, size))
    assert tuple(scores.shape) == (batch, 4 * 32 * 32)
    assert tuple(logits.shape) == (batch, GROUPS)


def test_the_label_is_projected_at_every_level_and_not_classified(judge: Discriminator) -> None:
    image, _ = faces(2)
    one, other = np.eye(GROUPS, dtype="f")[[[0, 0], [3, 3]]]
    (first, first_logits), (second, second_logits), (mixed, _) = (
        judge(image, label) for label in (one, other, 0.25 * one + 0.75 * other)
    )
    for a, b in zip(levels(first), levels(second), strict=True):
        assert np.abs(a - b).mean() > 0.01
    np.testing.assert_array_equal(numbers(first_logits), numbers(second_logits))
    # A projection is linear in the label.
    np.testing.assert_allclose(numbers(mixed), 0.25 * numbers(first) + 0.75 * numbers(second), atol=1e-4)


def test_a_score_is_of_its_own_place(judge: Discriminator) -> None:
    image, label = faces(1)
    edited = image.copy()
    edited[:, :8, 56:] = 1
    before, after = (levels(judge(picture, label)[0])[0][0] for picture in (image, edited))
    change = np.abs(after - before)
    assert change[:4, -4:].min() > 1e-4, "the top right corner sees the edit"
    assert change[16:].max() == change[:, :16].max() == 0, "the other half does not"


def test_only_the_coarsest_level_sees_the_rest_of_the_batch(judge: Discriminator) -> None:
    (image, label), (others, _) = faces(2), faces(3)
    alone = levels(judge(image, label)[0])
    image[1] = 20 * others[0]
    beside = levels(judge(image, label)[0])
    for a, b in zip(alone[:3], beside[:3], strict=True):
        np.testing.assert_allclose(a[0], b[0], atol=1e-5)
    assert np.abs(alone[3][0] - beside[3][0]).max() > 1e-4


def test_it_comes_back_from_its_configuration(judge: Discriminator) -> None:
    again = Discriminator.from_config(judge.get_config())
    again.set_weights(judge.get_weights())
    image, label = faces(2)
    np.testing.assert_array_equal(numbers(again(image, label)[0]), numbers(judge(image, label)[0]))


def test_a_paired_one_judges_the_change(judge: Discriminator) -> None:
    paired = Discriminator(64, GROUPS, paired=True)
    image, label = faces(2)
    source = numbers(ops.flip(image, axis=2))
    stem = paired.stem.kernel
    alone = numbers(stem).copy()
    alone[:, :, 3:] = 0
    stem.assign(alone)
    np.testing.assert_array_equal(
        *(numbers(paired(image, label, other)[0]) for other in (source, image)), "only the picture is seen"
    )
    alone[:, :, 3:], alone[:, :, :3] = alone[:, :, :3], 0
    stem.assign(alone)
    shifted = [numbers(paired(image + shift, label, source + shift)[0]) for shift in (0.0, 0.5)]
    np.testing.assert_allclose(*shifted, atol=1e-3, err_msg="only the change is seen")
    assert np.abs(shifted[0] - numbers(paired(image, label, image)[0])).max() > 0.01


@pytest.mark.parametrize("size", [32, 96, 100])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"power of two from 64. Received: size={size}"):
        Discriminator(size)
