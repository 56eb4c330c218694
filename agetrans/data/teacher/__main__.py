"""Makes the teacher's data, each step resumable; see docs/training.md.

    python -m agetrans.data.teacher samples    --out DIR --people 2400
    python -m agetrans.data.teacher directions --out DIR --critic FILE
    python -m agetrans.data.teacher families   --out DIR --people 400

`samples` writes DIR/samples, `directions` reads them and writes DIR/directions.npz, `families` reads those, or the ones
that ship with AgeTrans where there are none, and writes DIR/families.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import app
from absl.flags import argparse_flags
from keras import ops
from tqdm import tqdm

from agetrans.faces import find_faces
from agetrans.training.ruler import load_estimator, reader

from . import families, samples
from .attributes import measure
from .directions import Directions, fit_directions
from .families import Tools, make_families
from .samples import make_samples, save_npz
from .weights import TeacherMissing

LANDMARK_FILE = "shape_predictor_68_face_landmarks.dat"
SHIPPED_DIRECTIONS = Path(__file__).with_name("directions.npz")
FACE_BOX = (58, 82, 198, 222)
"""Left, top, right, bottom of the face in a teacher's picture of 256 pixels, as dlib's predictor expects boxes."""


class StepMissing(RuntimeError):
    """The step before has not run."""


def write_samples(flags: argparse.Namespace) -> None:
    """People as they are drawn: latents and pictures."""
    shards = make_samples(flags.out / "samples", flags.people)
    for _ in tqdm(shards, total=-(-flags.people // samples.SHARD_SIZE), unit="shard"):
        pass


def write_directions(flags: argparse.Namespace) -> None:
    """Attributes of the samples, and the latent steps fitted to them."""
    paths = sorted((flags.out / "samples").glob("*.npz"))
    if not paths:
        raise StepMissing(f"There are no samples in {flags.out / 'samples'}: run the step `samples` first.")
    estimator = load_estimator(flags.critic)
    read = reader(estimator)
    latents, attributes = [], []
    for path in tqdm(paths, unit="shard"):
        with np.load(path) as shard:
            pictures, w = shard["pictures"], shard["w"]
        ages = (read(pictures) + read(pictures[:, :, ::-1])) / 2
        male = ops.convert_to_numpy(estimator(pictures.astype(np.float32) / 127.5 - 1.0)["male"])[:, 0]
        for row, picture in enumerate(pictures):
            faces = find_faces(picture)
            if faces:
                latents.append(w[row])
                attributes.append(measure(picture, faces[0].points, ages[row], male[row]))
    fitted = fit_directions(np.array(latents), np.array(attributes))
    save_npz(flags.out / "directions.npz", **vars(fitted))
    print(f"Correlation of prediction and label on held-out people: {fitted.correlation.round(2).tolist()}")


def write_families(flags: argparse.Namespace) -> None:
    """People at eight ages."""
    own = flags.out / "directions.npz"
    with np.load(own if own.exists() else SHIPPED_DIRECTIONS) as file:
        directions = Directions(**{name: file[name] for name in file})
    shards = make_families(flags.out / "families", flags.people, Tools(directions, dlib_landmarks()))
    for _ in tqdm(shards, total=-(-flags.people // families.SHARD_SIZE), unit="shard"):
        pass


def dlib_landmarks() -> Callable[[np.ndarray], np.ndarray]:
    """The 68-point predictor of dlib for framed pictures: `(256, 256, 3)` uint8 to `(68, 2)`.

    Raises:
        TeacherMissing: If its packages are not installed.
    """
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations or importlib.util.find_spec("dlib") is None:
        raise TeacherMissing(
            "The landmarks of families come from dlib, which is not installed: run `pip install -e '.[teacher]'`."
        )
    import dlib

    predictor = dlib.shape_predictor(
        str(Path(next(iter(spec.submodule_search_locations))) / "models" / LANDMARK_FILE)
    )
    box = dlib.rectangle(*FACE_BOX)

    def landmarks(picture: np.ndarray) -> np.ndarray:
        parts = predictor(np.ascontiguousarray(picture), box).parts()
        return np.array([(part.x, part.y) for part in parts], np.float64)

    return landmarks


STEPS = {"samples": write_samples, "directions": write_directions, "families": write_families}


def main(flags: argparse.Namespace) -> int:
    """Runs one step; returns the exit status."""
    try:
        STEPS[flags.step](flags)
    except (StepMissing, TeacherMissing) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """The flags of a command line; refuses in one sentence what is missing."""
    parser = argparse_flags.ArgumentParser(prog="python -m agetrans.data.teacher", description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the teacher's data")
    parser.add_argument("--people", type=int, default=400, help="how many people")
    parser.add_argument("--critic", type=Path, help="weights of the age estimator, for directions")
    flags = parser.parse_args(arguments[1:])
    if flags.step == "directions" and not flags.critic:
        parser.error("directions needs --critic, the weights that age_estimator/train.py writes")
    return flags


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
