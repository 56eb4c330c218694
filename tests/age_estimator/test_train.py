"""What `age_estimator/train.py` feeds the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agetrans.training import age_estimator as train


@pytest.fixture
def data(tmp_path: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Thirty photographs as bright as they are old, and eighty samples as bright as their first latent number."""
    ages = np.arange(30, dtype=np.float32) * 3
    pictures = np.repeat(ages.astype(np.uint8), 256 * 256 * 3).reshape(30, 256, 256, 3)
    np.savez(tmp_path / "photos.npz", pictures=pictures, age=ages, male=(ages % 2).astype(np.float32))
    random = np.random.default_rng(0)
    (tmp_path / "samples").mkdir()
    for first in (0, 40):
        w = random.normal(size=(40, 512)).astype(np.float32)
        w[:, 0] *= 40
        levels = np.clip(128 + w[:, 0], 0, 255).astype(np.uint8)
        shown = np.repeat(levels, 256 * 256 * 3).reshape(40, 256, 256, 3)
        np.savez(tmp_path / "samples" / f"{first:05d}.npz", w=w, pictures=shown)
    return train.load_data(tmp_path / "photos.npz", tmp_path / "samples")


def test_components_are_uncorrelated_of_unit_variance_and_the_widest_first() -> None:
    random = np.random.default_rng(1)
    latents = random.normal(size=(400, 512)) * np.r_[30.0, 10.0, np.ones(510)] + 5
    components = train.principal_components(latents, 4)
    np.testing.assert_allclose(components.T @ components / 400, np.eye(4), atol=1e-4)
    assert abs(np.corrcoef(components[:, 0], latents[:, 0])[0, 1]) > 0.99
    assert abs(np.corrcoef(components[:, 1], latents[:, 1])[0, 1]) > 0.95


def test_a_batch_has_photographs_first_each_with_its_own_labels(
    data: tuple[dict[str, np.ndarray], dict[str, np.ndarray]],
) -> None:
    photos, samples = data
    assert photos["pictures"].shape == (30, 128, 128, 3)
    batch = next(train.batches(photos, samples, 0))[0]
    assert batch["faces"].shape == (64, 64, 64, 3)
    # A patch may cover a part of a picture: its median is what it was.
    levels = np.median(batch["faces"], axis=(1, 2, 3))
    np.testing.assert_allclose(levels[:48], batch["age"], atol=1)
    np.testing.assert_array_equal(batch["male"], batch["age"] % 2)
    shown = (levels[48:] > 20) & (levels[48:] < 235)
    assert abs(np.corrcoef(levels[48:][shown], batch["latent"][shown, 0])[0, 1]) > 0.9


def test_disturbed_faces_are_the_inner_three_quarters_mirrored_half_of_the_time() -> None:
    picture = np.zeros((128, 128, 3), np.uint8)
    picture[:, 64:] = 200
    random = np.random.default_rng(2)
    faces = np.stack([train.disturbed_face(picture, random) for _ in range(200)])
    bright_right = np.median(faces[:, :, 48:], axis=(1, 2, 3)) > np.median(faces[:, :, :16], axis=(1, 2, 3))
    assert 0.4 < bright_right.mean() < 0.6
    again = train.disturbed_face(picture, np.random.default_rng(2))
    np.testing.assert_array_equal(again, faces[0])
