"""Readings are made once a picture and judge, and survive an interruption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from agetrans.evaluation.readings import CacheError, ReadingCache, Readings


class MeanJudge:
    """Reads a picture's mean and maximum; counts the pictures that it was shown."""

    width = 2

    def __init__(self, name: str = "mean", stop_after: int | None = None) -> None:
        self.name, self.seen, self._stop_after = name, 0, stop_after

    def read(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        if self._stop_after is not None and self.seen >= self._stop_after:
            raise KeyboardInterrupt
        self.seen += len(pictures)
        return np.array([[picture.mean(), picture.max()] for picture in pictures], np.float32)


@pytest.fixture
def pictures() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), np.uint8))


def expected(pictures: list[np.ndarray]) -> np.ndarray:
    return np.array([[picture.mean(), picture.max()] for picture in pictures], np.float32)


def test_no_picture_is_read_twice(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    judge = MeanJudge()
    first = ReadingCache(tmp_path / "deep" / "cache.sqlite").read(judge, [*pictures, pictures[3]])
    np.testing.assert_array_equal(first, expected([*pictures, pictures[3]]))
    assert judge.seen == 70
    again = ReadingCache(tmp_path / "deep" / "cache.sqlite").read(judge, pictures[::-1])
    np.testing.assert_array_equal(again, expected(pictures[::-1]))
    assert judge.seen == 70


def test_another_judge_reads_for_itself(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    cache = ReadingCache(tmp_path / "cache.sqlite")
    cache.read(MeanJudge("one"), pictures)
    other = MeanJudge("two")
    cache.read(other, pictures)
    assert other.seen == 70


def test_an_interrupted_reading_goes_on_where_it_was(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    with pytest.raises(KeyboardInterrupt):
        ReadingCache(tmp_path / "cache.sqlite").read(MeanJudge(stop_after=32), pictures)
    judge = MeanJudge()
    rows = ReadingCache(tmp_path / "cache.sqlite").read(judge, pictures)
    assert judge.seen == 70 - 32
    np.testing.assert_array_equal(rows, expected(pictures))


def test_no_pictures_give_no_rows(tmp_path: Path) -> None:
    assert ReadingCache(tmp_path / "cache.sqlite").read(MeanJudge(), []).shape == (0, 2)


def test_another_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"not a database, but long enough to be read as one" * 40)
    with pytest.raises(CacheError, match="--cache"):
        ReadingCache(path)


def test_rows_have_names() -> None:
    rows = np.arange(2 * 267, dtype=np.float32).reshape(2, 267)
    readings = Readings(rows)
    assert readings.ages.tolist() == [1, 268]
    assert readings[0].embeddings.tolist() == list(range(3, 131))
    assert readings.points.shape == (2, 68, 2)
    assert readings.points[0, 1].tolist() == [133, 134]
