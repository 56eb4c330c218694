"""What a generator must be asked for, measured with an estimator that reads brightness."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agetrans.cli.console import CommandError
from agetrans.groups import AgeGroups
from agetrans.models.age_estimator import AgeEstimator
from agetrans.models.agetrans import AgeTrans
from agetrans.snapshot import load_snapshot, save_snapshot
from agetrans.training import calibrate
from agetrans.training.ruler import save_estimator

GROUPS = AgeGroups.of(4)  # all of them grown
YEARS = np.array([20.0, 34.0, 45.0, 65.0])


def brightness(pictures: np.ndarray) -> np.ndarray:
    return pictures.mean(axis=(1, 2, 3))


class Hesitant:
    """Goes a part of the way from a face's own age to the wanted one; ages are brightness."""

    def __init__(self, share: float) -> None:
        self.share = share

    def render(self, picture: np.ndarray, labels: np.ndarray) -> Iterator[np.ndarray]:
        for label in labels:
            aged = picture.mean() + self.share * (label @ YEARS - picture.mean())
            yield np.full((4, 4, 3), round(aged), np.uint8)


def photographs(years: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "pictures": np.broadcast_to(years.astype(np.uint8)[:, None, None, None], (len(years), 4, 4, 3)),
        "age": years,
    }


def test_a_generator_that_does_as_it_is_asked_is_asked_for_the_groups() -> None:
    table = calibrate.calibrated(Hesitant(1.0), brightness, photographs(YEARS.repeat(3)), GROUPS, 2)
    np.testing.assert_allclose(table, np.tile(np.arange(4.0), (4, 1)), atol=0.05)


def test_a_hesitant_one_is_asked_for_more_on_both_sides_of_its_own_age(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calibrate, "STRENGTH", 1.0)
    table = calibrate.calibrated(Hesitant(0.75), brightness, photographs(YEARS.repeat(3)), GROUPS, 2)
    assert (np.diag(table) == np.arange(4)).all()
    assert (np.diff(table, axis=1) >= 0).all()
    # From 34 years to 45: three quarters of the way to 34 + 11 / 0.75 = 48.7, between 45 and 65 years.
    assert table[1, 2] == pytest.approx(2 + 3.7 / 20, abs=0.06)
    # From 65 to 34: what would be 23.7 years, between 20 and 34.
    assert table[3, 1] == pytest.approx(3.7 / 14, abs=0.08)
    # What is out of reach gets the end.
    assert table[1, 0] == 0
    assert table[0, 3] == 3


def test_a_share_of_the_way_is_taken() -> None:
    readings, places = np.array([20.0, 34, 45, 65]), np.arange(4.0)
    found = calibrate.places_to_ask(readings, places, np.array([20, 34, 55, 65]), own=1)
    np.testing.assert_allclose(found, [0, 1, 2.4, 3], atol=1e-3)


def test_readings_that_fall_do_not_turn_the_order_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "STRENGTH", 1.0)
    places = np.arange(0, 3.5, 0.5)
    readings = np.array([10.0, 22, 20, 30, 38, 36, 50])
    found = calibrate.places_to_ask(readings, places, np.array([8.0, 21, 37, 60]), own=1)
    np.testing.assert_allclose(found, [0, 1, 1.5 + 0.5 * 7 / 8, 3], atol=1e-3)


def test_people_are_drawn_alike_each_time() -> None:
    members = np.repeat(np.arange(4), 50)
    first, again = (calibrate.chosen_people(members, 2, 10) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(set(first)) == 10
    assert (members[first] == 2).all()
    assert len(calibrate.chosen_people(members, 2, 80)) == 50


def test_a_group_without_people_is_named() -> None:
    with pytest.raises(CommandError, match=r"there are none of 50\+"):
        calibrate.calibrated(Hesitant(1.0), brightness, photographs(YEARS[:3]), GROUPS, 2)


def test_a_snapshot_keeps_its_weights_and_gets_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "small"
    save_snapshot(AgeTrans(64, 4, 2, 8), GROUPS, folder, card="A card.\n", licenses="None.\n")
    weights = (folder / "weights.safetensors").read_bytes()
    photos = {**photographs(YEARS), "pictures": np.zeros((4, 256, 256, 3), np.uint8)}
    np.savez(tmp_path / "photos.npz", **photos)
    save_estimator(AgeEstimator(), tmp_path / "critic.safetensors")
    seen: dict[str, Any] = {}

    def measured(transformer: Any, read: Any, photographs: Any, age_groups: Any, people: int) -> np.ndarray:
        seen.update(asked=transformer.generator.asked, pictures=photographs["pictures"].shape, people=people)
        return np.arange(16.0).reshape(4, 4) / 8

    monkeypatch.setattr(calibrate, "calibrated", measured)
    flags = ["calibrate", "--snapshot", str(folder), "--photos", str(tmp_path / "photos.npz")]
    flags += ["--critic", str(tmp_path / "critic.safetensors"), "--people", "5"]
    for _ in range(2):  # a calibrated snapshot is calibrated anew, not on top
        assert calibrate.main(calibrate.parse(flags)) == 0
        assert seen == {"asked": None, "pictures": (4, 256, 256, 3), "people": 5}
    generator = load_snapshot(folder).generator
    np.testing.assert_allclose(generator.asked, np.arange(16.0).reshape(4, 4) / 8)
    assert (folder / "weights.safetensors").read_bytes() == weights
    assert (folder / "README.md").read_text() == "A card.\n"


def test_children_are_not_asked_to_look_older_than_wanted() -> None:
    groups = AgeGroups.of([5, 14, 30, 50])
    table = calibrate.calibrated(Hesitant(0.75), brightness, photographs(YEARS.repeat(3) - 10), groups, 2)
    np.testing.assert_array_equal(table[0], np.arange(4))
    assert (table[1, 1:] == np.arange(1, 4)).all()
    assert table[2, 3] != 3


def test_nobody_is_asked_for_more_than_two_groups_below_and_one_above() -> None:
    readings = np.linspace(40, 70, 19)  # nobody looks younger than 40
    wanted = np.array([2.0, 5, 8, 12, 18, 25, 34, 44, 57, 75])
    found = calibrate.places_to_ask(readings, np.arange(0, 9.5, 0.5), wanted, own=9)
    np.testing.assert_allclose(found, [0, 0.4, 0.8, 1.4, 2.4, 3.4, 4.4, 5.4, 6.4, 9])
    young = calibrate.places_to_ask(readings - 40, np.arange(0, 9.5, 0.5), wanted, own=2)
    np.testing.assert_allclose(young, [0.48, 1.4, 2, 3.48, 4.8, 5.8, 6.8, 7.8, 8.6, 9], atol=0.01)


def test_who_is_younger_than_the_first_group_has_no_part() -> None:
    years = np.r_[YEARS.repeat(3), np.full(50, 3.0)]
    alone, beside = (
        calibrate.calibrated(Hesitant(0.75), brightness, photographs(ages), GROUPS, 2)
        for ages in (YEARS.repeat(3), years)
    )
    np.testing.assert_array_equal(alone, beside)
