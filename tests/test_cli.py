"""The command lines, as a user meets them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from agetrans.cli import classic, main
from agetrans.cli.ageing import Ageing
from agetrans.cli.console import in_sentences, shown
from agetrans.faces import Face
from agetrans.pictures import PictureError
from tests.conftest import PORTRAIT, REPOSITORY
from tests.inference.test_refilm import write_clip

PROGRAM = REPOSITORY / "test" / "main.py"


def agetrans(*argv: object) -> int:
    """Runs the `agetrans` command in this process; returns its exit status."""
    try:
        arguments = main.parse(["agetrans", *map(str, argv)])
    except SystemExit as end:
        return int(end.code or 0)
    return in_sentences(lambda given: main.VERBS[given.verb].run(given), arguments)


@pytest.fixture
def photos(tmp_path: Path, portrait: np.ndarray) -> Path:
    """A folder of small photographs, good and bad."""
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "anna.jpg"), cv2.cvtColor(portrait, cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(folder / "nobody.png"), np.full((80, 80, 3), 90, np.uint8))
    (folder / "text.jpg").write_text("This is no picture.")
    (folder / "cut.jpg").write_bytes(PORTRAIT.read_bytes()[:500])
    (folder / "notes.txt").write_text("not looked at")
    return folder


@pytest.fixture
def model(tiny_snapshots: Path) -> Path:
    return tiny_snapshots / "agetrans_10group"


@pytest.mark.parametrize(
    "program",
    [
        "import agetrans; dir(agetrans)",
        "from agetrans.cli import main; main.parse(['agetrans', '--help'])",
        "from agetrans.cli import main; main.parse(['agetrans', '--version'])",
        "from agetrans.cli import main; main.parse(['agetrans', 'transform', '--help'])",
        "from agetrans.cli import main; main.parse(['agetrans', 'convert', 'agetransgan', '--help'])",
        "from agetrans.cli import main; main.parse(['agetrans', 'export', 'agetransgan', '--help'])",
        "from agetrans.cli import classic; classic.parse(['main.py', '--help'])",
        f"import runpy, sys; sys.argv = ['main.py', '--help']; runpy.run_path({str(PROGRAM)!r}, run_name='__main__')",
    ],
)
def test_answers_without_anything_heavy(program):
    watched = "[n for n in ('tensorflow', 'keras', 'torch', 'numpy', 'cv2', 'PIL', 'av') if n in sys.modules]"
    program = f"import atexit, sys; atexit.register(lambda: print('heavy:', {watched})); {program}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("heavy: []\n")


PROGRAMS = [
    ("train.py",),
    ("demo/main.py",),
    ("age_estimator/train.py",),
    ("age_estimator/main_test.py",),
    ("-m", "agetrans.cli.faceplusplus"),
    ("-m", "agetrans.data.teacher"),
    ("-m", "agetrans.data.photographs"),
    ("-m", "agetrans.training.publish"),
    *(("-c", "from agetrans.cli import console; console()", *verb.split()) for verb in main.VERBS),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=" ".join)
def test_help_starts_no_backend(program):
    command = [sys.executable, "-X", "importtime", *program, "--help"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert result.returncode == 0, result.stderr
    assert "usage:" in result.stdout
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines() if "|" in line}
    assert "agetrans.cli.console" in imported
    assert not imported & {"tensorflow", "keras", "torch", "cv2", "PIL"}
    assert all(line.startswith("import time:") for line in result.stderr.splitlines())


REFUSALS = {
    "no verb": ([], "required: VERB"),
    "unknown verb": (["age"], "invalid choice: 'age'"),
    "no photograph": (["transform"], "required: PHOTO_OR_FOLDER"),
    "unknown flag": (["transform", "{good}", "--colour", "red"], "unrecognized arguments: --colour red"),
    "ages in words": (["transform", "{good}", "--ages", "old"], "such as 5,25,70, not 'old'"),
    "ages beyond life": (["transform", "{good}", "--ages", "5,120"], "Received: 120"),
    "ages and steps": (
        ["transform", "{good}", "--ages", "5", "--steps", "2"],
        "not allowed with argument --ages",
    ),
    "no steps": (["transform", "{good}", "--steps", "0"], "at least one step"),
    "another partition": (["transform", "{good}", "--group", "4"], "--group says 4 age groups"),
    "paste and crop": (["transform", "{good}", "--paste", "--crop"], "not allowed with argument --paste"),
    "crop too small": (["transform", "{good}", "--size", "8"], "from 64 to 4096 pixels, not 8"),
    "which face": (["transform", "{good}", "--face", "left"], "largest, all or a number from 0, not 'left'"),
    "no such face": (["transform", "{good}", "--face", "3"], "Face 3 was asked for"),
    "no batch": (["transform", "{good}", "--batch_size", "0"], "at least 1, not 0"),
    "bad seed": (["transform", "{good}", "--seed", "-1"], "--seed must be from 0"),
    "no such model": (["transform", "{good}", "--snapshot", "none"], "no snapshot 'none'"),
    "model is a file": (
        ["transform", "{good}", "--snapshot", "{good}"],
        "anna.jpg cannot be read as a checkpoint: PyTorch did not write it",
    ),
    "model is a folder of photographs": (
        ["transform", "{good}", "--snapshot", "{folder}"],
        "has no config.json",
    ),
    "no such photograph": (["transform", "{folder}/none.jpg"], "none.jpg"),
    "no picture": (["transform", "{folder}/text.jpg"], "text.jpg"),
    "truncated picture": (["transform", "{folder}/cut.jpg"], "cut.jpg"),
    "no face": (["transform", "{folder}/nobody.png"], "No face was found"),
    "output is a file": (["transform", "{good}", "--out", "{good}"], "--out must be a folder"),
    "no photographs": (["transform", "{empty}"], "There is no photograph in"),
    "no kind": (["convert"], "required: KIND"),
    "unknown kind": (["convert", "stylegan", "{good}"], "invalid choice: 'stylegan'"),
    "no checkpoint": (["convert", "agetransgan", "{folder}/none.pt"], "There is no file"),
    "checkpoint is a photograph": (["convert", "agetransgan", "{good}"], "PyTorch did not write it"),
    "bounds in words": (["convert", "agetransgan", "{good}", "--bounds", "old"], "0,13,20,40, not 'old'"),
    "export of another model": (
        ["export", "agetransgan", "{model}", "--out", "{folder}/x.pt"],
        "the authors' program runs AgeTransGAN alone",
    ),
    "export to a folder": (["export", "agetransgan", "{model}", "--out", "{folder}"], "--out must be a file"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refuses_in_one_sentence(case, photos, model, tmp_path, capfd):
    argv, says = REFUSALS[case]
    (tmp_path / "empty").mkdir()
    places = {"good": photos / "anna.jpg", "folder": photos, "empty": tmp_path / "empty", "model": model}
    argv = [part.format(**places) for part in argv]
    for flag, value in (("--snapshot", model), ("--out", tmp_path / "out")):
        if argv[:1] == ["transform"] and flag not in argv:
            argv += [flag, str(value)]
    assert agetrans(*argv) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_refusing_imports_no_tensorflow(photos, model):
    program = (
        "import sys; from agetrans.cli import main; from agetrans.cli.console import in_sentences; "
        "arguments = main.parse(['agetrans', 'transform', sys.argv[1], '--snapshot', sys.argv[2]]); "
        "print(in_sentences(main.VERBS['transform'].run, arguments), 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", program, photos / "nobody.png", model]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stdout == "2 False\n", result.stderr


def test_ages_of_one_photograph(photos, model, tmp_path, capfd):
    assert (
        agetrans(
            "transform",
            photos / "anna.jpg",
            "--ages",
            "70,5,70",
            "--snapshot",
            model,
            "--out",
            tmp_path / "o",
        )
        == 0
    )
    out, _ = capfd.readouterr()
    assert out == f"2 pictures are in {tmp_path / 'o' / 'anna'}\n"
    names = {path.name for path in (tmp_path / "o" / "anna").iterdir() if not path.name.startswith(".")}
    assert names == {"age_005.png", "age_070.png", "sheet.png"}
    whole = cv2.imread(str(tmp_path / "o" / "anna" / "age_005.png"))
    assert whole.shape == (256, 256, 3)


def test_films_of_one_name_get_two(portrait, model, tmp_path, capfd):
    for name, frames in (("clip.mov", 1), ("clip.mp4", 2), ("other.mp4", 2)):
        write_clip(tmp_path / name, [portrait] * frames, sound=None)
        flags = ["--age", "70", "--snapshot", model, "--out", tmp_path / "o"]
        assert agetrans("transform", tmp_path / name, *flags) == 0
    # When the first was made there was no other.
    written = {path.name for path in (tmp_path / "o").glob("[!.]*")}
    assert written == {"clip_age_070.mp4", "clip.mp4_age_070.mp4", "other_age_070.mp4"}
    said = capfd.readouterr().out.splitlines()
    assert [line.split(str(tmp_path))[0] for line in said] == ["1 frame is in ", *["2 frames are in "] * 2]


def test_crop_film_format_and_timing(photos, model, tmp_path, capfd):
    flags = [
        "--crop",
        "--size",
        "96",
        "--steps",
        "2",
        "--format",
        "jpg",
        "--no-sheet",
        "--timing",
        "--group",
        "10",
    ]
    assert agetrans("transform", photos / "anna.jpg", *flags, "--snapshot", model, "--out", tmp_path) == 0
    out, _ = capfd.readouterr()
    assert out.startswith("19 pictures are in ")
    for work in ("finding", "start-up", "encoding", "decoding", "composing", "writing", "filming"):
        assert work in out.splitlines()[1]
    names = {path.name for path in (tmp_path / "anna").iterdir() if not path.name.startswith(".")}
    assert names == {f"{i:03}.jpg" for i in range(19)} | {"input.jpg", "film.mp4"}
    assert cv2.imread(str(tmp_path / "anna" / "000.jpg")).shape == (96, 96, 3)


def test_every_face_gets_a_folder_of_crops(portrait, model, tmp_path):
    pair = np.concatenate([portrait, portrait], axis=1)
    cv2.imwrite(str(tmp_path / "pair.png"), cv2.cvtColor(pair, cv2.COLOR_RGB2BGR))
    flags = [
        "--crop",
        "--face",
        "all",
        "--ages",
        "5",
        "--size",
        "64",
        "--snapshot",
        model,
        "--out",
        tmp_path / "o",
    ]
    assert agetrans("transform", tmp_path / "pair.png", *flags) == 0
    written = sorted(str(path.relative_to(tmp_path / "o")) for path in (tmp_path / "o").rglob("age_*"))
    assert written == ["pair/face_0/age_005.png", "pair/face_1/age_005.png"]


def test_one_bad_photograph_does_not_stop_a_folder(photos, model, tmp_path, capfd):
    cv2.imwrite(str(photos / "anna.png"), cv2.imread(str(photos / "anna.jpg")))
    assert agetrans("transform", photos, "--ages", "5", "--snapshot", model, "--out", tmp_path / "o") == 1
    out, err = capfd.readouterr()
    assert out == f"2 of 5 photographs are done, a folder for each is in {tmp_path / 'o'}\n"
    assert [line.split(":")[1].strip() for line in err.splitlines()] == ["cut.jpg", "nobody.png", "text.jpg"]
    done = sorted(str(path.relative_to(tmp_path / "o")) for path in (tmp_path / "o").rglob("age_*"))
    assert done == ["anna.jpg/age_005.png", "anna.png/age_005.png"]


def test_a_photograph_that_a_full_disk_kept_back_is_tried_again(photos, model, tmp_path, capfd, monkeypatch):
    seen = []

    def age(self, photo, folder, track=None):
        seen.append(photo.name)
        if photo.name == "text.jpg":
            raise PictureError("no picture")
        if photo.name == "anna.jpg" and seen.count("anna.jpg") == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        folder.mkdir(parents=True)
        return 1

    monkeypatch.setattr(Ageing, "age", age)
    argv = ["transform", photos, "--ages", "5", "--snapshot", model, "--out", tmp_path / "o"]
    assert agetrans(*argv) == 1
    out, err = capfd.readouterr()
    assert out.startswith("2 of 4 photographs are done")
    assert "anna.jpg: [Errno 28] No space left on device" in err
    del seen[1:]
    assert agetrans(*argv) == 1
    out, err = capfd.readouterr()
    assert out.startswith("Looked at before and left alone: 3 of 4 photographs\n")
    assert "3 of 4 photographs are done" in out
    assert err == "agetrans: text.jpg: no picture\n"
    assert seen == ["anna.jpg", "anna.jpg"]


def test_too_little_memory_is_said_in_a_sentence(photos, model, tmp_path, capfd, monkeypatch):
    def age(self, photo, folder, track=None):
        raise MemoryError

    monkeypatch.setattr(Ageing, "age", age)
    assert agetrans("transform", photos / "anna.jpg", "--snapshot", model, "--out", tmp_path / "o") == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "not enough memory" in err


@pytest.mark.parametrize("points", [np.full((5, 2), 60.0), np.full((5, 2), np.nan)], ids=["one", "nan"])
@pytest.mark.parametrize("framing", ["ffhq", "agetransgan"])
def test_points_that_fix_no_frame_are_said_in_a_sentence(
    framing, points, photos, model, tmp_path, capfd, monkeypatch
):
    face = Face((40, 40, 80, 80), points, 1.0)
    monkeypatch.setattr("agetrans.faces.choose_face", lambda faces, which: [face])
    flags = ["--framing", framing, "--snapshot", model, "--out", tmp_path / "o"]
    assert agetrans("transform", photos / "anna.jpg", *flags) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "points" in err


def test_a_path_on_another_drive_is_shown_whole(monkeypatch):
    def relpath(path):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", relpath)
    assert shown(Path("elsewhere", "result")) == str(Path("elsewhere", "result"))


def test_classic_program_end_to_end(tiny_snapshots, tmp_path):
    """A real process: where its files go, and that nothing but its own words reaches the terminal."""
    program = tmp_path / "test" / "main.py"
    (tmp_path / "test" / "img").mkdir(parents=True)
    program.write_bytes(PROGRAM.read_bytes())
    (tmp_path / "test" / "img" / "1.jpg").write_bytes(PORTRAIT.read_bytes())
    flags = [
        "--img_size",
        "64",
        "--group",
        "4",
        "--batch_size",
        "8",
        "--snapshot",
        tiny_snapshots / "agetrans_4group",
    ]
    command = [sys.executable, program, *flags, "--file", "img/1.jpg"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    words, timing = result.stdout.splitlines()
    assert words == f"31 pictures, a contact sheet and a film are in {Path('test', 'result', '4', '1')}"
    assert " s in all: " in timing
    names = {path.name for path in (tmp_path / "test/result/4/1").iterdir() if not path.name.startswith(".")}
    assert names == {f"{i:03}.png" for i in range(31)} | {"input.png", "sheet.png", "film.mp4"}


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--colour", "red"], "unrecognized arguments: --colour red"),
        (["--group", "7"], "--group must be 10 or 4, not 7"),
        (["--img_size", "8"], "from 64 to 4096 pixels, not 8"),
        (["--img_size", "large"], "invalid int value: 'large'"),
        (["--file", "none.jpg", "--snapshot", "{model}"], "none.jpg"),
        (["--snapshot", "./snapshot/140000.pt"], "no snapshot './snapshot/140000.pt'"),
    ],
)
def test_classic_program_refuses_in_one_sentence(argv, says, model, tmp_path, capfd):
    try:
        arguments = classic.parse(["main.py", *(part.format(model=model) for part in argv)])
        status = in_sentences(lambda given: classic.run(given, tmp_path), arguments)
    except SystemExit as end:
        status = end.code
    out, err = capfd.readouterr()
    assert (status, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def run_until_a_picture_is_written(photo: Path, model: Path, out: Path) -> subprocess.Popen[str]:
    """Starts a long run in a process of its own and returns while it is writing."""
    flags = ["--steps", "200", "--crop", "--size", "512", "--snapshot", model, "--out", out]
    # A parent that ignores the interrupt, such as nohup, would hand that down.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from agetrans.cli import console; console()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "transform", photo, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (out / photo.stem / "0005.png").exists():
        pass
    return process


def assert_all_whole(folder: Path) -> None:
    pictures = [path for path in folder.iterdir() if not path.name.startswith(".")]
    assert 5 < len(pictures) < 1800
    for path in pictures:
        assert path.suffix == ".png"
        assert cv2.imread(str(path)).shape == (512, 512, 3)


def test_a_killed_run_leaves_no_half_written_file(photos, model, tmp_path):
    process = run_until_a_picture_is_written(photos / "anna.jpg", model, tmp_path / "o")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert_all_whole(tmp_path / "o" / "anna")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_ends_in_a_sentence(number, photos, model, tmp_path):
    process = run_until_a_picture_is_written(photos / "anna.jpg", model, tmp_path / "o")
    process.send_signal(number)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert err == "agetrans: Interrupted. The files written so far are whole.\n"
    assert_all_whole(tmp_path / "o" / "anna")
    assert not list((tmp_path / "o" / "anna").glob(".*unfinished*"))
