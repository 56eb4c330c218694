"""The figures' arithmetic, on made readings."""

from __future__ import annotations

import numpy as np

from agetrans.evaluation.figures import outside_head, rises, same_person


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_the_input_itself_is_the_same_person_and_strangers_are_not() -> None:
    random = np.random.default_rng(0)
    people, others = unit(random.normal(size=(20, 128))), unit(random.normal(size=(300, 128)))
    assert same_person(people, people, others).all()
    strangers = unit(random.normal(size=(2000, 128)))
    inputs = unit(random.normal(size=(2000, 128)))
    accepted = same_person(inputs, strangers, unit(random.normal(size=(2000, 128)))).mean()
    assert 0.003 < accepted < 0.02  # one in a hundred, by the definition of the threshold


def test_only_changes_outside_the_head_count() -> None:
    before = np.full((2, 256, 256, 3), 100, np.uint8)
    head, corner = before.copy(), before.copy()
    head[:, 60:190, 80:180] = 0
    assert outside_head(before, head) == 0.0
    corner[:, :20, :20] = 110
    y, x = np.mgrid[:256, :256]
    background = (((x - 128) / 98) ** 2 + ((y - 122) / 126) ** 2 > 1).sum()
    np.testing.assert_allclose(outside_head(before, corner), 10 * 400 / background, rtol=0.02)


def test_one_small_inversion_is_forgiven() -> None:
    ages = np.array([[1.0, 5, 9, 20], [1, 5, 4, 20], [1, 5, 2.5, 20], [2, 1, 0.5, 20]])
    assert rises(ages).tolist() == [True, True, False, False]
