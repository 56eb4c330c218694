"""The ruler of ages on made readings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from safetensors.numpy import save_file

from agetrans.cli.console import CommandError
from agetrans.groups import AgeGroups
from agetrans.models.age_estimator import AgeEstimator
from agetrans.training.ruler import Ruler, load_estimator, reader, save_estimator
from tests.training.steps import GROUPS

YEARS = np.array([4.0, 8.0, 25.0, 29.0, 50.0, 70.0, 80.0])
READINGS = np.array([9.0, 11.0, 28.0, 26.0, 40.0, 55.0, 57.0])
"""By group: means of years 6, 27, 50, 75 and of readings 10, 27, 40, 56."""


def read(pictures: np.ndarray) -> np.ndarray:
    """Pictures are their own readings."""
    return pictures.astype(float)


@pytest.fixture
def ruler() -> Ruler:
    return Ruler(read, READINGS, YEARS, GROUPS)


def test_the_mean_reading_of_a_group_stands_for_its_mean_age(ruler: Ruler) -> None:
    np.testing.assert_allclose(ruler(np.array([10.0, 27.0, 40.0, 56.0])), [6, 27, 50, 75])


def test_between_groups_it_is_linear(ruler: Ruler) -> None:
    np.testing.assert_allclose(ruler(np.array([18.5, 33.5, 44.0])), [16.5, 38.5, 56.25])


def test_beyond_the_outer_groups_the_line_goes_on_a_little(ruler: Ruler) -> None:
    slope = 21 / 17
    np.testing.assert_allclose(ruler(np.array([9.0, 0.0])), [6 - slope, 3])
    slope = 25 / 16
    np.testing.assert_allclose(ruler(np.array([58.0, 99.0])), [75 + 2 * slope, 85])


def test_no_age_is_negative() -> None:
    young = Ruler(read, READINGS, np.array([1.0, 2.0, *YEARS[2:]]), GROUPS)
    assert young(np.array([-50.0])) == 0


def test_a_group_without_photographs_is_named() -> None:
    few = YEARS < 60
    with pytest.raises(ValueError, match=r"There are none of 60\+\."):
        Ruler(read, READINGS[few], YEARS[few], GROUPS)


def test_readings_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match=r"do not rise with age: \[10\.0, 27\.0, 60\.0, 56\.0\]"):
        Ruler(read, np.where(READINGS == 40, 60, READINGS), YEARS, GROUPS)


def test_ten_groups_need_ten_kinds_of_people() -> None:
    with pytest.raises(ValueError, match="none of 7-9, 10-14"):
        Ruler(read, np.arange(8.0), np.array([1, 5, 17, 25, 33, 45, 60, 80.0]), AgeGroups.of(10))


def test_pictures_are_read_in_parts_and_in_order() -> None:
    class Brightness(keras.Model):
        """Certain of the age that is half the mean level."""

        def call(self, image: Any) -> dict[str, Any]:
            level = (ops.mean(image, axis=(1, 2, 3)) + 1) * 127.5
            return {"logits": -10 * ops.abs(ops.arange(101, dtype="float32") - level[:, None] / 2)}

    levels = np.arange(0, 200, 2).astype(np.uint8)  # more than one part of 64
    pictures = np.broadcast_to(levels[:, None, None, None], (100, 4, 4, 3))
    np.testing.assert_allclose(reader(Brightness())(pictures), levels / 2, atol=1e-2)


def test_a_written_estimator_reads_as_before(tmp_path: Path) -> None:
    estimator = AgeEstimator()
    random = np.random.default_rng(1)
    estimator.years.kernel.assign(random.normal(0, 3, estimator.years.kernel.shape))
    estimator.years.bias.assign(random.normal(0, 3, estimator.years.bias.shape))
    path = tmp_path / "estimator.safetensors"
    save_estimator(estimator, path)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 256, 256, 3), np.uint8)
    ages = reader(estimator)(pictures)
    assert abs(ages - reader(AgeEstimator())(pictures)).max() > 1
    np.testing.assert_allclose(reader(load_estimator(path))(pictures), ages, atol=0.1)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_other_files_are_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(CommandError, match=r"weights\.safetensors cannot be read as weights"):
        load_estimator(path)
    save_file({"years/kernel": np.zeros((3, 3), np.float32)}, path)
    with pytest.raises(CommandError, match="holds the weights of another network"):
        load_estimator(path)
