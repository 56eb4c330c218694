from __future__ import annotations

import sys
import types
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agetrans.cli import main
from agetrans.cli.console import in_sentences
from agetrans.faces import find_faces, framing_matrix
from agetrans.faces.landmarks68 import LandmarksMissing, face_finder, five_points

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "agetransgan"
needs_golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason="golden/agetransgan is not beside the repository"
)


def landmarks(width: float = 60.0, spread: float = 0.5) -> np.ndarray:
    """68 points of a face: eyes of six points, and steps that vary by `spread` around their mean."""
    angles = np.linspace(0, np.pi, 17)
    jaw = np.stack([-np.cos(angles), 1.1 * np.sin(angles)], axis=1) * width / 2
    points = np.zeros((68, 2))
    points[:17] = jaw
    rest = np.random.default_rng(0).uniform(0.1, 0.1 + spread, (51, 2)) * width / 8
    points[17:] = np.cumsum(rest, axis=0) % (width / 2) - width / 4
    for start, x in ((36, -0.2), (42, 0.2)):
        turns = np.arange(6) * np.pi / 3
        points[start : start + 6] = np.stack([x + 0.07 * np.cos(turns), 0.03 * np.sin(turns)], 1) * width
    points[30], points[48], points[54] = (
        (0, 0.2 * width),
        (-0.15 * width, 0.4 * width),
        (0.15 * width, 0.4 * width),
    )
    return np.add(points, (128, 100))


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """What the stand-in for face-alignment finds in every picture: as the package, it warns where there is nothing."""
    faces: list[np.ndarray] = []

    class FaceAlignment:
        def __init__(self, kind: str, device: str, flip_input: bool) -> None:
            assert (kind, device, flip_input) == ("2-D", "cpu", False)

        def get_landmarks_from_image(self, picture: np.ndarray) -> list[np.ndarray] | None:
            faces_here = [points.astype(np.float32) * picture.shape[1] / 256 for points in faces]
            if not faces_here:
                warnings.warn("No faces were detected.", stacklevel=2)
            return faces_here or None

    install(monkeypatch, FaceAlignment)
    return faces


def install(monkeypatch: pytest.MonkeyPatch, model: Any) -> None:
    module = types.SimpleNamespace(FaceAlignment=model, LandmarksType=types.SimpleNamespace(TWO_D="2-D"))
    monkeypatch.setitem(sys.modules, "face_alignment", module)
    hub = types.SimpleNamespace(hub=types.SimpleNamespace(get_dir=lambda: "/home/anna/hub"))
    monkeypatch.setitem(sys.modules, "torch", hub)


def eyes(points: np.ndarray, of_right: int) -> np.ndarray:
    picked = [range(36, 42), range(42, 42 + of_right), [30], [48], [54]]
    return np.array([sum(points[i] for i in part) / len(part) for part in picked])


@needs_golden
@pytest.mark.parametrize(
    ("framing", "name"), [("agetransgan", "five_points_padded"), ("ffhq", "five_points_right_eye_six")]
)
def test_five_points(framing: str, name: str) -> None:
    golden = np.load(GOLDEN / "framing.npz")
    of_all = np.stack([five_points(face, framing) for face in golden["landmarks"]])
    offset = np.round((golden[name] - of_all).mean())
    assert offset in (0, 200)
    np.testing.assert_allclose(of_all + offset, golden[name], atol=1e-9)


@needs_golden
def test_the_first_face_is_the_authors(found: list[np.ndarray]) -> None:
    golden = np.load(GOLDEN / "faces.npz")
    picture = np.zeros((256, 256, 3), np.uint8)
    for faces, selected in zip(golden["landmarks"], golden["selected"], strict=True):
        found[:] = list(faces)
        first = face_finder(68, "agetransgan")(picture)[0]
        np.testing.assert_allclose(first.points, eyes(faces[selected], 5), atol=1e-3)


def test_points_of_a_large_picture_are_its_own(found: list[np.ndarray]) -> None:
    found.append(landmarks())
    (face,) = face_finder(68)(np.zeros((3000, 4096, 3), np.uint8))
    np.testing.assert_allclose(face.points, (eyes(landmarks() * 8, 6) + 0.5) * 2 - 0.5, atol=1e-2)
    low, high = landmarks().min(0) * 16, landmarks().max(0) * 16
    np.testing.assert_allclose(face.box, [*(low + 0.5), *(high - low)], atol=1e-2)


def test_nobody_and_no_warning(found: list[np.ndarray]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert face_finder(68)(np.zeros((64, 64, 3), np.uint8)) == []


def test_other_numbers_of_points() -> None:
    assert face_finder(5) is find_faces
    with pytest.raises(ValueError, match="5 or 68 points"):
        face_finder(6)


@pytest.mark.parametrize("missing", ["face_alignment", "torch"])
def test_what_to_install(found: list[np.ndarray], missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(LandmarksMissing, match=rf"need the package {missing}: pip install .*\[landmarks\]"):
        face_finder(68)


@pytest.mark.parametrize("error", [OSError("no route\nto host"), RuntimeError("invalid hash")])
def test_where_the_weights_belong(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise error

    install(monkeypatch, refuse)
    with pytest.raises(LandmarksMissing) as caught:
        face_finder(68)
    assert "2DFAN4-cd938726ad.zip belong in /home/anna/hub/checkpoints" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("framing", "of_right"), [("agetransgan", 5), ("ffhq", 6)])
def test_points_frame_the_face(
    framing: str, of_right: int, found: list[np.ndarray], tiny_generator: Any, portrait: np.ndarray
) -> None:
    from agetrans.groups import AgeGroups
    from agetrans.inference import AgeTransformer

    found.append(landmarks())
    transformer = AgeTransformer(tiny_generator, AgeGroups.of(10), framing=framing, landmarks=68)
    result = transformer.transform(portrait, ages=[30], paste=False, size=64)
    expected = framing_matrix(eyes(landmarks(), of_right), framing, 64)
    np.testing.assert_allclose(result.transform, expected, atol=1e-4)


def flags(photo: Path, snapshots: Path) -> tuple[object, ...]:
    return "--snapshot", snapshots / "agetrans_10group", "--out", photo.parent / "out", "--landmarks", 68


def command(*argv: object) -> int:
    arguments = main.parse(
        ["agetrans", "transform", *map(str, argv), "--ages", "30", "--crop", "--size", "64"]
    )
    return in_sentences(lambda given: main.VERBS["transform"].run(given), arguments)


@pytest.fixture
def photo(tmp_path: Path, portrait: np.ndarray) -> Path:
    cv2.imwrite(str(tmp_path / "anna.png"), portrait[..., ::-1])
    return tmp_path / "anna.png"


def test_the_flag(
    found: list[np.ndarray], photo: Path, tiny_snapshots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --framing the snapshot says which of the five points are meant."""
    from agetrans.inference import AgeTransformer

    points = []
    frame_face = AgeTransformer.frame_face

    def watch(self: AgeTransformer, picture: np.ndarray, face: Any, *more: Any) -> Any:
        points.append(face.points)
        return frame_face(self, picture, face, *more)

    monkeypatch.setattr(AgeTransformer, "frame_face", watch)
    found.append(landmarks())
    assert command(photo, *flags(photo, tiny_snapshots)) == 0
    assert command(photo, *flags(photo, tiny_snapshots), "--framing", "agetransgan") == 0
    for of_right, seen in zip((6, 5), points, strict=True):
        np.testing.assert_allclose(seen, eyes(landmarks(), of_right), atol=1e-4)


def test_the_flag_without_the_extra(
    photo: Path, tiny_snapshots: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    assert command(photo.parent, *flags(photo, tiny_snapshots)) == 2
    error = capsys.readouterr().err
    assert 'pip install -e ".[landmarks]"' in error
    assert error.count("\n") == 1
    assert not (photo.parent / "out").exists()


def test_films_are_followed_by_five(
    found: list[np.ndarray], tmp_path: Path, tiny_snapshots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / "clip.mp4"
    flags = ["--snapshot", str(tiny_snapshots / "agetrans_10group"), "--landmarks", "68", "--ages", "30"]
    arguments = main.parse(["agetrans", "transform", str(film), *flags, "--out", str(tmp_path / "out")])
    assert in_sentences(lambda given: main.VERBS["transform"].run(given), arguments) == 2
    assert "--landmarks 68" in capsys.readouterr().err
