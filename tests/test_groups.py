"""Age groups and labels, against the published program's and against their definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agetrans.groups import AgeGroups

GOLDEN = Path(__file__).parents[2] / "shared" / "golden" / "agetransgan" / "labels_and_range.npz"


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (10, ("0-2", "3-6", "7-9", "10-14", "15-19", "20-29", "30-39", "40-49", "50-69", "70+")),
        (4, ("15-29", "30-39", "40-49", "50+")),
    ],
)
def test_published_partitions(count, names):
    groups = AgeGroups.of(count)
    assert groups.names == names
    assert groups.count == count
    # Each centre lies in its own group.
    assert [groups.index(centre) for centre in groups.centres] == list(range(count))


@pytest.mark.parametrize(
    ("years", "index"),
    [(0, 0), (2.9, 0), (3, 1), (6.99, 1), (19, 4), (20, 5), (29.5, 5), (30, 6), (69.9, 8), (70, 9), (120, 9)],
)
def test_a_year_belongs_to_the_group_that_has_begun(years, index):
    assert AgeGroups.of(10).index(years) == index


def test_ages_below_the_first_group_count_to_it():
    assert AgeGroups.of(4).index(3) == 0


@pytest.mark.parametrize("count", [10, 4])
def test_sequence_is_the_published_programs(count):
    if not GOLDEN.exists():
        pytest.skip("the golden arrays are not here")
    golden = np.load(GOLDEN)
    rows = next(golden[name] for name in golden if golden[name].shape == ((count - 1) * 10 + 1, count))
    np.testing.assert_allclose(AgeGroups.of(count).sequence(10), rows, atol=1e-6)


@given(st.floats(0, 100), st.sampled_from([10, 4]))
def test_soft_label_mixes_two_neighbours_and_keeps_the_age(years, count):
    groups = AgeGroups.of(count)
    label = groups.soft_label(years)
    assert label.shape == (count,)
    assert label.dtype == np.float32
    assert label.sum() == pytest.approx(1, abs=1e-6)
    used = np.flatnonzero(label)
    assert len(used) == 1 or (len(used) == 2 and used[1] == used[0] + 1)
    assert groups.years(label) == pytest.approx(
        np.clip(years, groups.centres[0], groups.centres[-1]), abs=1e-4
    )


@given(st.lists(st.integers(0, 90), min_size=2, max_size=12, unique=True))
def test_any_rising_bounds_make_groups(bounds):
    bounds = sorted(bounds)
    groups = AgeGroups.of(bounds)
    assert groups.lower_bounds == tuple(bounds)
    assert [groups.index(bound) for bound in bounds] == list(range(len(bounds)))
    assert all(groups.index(centre) == index for index, centre in enumerate(groups.centres))
    np.testing.assert_array_equal(groups.hard_label(1), groups.soft_label(groups.centres[1]))


@pytest.mark.parametrize("groups", [7, [30, 20], [10], [5, 5]])
def test_impossible_partitions_are_refused(groups):
    with pytest.raises(ValueError, match="Received"):
        AgeGroups.of(groups)


@pytest.mark.parametrize("index", [-1, 10])
def test_unknown_group_is_refused(index):
    with pytest.raises(ValueError, match="0 to 9"):
        AgeGroups.of(10).hard_label(index)
