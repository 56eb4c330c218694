"""The demo, with a film for a camera and a list of keys for a person."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageGrab

from agetrans.cli import camera
from agetrans.cli.console import in_sentences
from agetrans.cli.screen import Window
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
    labelled = {path.name for path in folder.glob("*.png") if "Comment" in Image.open(path).info}
    assert names - labelled == {"capture.png", "input.png", "film.mp4"}
    assert "10 pictures, a contact sheet and a film" in capsys.readouterr().out


def test_capture_without_a_face_says_so_and_goes_on(ageing, tmp_path, capsys):
    count, *_ = play(ageing, np.full((128, 128, 3), 90, np.uint8), tmp_path, {1: "capture"}, frames=3)
    assert count == 3
    assert "No face was found" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_space_holds_what_is_seen(ageing, portrait, tmp_path, monkeypatch):
    monkeypatch.setattr(camera, "PLAYED_EVERY", 0)
    count, audience, _ = play(ageing, portrait, tmp_path, {2: "pause", 5: "older", 7: "leave"})
    assert count == 4  # frames 3, 4 and 5 of what was seen are the second, held
    for held in audience.seen[2:5]:
        np.testing.assert_array_equal(held, audience.seen[1])
    assert np.abs(audience.seen[1].astype(int) - portrait).max() > 20


def test_a_film_in_a_window_is_shown_again_at_its_own_pace(portrait, tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4", [portrait, portrait // 2], sound=None)
    now, slept = [0.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(camera, "time", SimpleNamespace(perf_counter=lambda: now[0], sleep=sleep))
    light = []
    for index, picture in enumerate(itertools.islice(camera.film_loop(clip, camera.film_rate(clip)), 5)):
        light.append(picture.mean() > portrait.mean() * 0.75)
        now[0] += 0.25 if index == 2 else 0.02  # the third takes longer than a frame lasts
    assert light == [True, False, True, False, True]
    assert slept == pytest.approx([0, 0.08, 0.08, 0, 0.08])


@pytest.fixture
def display(monkeypatch):
    pytest.importorskip("tkinter", reason="Python has no Tk: the demo's window is not tested")
    if shutil.which("Xvfb") is None:
        pytest.skip("there is no Xvfb: the demo's window is not tested (apt install xvfb)")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "500x400x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as numbers:
        monkeypatch.setenv("DISPLAY", f":{numbers.readline().strip()}")
    yield
    process.terminate()
    process.wait()


def test_the_window_shows_frames_and_hears_keys(display, portrait):
    with Window("AgeTrans") as window:
        assert "loaded" in window._label.cget("text")
        assert window.show(portrait) == []
        window._root.focus_force()
        for key in ("Left", "Up", "x", "c", "l", "space", "q", "Escape"):
            window._root.event_generate(f"<KeyPress-{key}>")
        assert window.show(portrait) == ["younger", "older", "capture", "live", "pause", "leave", "leave"]
        assert window.show(portrait) == []
        assert (window._label.winfo_width(), window._label.winfo_height()) == (256, 256)
        seen = ImageGrab.grab((100, 50, 110, 60), xdisplay=os.environ["DISPLAY"])
        np.testing.assert_array_equal(np.asarray(seen), portrait[50:60, 100:110])
        window.show(np.zeros((1000, 2000, 3), np.uint8))
        assert window._label.winfo_width() == 450  # nine tenths of the screen
        window._root.tk.call(*window._root.protocol("WM_DELETE_WINDOW").split())
        assert window.show(portrait) == ["leave"]


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
