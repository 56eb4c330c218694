"""Thresholds from impostors, and who passes them."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.evaluation.verification import calibrate, impostor_similarities, own_thresholds, verified


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def people(count: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, 128))).astype(np.float32)


def test_the_input_itself_is_the_same_person_and_one_stranger_in_a_hundred_is() -> None:
    inputs, strangers, others = people(2000, 0), people(2000, 1), people(2000, 2)
    impostors = impostor_similarities(inputs, others)
    thresholds = own_thresholds(impostors)
    assert verified(inputs, inputs, thresholds).all()
    accepted = verified(inputs, strangers, thresholds).mean()
    assert 0.005 < accepted < 0.016
    assert 0.005 < verified(inputs, strangers, np.quantile(impostors, 0.99)).mean() < 0.016


def test_a_source_is_no_impostor_of_itself() -> None:
    group = people(30, 3)
    impostors = impostor_similarities(group[:10], group)
    assert np.isnan(impostors).sum() == 10
    assert np.isnan(np.diagonal(impostors)).all()
    np.testing.assert_allclose(impostors[0, 1:], group[1:] @ group[0], atol=1e-6)


def test_a_threshold_is_the_quantile_of_the_pairs_and_says_how_many() -> None:
    impostors = np.random.default_rng(4).normal(size=(40, 50))
    impostors[0, 0] = np.nan
    threshold = calibrate(impostors)
    finite = np.sort(impostors[np.isfinite(impostors)])
    assert threshold.count == 1999
    assert (finite > threshold.value).mean() == pytest.approx(0.01, abs=6e-4)
    assert threshold.low < threshold.value < threshold.high
    assert threshold == calibrate(impostors)


def test_the_interval_knows_that_pairs_share_people() -> None:
    # Every pair of a source is as similar as the source is: a thousand pairs are ten cases.
    random = np.random.default_rng(5)
    dependent = np.repeat(random.normal(size=(10, 1)), 100, axis=1)
    independent = random.normal(size=(10, 100))
    wide, narrow = calibrate(dependent), calibrate(independent)
    assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="100 impostor pairs"):
        calibrate(np.zeros((9, 11)))


def test_a_missing_output_is_neither_verified_nor_rejected() -> None:
    inputs = people(3, 6)
    outputs = inputs.copy()
    outputs[1] = np.nan
    assert np.isnan(verified(inputs, outputs, 0.5)).tolist() == [False, True, False]
