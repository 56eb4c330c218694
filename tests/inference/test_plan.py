"""What was asked for becomes labels, ages and names."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.groups import AgeGroups
from agetrans.inference.plan import AgePlan

TEN = AgeGroups.of(10)


def test_ages_become_soft_labels():
    plan = AgePlan.of(TEN, ages=[25, 5, 1])
    np.testing.assert_array_equal(plan.labels, TEN.soft_label([25, 5, 1]))
    np.testing.assert_array_equal(plan.ages, [25, 5, 1])
    assert plan.stops == (0, 1, 2)
    assert plan.stop_names == ("25 years", "5 years", "1 year")


def test_nothing_said_means_all_groups_once():
    plan = AgePlan.of(TEN)
    np.testing.assert_array_equal(plan.labels, np.eye(10, dtype=np.float32))
    assert plan.stop_names == TEN.names
    np.testing.assert_allclose(plan.ages, TEN.centres)


@pytest.mark.parametrize(("count", "frames"), [(10, 91), (4, 31)])
def test_run_through_all_groups_is_the_published_sequence(count, frames):
    groups = AgeGroups.of(count)
    plan = AgePlan.of(groups, steps=10)
    assert len(plan) == frames
    np.testing.assert_allclose(plan.labels, groups.sequence(10), atol=1e-6)
    assert plan.stops == tuple(range(0, frames, 10))


def test_run_between_chosen_groups_passes_through_those_between():
    plan = AgePlan.of(TEN, groups=["70+", 5, "0-2"], steps=4)
    assert plan.stop_names == ("70+", "20-29", "0-2")
    np.testing.assert_array_equal(plan.labels[0], TEN.hard_label(9))
    np.testing.assert_array_equal(plan.labels[1], TEN.hard_label(8))
    np.testing.assert_array_equal(plan.labels[4], TEN.hard_label(5))
    np.testing.assert_array_equal(plan.labels[8], TEN.hard_label(0))
    assert (np.diff(plan.ages) < 0).all()
    np.testing.assert_allclose(plan.labels.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"ages": []}, "list of years"),
        ({"ages": [-1]}, "from 0 to 100"),
        ({"ages": [5, 101]}, "Received: 101"),
        ({"ages": [float("nan")]}, "Received: nan"),
        ({"ages": [5], "steps": 2}, "not for both"),
        ({"ages": [5], "groups": [1]}, "not for both"),
        ({"groups": 10}, "list of indices"),
        ({"groups": "20-29"}, "list of indices"),
        ({"groups": [10]}, "no group 10"),
        ({"groups": ["20-30"]}, "no group '20-30'"),
        ({"steps": 0}, "at least one step"),
    ],
)
def test_impossible_wishes_are_refused(wish, says):
    with pytest.raises(ValueError, match=says):
        AgePlan.of(TEN, **wish)


def test_four_groups_know_no_children():
    with pytest.raises(ValueError, match="from 15 to 100 years"):
        AgePlan.of(AgeGroups.of(4), ages=[14])
