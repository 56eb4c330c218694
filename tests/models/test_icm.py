"""The identity conditional module against MTLFace's form of it: one large kernel, and a mask for each group."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.models.icm import IdentityConditionalModule, channel_count, group_starts
from tests.models import agetrans_reference as reference
from tests.models.agetrans_reference import numbers

FEATURES = np.random.RandomState(0).standard_normal((2, 4, 5, 6)).astype("f")


def module(groups: int = 4, units: int = 8, seed: int = 1, **kwargs: float) -> IdentityConditionalModule:
    layer = IdentityConditionalModule(groups, units, **kwargs)
    layer.build(FEATURES.shape)
    reference.fill(layer, seed)
    return layer


@pytest.mark.parametrize(
    ("units", "channels", "starts", "shared"),
    [
        (128, 800, [0, 112, 224, 336, 448, 560, 672], 16),
        (64, 400, [0, 56, 112, 168, 224, 280, 336], 8),
        (32, 200, [0, 28, 56, 84, 112, 140, 168], 4),
    ],
)
def test_seven_groups_lie_as_in_mtlfaces_package(
    units: int, channels: int, starts: list[int], shared: int
) -> None:
    layer = IdentityConditionalModule(7, units)
    assert layer.shared == shared
    assert group_starts(7, units, shared) == starts
    assert channel_count(7, units, shared) == channels


@pytest.mark.parametrize(
    ("groups", "units", "sharing", "blocks"),
    [(4, 8, 1 / 8, 2), (3, 8, 1 / 4, 1), (3, 4, 1 / 2, 1), (3, 4, 0.0, 1)],
)
def test_equals_full_kernels_and_masks(groups: int, units: int, sharing: float, blocks: int) -> None:
    layer = module(groups, units, sharing=sharing, blocks=blocks)
    views = numbers(layer(FEATURES))
    assert views.shape == (2, groups, 4, 5, units)
    np.testing.assert_allclose(views, reference.icm(layer, FEATURES.astype(np.float64)), atol=1e-4)


def changed_groups(layer: IdentityConditionalModule, edit: np.ndarray) -> list[bool]:
    """Which groups see a change of the first convolution's kernel."""
    before = numbers(layer(FEATURES))
    layer.convs[0].kernel.assign(numbers(layer.convs[0].kernel) + edit)
    return (np.abs(numbers(layer(FEATURES)) - before).max(axis=(0, 2, 3, 4)) > 1e-3).tolist()


def test_a_shared_corner_belongs_to_two_neighbours() -> None:
    layer = module(units=16)
    edit = np.zeros(layer.convs[0].kernel.shape, "f")
    edit[1, ..., -2:, -2:] = 1
    assert changed_groups(layer, edit) == [False, True, True, False]


def test_what_is_not_shared_belongs_to_one_group() -> None:
    layer = module(units=16)
    edit = np.zeros(layer.convs[0].kernel.shape, "f")
    edit[1, ..., 2:-2, :] = edit[1, ..., 2:-2] = 1
    edit[1, ..., :2, :2] = 0
    assert changed_groups(layer, edit) == [False, True, False, False]


def test_no_more_than_direct_neighbours_share() -> None:
    with pytest.raises(ValueError, match=r"Received: sharing=0.6"):
        IdentityConditionalModule(3, 8, sharing=0.6)
