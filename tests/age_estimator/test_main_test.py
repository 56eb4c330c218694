"""`age_estimator/main_test.py`, as a user meets it, with an estimator that reads a picture's brightness."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from agetrans.cli import estimate
from agetrans.cli.console import in_sentences
from agetrans.evaluation import estimators
from tests.conftest import PORTRAIT, REPOSITORY


class Brightness:
    """The mean of a picture as its age; notes what it was shown."""

    width, framing, size, independent = 1, "ffhq", 64, True

    def __init__(self, name: str = "brightness") -> None:
        self.name = name
        self.shapes: list[tuple[int, ...]] = []
        self.fails_after: int | None = None

    def read(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        if self.fails_after is not None and len(self.shapes) >= self.fails_after:
            raise KeyboardInterrupt
        self.shapes += [picture.shape for picture in pictures]
        return np.array([[picture.mean()] for picture in pictures], np.float32)


@pytest.fixture
def brightness(monkeypatch: pytest.MonkeyPatch) -> Brightness:
    judge = Brightness()
    monkeypatch.setattr(estimators, "find_estimator", lambda path=None: judge)
    return judge


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Forty pictures of one brightness each, 0 to 39, and files that are no pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for level in range(40):
        cv2.imwrite(str(folder / f"p {level:02d}.png"), np.full((40, 40, 3), level, np.uint8))
    (folder / "torn.jpg").write_bytes(PORTRAIT.read_bytes()[:900])
    (folder / "notes.txt").write_text("not looked at")
    return folder


def main(*argv: object) -> int:
    return in_sentences(estimate.run, estimate.parse(["main_test.py", *map(str, argv)]))


def test_rows_are_those_of_the_authors_program(
    brightness: Brightness, flat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main("--pred_path", flat, "--outcsv", tmp_path / "ages", "--framed")
    assert status == 1  # one picture could not be read
    assert "torn.jpg" in capsys.readouterr().err
    rows = (tmp_path / "ages.csv").read_text().splitlines()
    assert rows == [f"p {level:02d}.png,{float(level)}" for level in range(40)]


def test_a_second_run_goes_on_where_the_first_stopped(
    brightness: Brightness, flat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("-path", flat, "-out", tmp_path / "ages.csv", "--framed")
    brightness.fails_after = 32
    assert main(*arguments) == 130
    assert len((tmp_path / "ages.csv").read_text().splitlines()) == 32
    brightness.fails_after = None
    main(*arguments)
    assert len(brightness.shapes) == 40
    assert len((tmp_path / "ages.csv").read_text().splitlines()) == 40
    assert "32 of 41 pictures are in" in capsys.readouterr().out


def test_one_picture_is_said_in_the_singular(
    brightness: Brightness, flat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one").mkdir()
    picture = next(flat.glob("*.png"))
    (tmp_path / "one" / picture.name).write_bytes(picture.read_bytes())
    arguments = ("-path", tmp_path / "one", "-out", tmp_path / "ages.csv", "--framed")
    assert main(*arguments) == 0
    assert "of 1 of 1 picture are in" in capsys.readouterr().out
    assert main(*arguments) == 0
    assert capsys.readouterr().out.startswith("1 of 1 picture is in")


def test_ages_of_other_weights_never_mix(
    brightness: Brightness, flat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("-path", flat, "-out", tmp_path / "ages.csv", "--framed")
    main(*arguments)
    before = (tmp_path / "ages.csv").read_bytes()
    brightness.name = "other weights"
    assert main(*arguments) == 2
    assert "name another file" in capsys.readouterr().err
    assert (tmp_path / "ages.csv").read_bytes() == before


def test_unframed_pictures_are_framed_and_those_without_a_face_listed(
    brightness: Brightness, portrait: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "anna.png"), cv2.cvtColor(portrait, cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(tmp_path / "nobody.png"), np.full((120, 100, 3), 90, np.uint8))
    assert main("-path", tmp_path, "-out", tmp_path / "ages.csv") == 1
    assert brightness.shapes == [(64, 64, 3)]
    assert (tmp_path / "ages.csv").read_text().startswith("anna.png,")
    assert "nobody.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["-path", "nowhere", "-out", "a.csv"], "There is no folder nowhere."),
        (["-path", "{empty}", "-out", "a.csv"], "There is no picture in"),
        (["-path", "{empty}", "-out", "a.csv", "-pm", "gone.pt"], "There are no weights at gone.pt."),
    ],
)
def test_refusals(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(*(text.format(empty=tmp_path) for text in arguments)) == 2
    assert sentence in capsys.readouterr().err


def test_a_file_that_is_no_checkpoint_is_refused(
    flat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model_best_loss").write_bytes(b"no checkpoint at all")
    arguments = ("-path", flat, "-out", tmp_path / "a.csv", "--framed", "-pm", tmp_path / "model_best_loss")
    assert main(*arguments) == 2
    assert "cannot be used as weights" in capsys.readouterr().err


def test_the_program_explains_itself_without_anything_heavy() -> None:
    program = REPOSITORY / "age_estimator" / "main_test.py"
    code = (
        f"import runpy, sys, atexit; sys.argv = ['main_test.py', '--help']\n"
        f"atexit.register(lambda: print('heavy:', [n for n in ('numpy', 'keras') if n in sys.modules]))\n"
        f"runpy.run_path({str(program)!r}, run_name='__main__')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert "--pred_path" in result.stdout
    assert result.stdout.endswith("heavy: []\n"), result.stdout + result.stderr
