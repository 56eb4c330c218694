"""The demo, with a film for a camera and a list of keys for a person."""

from __future__ import annotations

import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from agetrans.cli import camera
from agetrans.cli.console import in_sentences
from agetrans.inference.filmsource import read_frames
from tests.conftest import PORTRAIT
from tests.inference.test_refilm import write_clip


class Audience:
    """A screen whose keys are pressed as planned: by number of the frame."""

    def __init__(self, keys: dict[int, str]) -> None:
        self.keys, self.seen = keys, []

    def show(self, picture):
        self.seen.append(picture)
        return [self.keys[len(self.seen)]] if len(self.seen) in self.keys else []


@pytest.fixture
def ageing(tiny_snapshots):
    arguments = camera.parse(
        ["main.py", "--batch_size", "4", "--snapshot", str(tiny_snapshots / "agetrans_10group")]
    )
    wish = camera.Wish.of(arguments, steps=1, size=64)
    return camera.Ageing(wish)


def play(ageing, portrait, folder, keys: dict[int, str], frames: int = 12):
    audience = Audience(keys)
    demo = camera.Demo(audience, ageing, folder, 70, True, 25)
    count, _ = demo.run(iter([portrait] * frames))
    return count, audience, demo


def test_arrows_change_the_age_l_shows_the_camera_escape_leaves(ageing, portrait, tmp_path):
    count, audience, demo = play(
        ageing, portrait, tmp_path, {1: "older", 2: "older", 3: "older", 4: "younger", 5: "live", 8: "leave"}
    )
    assert count == 8
    assert demo._years == 72  # 77 is the last group's centre
    face = np.s_[40:80, 95:130]
    changed = [np.abs(picture[face].astype(int) - portrait[face]).mean() > 1 for picture in audience.seen]
    assert changed == [True] * 5 + [False] * 3


def test_capture_writes_a_run_and_plays_it_until_somebody_leaves(
    ageing, portrait, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(camera, "PLAYED_EVERY", 0)
    shown_while_making = 10 + 10  # frames, then the film's way back
    play(ageing, portrait, tmp_path, {2: "capture", 2 + shown_while_making + 25: "leave"}, frames=3)
    (folder,) = tmp_path.iterdir()
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert names == {f"{i:03}.png" for i in range(10)} | {"capture.png", "input.png", "sheet.png", "film.mp4"}
    assert "10 pictures, a contact sheet and a film" in capsys.readouterr().out


def test_capture_without_a_face_says_so_and_goes_on(ageing, tmp_path, capsys):
    count, *_ = play(ageing, np.full((128, 128, 3), 90, np.uint8), tmp_path, {1: "capture"}, frames=3)
    assert count == 3
    assert "No face was found" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_film_in_a_film_out(tiny_snapshots, portrait, tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mp4", [portrait] * 6, sound=None)
    flags = [
        "--source",
        clip,
        "--record",
        tmp_path / "o.mp4",
        "--snapshot",
        tiny_snapshots / "agetrans_10group",
    ]
    arguments = camera.parse(["main.py", *map(str, flags)])
    assert in_sentences(lambda given: camera.run(given, tmp_path), arguments) == 0
    assert "6 frames are in" in capsys.readouterr().out
    frames = [picture for _, picture in read_frames(tmp_path / "o.mp4")]
    assert len(frames) == 6
    assert np.abs(frames[3][40:80, 95:130].astype(int) - portrait[40:80, 95:130]).mean() > 3


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ([], "There is no camera that can be opened"),
        (["--source", "none.mp4"], "There is no file none.mp4"),
        (["--source", str(PORTRAIT)], "no display|needs tkinter"),
        (["--record", "o.mp4"], "--record needs --source"),
        (["--group", "7"], "--group must be 10 or 4"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(flags, says, tiny_snapshots, tmp_path, capfd, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: SimpleNamespace(isOpened=lambda: False))
    if "--group" not in flags:
        flags = [*flags, "--snapshot", str(tiny_snapshots / "agetrans_10group")]
    arguments = camera.parse(["main.py", *flags])
    assert in_sentences(lambda given: camera.run(given, tmp_path), arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert re.search(says, err)
    assert err.count("\n") == 1
