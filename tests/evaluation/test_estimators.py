"""The estimators that come as files: what they feed their networks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from agetrans.evaluation.errors import EvaluationError
from agetrans.evaluation.estimators import ResNetEstimator, SmallEstimator, find_estimator
from tests.conftest import PORTRAIT


def test_the_shipped_one_reads_an_adult_and_her_mirror_image_alike() -> None:
    picture = cv2.cvtColor(cv2.imread(str(PORTRAIT)), cv2.COLOR_BGR2RGB)[:256, 100:356]
    estimator = find_estimator()
    assert isinstance(estimator, SmallEstimator)
    ages = estimator.read([picture, picture[:, ::-1], cv2.resize(picture, (512, 512))])
    assert ages.shape == (3, 1)
    assert 15 < ages[0, 0] < 60
    assert ages[1, 0] == pytest.approx(ages[0, 0], abs=1e-3)
    assert ages[2, 0] == pytest.approx(ages[0, 0], abs=3.0)


def test_the_authors_network_is_fed_bgr_at_224_without_a_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed = []

    def run(batch: np.ndarray) -> np.ndarray:
        fed.append(batch)
        return batch.mean(axis=(1, 2, 3))

    weights = tmp_path / "model_best_loss"
    weights.write_bytes(b"weights")
    monkeypatch.setattr(ResNetEstimator, "_load", lambda self: run)
    pictures = list(np.random.default_rng(0).integers(0, 256, (40, 224, 224, 3), np.uint8))
    ages = find_estimator(weights).read(pictures)
    assert ages.shape == (40, 1)
    assert [len(batch) for batch in fed] == [32, 8]
    np.testing.assert_array_equal(fed[0][3], pictures[3][..., ::-1].astype(np.float32))
    large = np.repeat(np.repeat(pictures[0], 2, axis=0), 2, axis=1)
    find_estimator(weights).read([large])
    expected = cv2.resize(large, (224, 224), interpolation=cv2.INTER_LINEAR)[..., ::-1]
    np.testing.assert_array_equal(fed[-1][0], expected)


def test_names_change_with_the_weights(tmp_path: Path) -> None:
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for path in paths:
        path.write_bytes(path.name.encode())
    assert SmallEstimator(paths[0]).name != SmallEstimator(paths[1]).name


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"gone\.pt"):
        find_estimator(tmp_path / "gone.pt")
