"""Frames to files, sheet and film."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from agetrans.groups import AgeGroups
from agetrans.inference.film import Film
from agetrans.inference.plan import AgePlan
from agetrans.inference.sequence import SequenceWriter, named_by_age, numbered
from agetrans.inference.sheet import CELL_WIDTH, INPUT_COLOUR, contact_sheet, thumbnail


class Stream(SimpleNamespace):
    """Frames without a model: plain colours that say which frame they are."""

    def __init__(self, plan: AgePlan, size: int = 64, stop_at: int | None = None) -> None:
        super().__init__(plan=plan, picture=np.full((size, size, 3), 30, np.uint8), stop_at=stop_at)

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self):
        for index in range(len(self.plan)):
            if index == self.stop_at:
                raise KeyboardInterrupt
            yield np.full_like(self.picture, (40 + 5 * index) % 256)


@pytest.fixture
def plan() -> AgePlan:
    return AgePlan.of(AgeGroups.of(4), steps=3)


def read_film(path) -> list[np.ndarray]:
    import av

    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_writes_frames_input_sheet_and_film(plan, tmp_path):
    paths = SequenceWriter().write(Stream(plan), tmp_path / "run", numbered(len(plan)))
    names = {path.name for path in (tmp_path / "run").iterdir() if not path.name.startswith(".")}
    assert names == {path.name for path in paths}
    assert names == {f"{i:03}.png" for i in range(10)} | {"input.png", "sheet.png", "film.mp4"}
    for index in range(10):
        assert (cv2.imread(str(tmp_path / "run" / f"{index:03}.png")) == 40 + 5 * index).all()
    assert (cv2.imread(str(tmp_path / "run" / "input.png")) == 30).all()
    labelled = {path.name for path in paths if path.suffix == ".png" and "Comment" in Image.open(path).info}
    assert labelled == names - {"input.png", "film.mp4"}


def test_film_goes_forward_and_back_as_browsers_play_it(plan, tmp_path):
    import av

    SequenceWriter().write(Stream(plan, size=101), tmp_path, numbered(len(plan)))
    with av.open(str(tmp_path / "film.mp4")) as container:
        video = container.streams.video[0]
        assert video.codec_context.name == "h264"
        assert video.codec_context.pix_fmt == "yuv420p"
        assert video.average_rate == 10
        assert (video.width, video.height) == (100, 100)
        assert float(video.duration * video.time_base) == pytest.approx(2.0)
    levels = [frame[10, 50].mean() for frame in read_film(tmp_path / "film.mp4")]
    there = [40 + 5 * index for index in range(10)]
    np.testing.assert_allclose(levels, there + there[::-1], atol=3)


def test_film_carries_the_age_in_its_lower_left_corner(tmp_path):
    with Film(tmp_path / "film.mp4", (200, 200)) as film:
        film.add(np.full((200, 200, 3), 100, np.uint8), "Age 34")
        film.add(np.full((200, 200, 3), 100, np.uint8), "Age 34")
        film.add(np.full((200, 200, 3), 100, np.uint8), "Age 7")
    first, same, other = read_film(tmp_path / "film.mp4")
    words = np.abs(first.astype(int) - 100).max(axis=2) > 40
    rows, columns = np.nonzero(words)
    assert rows.min() > 150
    assert columns.max() < 100
    assert np.abs(first.astype(int) - same)[words].mean() < 5
    assert np.abs(first.astype(int) - other)[words].mean() > 20


def test_the_same_frames_make_the_same_bytes(plan, tmp_path):
    for run in ("a", "b"):
        SequenceWriter().write(Stream(plan), tmp_path / run, numbered(len(plan)))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_run_removes_the_files_of_the_one_before_and_nothing_else(plan, tmp_path):
    SequenceWriter().write(Stream(plan), tmp_path, numbered(len(plan)))
    (tmp_path / "007.jpg").write_bytes(b"a user's own")
    (tmp_path / "notes.txt").write_text("mine")
    single = AgePlan.of(AgeGroups.of(4), ages=[20, 30.5])
    SequenceWriter(kind=".jpg", film=False, sheet=False).write(
        Stream(single), tmp_path, named_by_age(single.ages)
    )
    names = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert names == {"age_020.jpg", "age_030.5.jpg", "input.jpg", "007.jpg", "notes.txt"}


def test_a_run_removes_what_a_killed_one_left_unfinished(plan, tmp_path):
    SequenceWriter().write(Stream(plan), tmp_path, numbered(len(plan)))
    for name in ("007.png", "sheet.png", "film.mp4", "notes.txt"):
        (tmp_path / f".{name}.unfinished").write_bytes(b"half")
    single = AgePlan.of(AgeGroups.of(4), ages=[20])
    SequenceWriter(film=False, sheet=False).write(Stream(single), tmp_path, named_by_age(single.ages))
    assert [path.name for path in tmp_path.glob(".*.unfinished")] == [".notes.txt.unfinished"]


def test_an_interrupted_run_leaves_whole_frames_only(tmp_path):
    plan = AgePlan.of(AgeGroups.of(4), steps=40)
    with pytest.raises(KeyboardInterrupt):
        SequenceWriter().write(Stream(plan, stop_at=110), tmp_path, numbered(len(plan)))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert set(names) <= {".agetrans-files", "input.png", *(f"{i:03}.png" for i in range(110))}
    assert "000.png" in names
    for name in names[1:]:
        assert cv2.imread(str(tmp_path / name)).shape == (64, 64, 3)


def test_every_picture_of_the_film_carries_its_own_age(plan, tmp_path, monkeypatch):
    shown = []
    add = Film.add

    def watched(film: Film, frame: np.ndarray, caption: str) -> None:
        shown.append((int(frame.mean()), caption))
        add(film, frame, caption)

    monkeypatch.setattr(Film, "add", watched)
    SequenceWriter().write(Stream(plan), tmp_path, numbered(len(plan)))
    assert len(shown) == 20
    ages = [f"Age {age:.0f}" for age in plan.ages]
    assert shown[:10] == [(40 + 5 * index, age) for index, age in enumerate(ages)]
    assert shown[10:] == shown[9::-1]


def test_progress_counts_every_frame_there_and_back(plan, tmp_path):
    seen = []

    def track(items, what, count):
        for item in items:
            seen.append((what, count))
            yield item

    SequenceWriter(track=track).write(Stream(plan), tmp_path, numbered(len(plan)))
    assert seen == [("Ages", 10)] * 10 + [("Film", 10)] * 10


def test_names_sort_by_age_and_by_number():
    assert named_by_age([5, 70, 7.5, 100]) == ["age_005", "age_070", "age_007.5", "age_100"]
    assert numbered(2) == ["000", "001"]
    assert numbered(1001)[7] == "0007"


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 2), (4, 1, 5), (10, 2, 6), (20, 4, 6)])
def test_sheet_holds_the_marked_input_and_every_age(count, rows, columns):
    original = thumbnail(np.full((100, 50, 3), 10, np.uint8))
    frames = [thumbnail(np.full((100, 50, 3), 100 + i, np.uint8)) for i in range(count)]
    sheet = contact_sheet(original, frames, [f"{i} years" for i in range(count)])
    assert original.shape == (2 * CELL_WIDTH, CELL_WIDTH, 3)
    assert sheet.shape[1] // CELL_WIDTH == columns
    assert sheet.shape[0] // (2 * CELL_WIDTH) == rows
    orange = (sheet == INPUT_COLOUR).all(axis=2)
    assert orange[: 2 * CELL_WIDTH + 50, : CELL_WIDTH + 20].sum() > 1000
    assert not orange[:, CELL_WIDTH + 20 :].any()
    for i in range(count):
        assert (sheet == 100 + i).all(axis=2).sum() >= 2 * CELL_WIDTH * CELL_WIDTH
