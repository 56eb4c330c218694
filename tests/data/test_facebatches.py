"""Batches of prepared photographs: balanced, repeatable, cut into pieces that mean the same."""

from __future__ import annotations

import numpy as np
import pytest

from agetrans.data.facebatches import FaceBatches, augment
from agetrans.data.prefetch import prefetch
from agetrans.data.shards import Shards, encode_face
from agetrans.data.tfrecord import write_record
from agetrans.groups import AgeGroups

GROUPS = AgeGroups((0, 20, 40), (10.0, 30.0, 50.0))


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """Forty children, three adults, one old person; a picture's grey is its number."""
    folder = tmp_path_factory.mktemp("shards")
    ages = [5.0] * 40 + [30.0] * 3 + [60.0]
    with open(folder / "a.tfrecord", "wb") as file:
        for number, age in enumerate(ages):
            picture = np.full((16, 16, 3), 5 * number, np.uint8)
            write_record(file, encode_face(picture, age, None, None, f"{number}.png", ".png"))
    return Shards(folder)


def test_groups_are_balanced_in_every_batch(shards: Shards) -> None:
    batches = FaceBatches(shards, GROUPS, batch=7)
    seen: set[int] = set()
    for number in range(60):
        chosen, places = batches.draw(number)
        counts = np.bincount([GROUPS.index(age) for age in shards.years[chosen]], minlength=3)
        assert sorted(counts) == [2, 2, 3]
        assert places.min() >= 0
        assert places.max() <= 2
        seen |= {*chosen.tolist()}
    assert len(seen) > 40


def test_a_batch_depends_on_its_number_and_the_seed_alone(shards: Shards) -> None:
    first, again = FaceBatches(shards, GROUPS, 4), FaceBatches(shards, GROUPS, 4)
    first.make(0)
    for name, array in first.make(3).items():
        np.testing.assert_array_equal(array, again.make(3)[name])
    other = FaceBatches(shards, GROUPS, 4, seed=1)
    assert np.any(other.make(3)["image"] != first.make(3)["image"])
    assert np.any(first.make(4)["image"] != first.make(3)["image"])


def test_labels_are_those_of_the_shown_and_the_wanted_age(shards: Shards) -> None:
    batch = FaceBatches(shards, GROUPS, 6, noise_sides=(4, 8), picture_noise=True).make(0)
    np.testing.assert_array_equal(batch["label"], GROUPS.soft_label(batch["years"]))
    np.testing.assert_allclose(batch["target"].sum(axis=1), 1, atol=1e-6)
    assert (batch["target"].max(axis=1) < 1).any()
    assert {name: array.shape for name, array in batch.items()} == {
        "image": (6, 16, 16, 3),
        "years": (6,),
        "label": (6, 3),
        "target": (6, 3),
        "noise0": (6, 4, 4, 1),
        "noise1": (6, 8, 8, 1),
        "picture_noise": (6, 16, 16, 3),
    }


def test_pure_labels(shards: Shards) -> None:
    batch = FaceBatches(shards, GROUPS, 6, between_groups=False).make(0)
    for name in ("label", "target"):
        assert {*batch[name].ravel().tolist()} == {0.0, 1.0}
        assert (batch[name].sum(axis=1) == 1).all()
    indices = [GROUPS.index(age) for age in batch["years"]]
    np.testing.assert_array_equal(batch["label"].argmax(axis=1), indices)


def test_pieces_hold_every_nth_sample(shards: Shards) -> None:
    whole = FaceBatches(shards, GROUPS, 8).make(2)
    parts = FaceBatches(shards, GROUPS, 8, parts=2).make(2)
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name][:4], array[::2])
        np.testing.assert_array_equal(parts[name][4:], array[1::2])
    with pytest.raises(ValueError, match="3 parts do not divide a batch of 8"):
        FaceBatches(shards, GROUPS, 8, parts=3)


def test_augmentation_moves_a_face_a_little() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[20:30, 10:20] = 200
    places, lights = [], []
    for seed in range(60):
        moved = augment(picture, np.random.default_rng(seed))
        assert moved.shape == picture.shape
        assert moved.dtype == np.uint8
        lights.append(moved.max())
        rows, columns = np.nonzero(moved[..., 0] > 100)
        places.append((rows.mean(), columns.mean()))
    mirrored = np.array([column > 32 for _, column in places])
    assert 15 < mirrored.sum() < 45
    straight = np.array([(row, 63 - column if column > 32 else column) for row, column in places])
    np.testing.assert_allclose(straight.mean(axis=0), [24.5, 14.5], atol=0.7)
    assert straight.std() > 0.3
    assert np.abs(straight - [24.5, 14.5]).max() < 5
    assert 180 < np.mean(lights) < 220
    assert np.std(lights) > 2


def test_prefetching_keeps_the_order() -> None:
    numbers = prefetch(lambda number: number * number, first=3, threads=2)
    assert [next(numbers) for _ in range(9)] == [n * n for n in range(3, 12)]
