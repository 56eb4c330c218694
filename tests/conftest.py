"""What all tests share: which of them run again with the other backend, a portrait, and a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import numpy as np

    from agetrans.models.agetrans import AgeTrans

REPOSITORY = Path(__file__).parent.parent
PORTRAIT = REPOSITORY / "test" / "img" / "1.jpg"

BACKEND_TESTS = (
    "stylegan2_ops",
    "models",
    "training",
    "inference",
    "age_estimator/test_train.py",
    "recognition/test_parts.py",
    "recognition/test_trainers.py",
    "test_backend.py",
)
"""Folders and modules whose tests must hold on every backend of Keras."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend-tests", action="store_true", help="only the tests that must hold on every backend of Keras"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if not config.getoption("--backend-tests"):
        return None
    tests = Path(__file__).parent
    if collection_path == tests or tests not in collection_path.parents:
        return None
    path = collection_path.relative_to(tests)
    chosen = [Path(name) for name in BACKEND_TESTS]
    inside = any(name in (path, *path.parents) for name in chosen)
    return not (inside or any(path in name.parents for name in chosen)) or None


@pytest.fixture(params=["stand-in", "Apache Beam"])
def beam(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apache Beam, or what stands in for it."""
    from tests.beam import install

    if request.param == "stand-in":
        install(monkeypatch)
    else:
        pytest.importorskip(
            "apache_beam", reason="Apache Beam is not installed: its own runner is not tested"
        )


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """Half the portrait of test/img/1.jpg: `(256, 256, 3)` uint8 RGB, one face of 70 pixels."""
    import cv2

    picture = cv2.cvtColor(cv2.imread(str(PORTRAIT)), cv2.COLOR_BGR2RGB)
    return cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def tiny_generator() -> AgeTrans:
    """A small `AgeTrans` of 10 groups with random weights that change a face visibly."""
    return make_generator(groups=10)


@pytest.fixture(scope="session")
def tiny_snapshots(tiny_generator: AgeTrans, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the snapshots agetrans_10group and agetrans_4group of tiny models."""
    from agetrans import AgeGroups, save_snapshot

    shelf = tmp_path_factory.mktemp("snapshot")
    for generator in (tiny_generator, make_generator(groups=4)):
        groups = AgeGroups.of(generator.groups)
        save_snapshot(
            generator, groups, shelf / f"agetrans_{groups.count}group", card="A test's.\n", licenses="None.\n"
        )
    return shelf


def smooth_picture(seed: int) -> np.ndarray:
    """`(1, 64, 64, 3)` float32 in [-1, 1], with as little detail as photographs have."""
    import cv2
    import numpy as np

    coarse = np.random.default_rng(seed).uniform(-1, 1, (8, 8, 3)).astype(np.float32)
    return cv2.resize(coarse, (64, 64))[None]


def make_generator(groups: int) -> AgeTrans:
    from agetrans.startup import start_keras

    start_keras()
    import keras

    from agetrans.models.agetrans import AgeTrans

    keras.utils.set_random_seed(groups)
    return AgeTrans(size=64, groups=groups, width=4, units=8)
