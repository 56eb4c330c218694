"""Age estimators that come as files: our small one, and the ResNet-50 of AgeTransGAN's authors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

import agetrans
from agetrans.evaluation.errors import EvaluationError
from agetrans.startup import start_keras

_BATCH = 32
_RESNET_SIZE = 224


class Estimator(Protocol):
    """Reads ages.

    Attributes:
        name: changes with the weights.
        width: 1: of each picture, its age.
        framing: how faces must be framed.
        size: side in pixels of the pictures that it is given; it takes others too.
        independent: whether it took no part in training snapshots.
    """

    name: str
    width: int
    framing: str
    size: int
    independent: bool

    def read(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Ages in years `(N, 1)` float32 of framed pictures, each `(S, S, 3)` uint8 RGB."""


class SmallEstimator:
    """Our own small network: the mean over the picture and its mirror image of the expected age.

    It is the teacher's ruler and the trainer's age critic, so it is no independent judge of the snapshots.

    Args:
        path: weights from `age_estimator/train.py`.
    """

    width, framing, size, independent = 1, "ffhq", 256, False

    def __init__(self, path: Path) -> None:
        self.name = f"AgeTrans' small estimator {_digest(path)}"
        self._path = path
        self._run: Callable[[np.ndarray], np.ndarray] | None = None

    def read(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        if self._run is None:
            start_keras()
            from agetrans.training.ruler import load_estimator, reader

            self._run = reader(load_estimator(self._path))
        framed = np.stack([_at(self.size, picture) for picture in pictures])
        return ((self._run(framed) + self._run(framed[:, :, ::-1])) / 2)[:, None]


class ResNetEstimator:
    """The authors' ResNet-50: pictures at 224 pixels, B, G, R from 0 to 255, no mean subtracted, as their program does.

    Args:
        path: their file, a PyTorch state dictionary; it is read without PyTorch and nothing in it is run.
    """

    width, framing, size, independent = 1, "agetransgan", _RESNET_SIZE, True

    def __init__(self, path: Path) -> None:
        self.name = f"AgeTransGAN's ResNet-50 {_digest(path)}"
        self._path = path
        self._run: Callable[[np.ndarray], Any] | None = None

    def read(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        if self._run is None:
            self._run = self._load()
        # Bilinear like theirs, also where it shrinks.
        framed = [cv2.resize(picture, (_RESNET_SIZE, _RESNET_SIZE))[..., ::-1] for picture in pictures]
        batches = [np.stack(framed[i : i + _BATCH]).astype(np.float32) for i in range(0, len(framed), _BATCH)]
        return np.concatenate([self._run(batch) for batch in batches])[:, None]

    def _load(self) -> Callable[[np.ndarray], Any]:
        from agetrans.conversion.pickled import CheckpointError
        from agetrans.conversion.torch_files import read_torch_file

        try:
            state = read_torch_file(self._path)
            if not isinstance(state, dict):
                raise ValueError("it holds no state dictionary")
            start_keras()
            from agetrans.backend import on_arrays
            from agetrans.conversion.age_estimator import load_state
            from agetrans.models.age_estimator import expected_age
            from agetrans.models.age_resnet50 import AgeResNet50

            model = AgeResNet50()
            load_state(model, state)
        except (CheckpointError, ValueError) as error:
            raise EvaluationError(f"{self._path} cannot be used as weights: {error}") from None
        return on_arrays(lambda image: expected_age(model(image)["logits"]))


def find_estimator(path: Path | None = None) -> Estimator:
    """The estimator of a weights file: `.safetensors` is ours, anything else the authors'; None gives the shipped one.

    Raises:
        EvaluationError: there is no such file.
    """
    path = path or _shipped()
    if not path.is_file():
        raise EvaluationError(f"There are no weights at {path}.")
    return SmallEstimator(path) if path.suffix == ".safetensors" else ResNetEstimator(path)


def _shipped() -> Path:
    package = Path(agetrans.__file__).parent
    places = [package.parent / "age_estimator" / "weights", package / "age_estimator"]
    return next((place for place in places if place.is_dir()), places[0]) / "small.safetensors"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _at(size: int, picture: np.ndarray) -> np.ndarray:
    if picture.shape[:2] == (size, size):
        return picture
    shrinks = len(picture) > size
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
