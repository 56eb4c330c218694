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
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agetrans.cli.console import DONE, CommandError, SentenceParser, check_file, check_out, run_console

if TYPE_CHECKING:
    import numpy as np

LANDMARK_FILE = "shape_predictor_68_face_landmarks.dat"
SHIPPED_DIRECTIONS = Path(__file__).with_name("directions.npz")
FACE_BOX = (58, 82, 198, 222)
"""Left, top, right, bottom of the face in a teacher's picture of 256 pixels, as dlib's predictor expects boxes."""


def write_samples(flags: argparse.Namespace) -> None:
    """People as they are drawn: latents and pictures."""
    from tqdm import tqdm

    from agetrans.data.teacher.samples import SHARD_SIZE, make_samples

    shards = make_samples(flags.out / "samples", flags.people)
    for _ in tqdm(shards, total=-(-flags.people // SHARD_SIZE), unit="shard"):
        pass


def write_directions(flags: argparse.Namespace) -> None:
    """Attributes of the samples, and the latent steps fitted to them."""
    paths = sorted((flags.out / "samples").glob("*.npz"))
    if not paths:
        raise CommandError(f"There are no samples in {flags.out / 'samples'}: run the step `samples` first.")
    import numpy as np
    from keras import ops
    from tqdm import tqdm

    from agetrans.data.teacher.attributes import measure
    from agetrans.data.teacher.directions import fit_directions
    from agetrans.faces import find_faces
    from agetrans.files import save_npz
    from agetrans.training.ruler import load_estimator, reader

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
    import numpy as np
    from tqdm import tqdm

    from agetrans.data.teacher.directions import Directions
    from agetrans.data.teacher.families import SHARD_SIZE, Tools, make_families

    own = flags.out / "directions.npz"
    with np.load(own if own.exists() else SHIPPED_DIRECTIONS) as file:
        directions = Directions(**{name: file[name] for name in file})
    shards = make_families(flags.out / "families", flags.people, Tools(directions, dlib_landmarks()))
    for _ in tqdm(shards, total=-(-flags.people // SHARD_SIZE), unit="shard"):
        pass


def dlib_landmarks() -> Callable[[np.ndarray], np.ndarray]:
    """The 68-point predictor of dlib for framed pictures: `(256, 256, 3)` uint8 to `(68, 2)`.

    Raises:
        TeacherMissing: If its packages are not installed.
    """
    from agetrans.data.teacher.weights import TeacherMissing

    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations or importlib.util.find_spec("dlib") is None:
        raise TeacherMissing(
            "The landmarks of families come from dlib, which is not installed: run `pip install -e '.[teacher]'`."
        )
    import dlib
    import numpy as np

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
    check_out(flags.out)
    if flags.critic:
        check_file(flags.critic)
    from agetrans.startup import start_keras

    start_keras()
    from agetrans.data.teacher.weights import TeacherMissing

    try:
        STEPS[flags.step](flags)
    except TeacherMissing as error:
        raise CommandError(str(error)) from None
    return DONE


def parse(argv: list[str]) -> argparse.Namespace:
    """Flags of the program; refuses in one sentence what is missing."""
    parser = SentenceParser(
        prog="python -m agetrans.data.teacher",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--out", type=Path, required=True, help="folder of the teacher's data")
    parser.add_argument("--people", type=int, default=400, help="how many people")
    parser.add_argument("--critic", type=Path, help="weights of the age estimator, for directions")
    flags = parser.parse_args(argv[1:])
    if flags.step == "directions" and not flags.critic:
        parser.error("directions needs --critic, the weights that age_estimator/train.py writes")
    return flags


if __name__ == "__main__":
    run_console(parse, main)
