"""The first figures of a snapshot on photographs that no training saw.

    python -m agetrans.evaluation.figures --snapshot agetrans_10group --photos test.npz --out DIR

The photographs are framed ones, from `agetrans.data.photographs` with `--split test`. People of 20 to 29 are shown at
all age groups; every figure stands beside the same judge's reading of real people.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from absl import app, flags

from agetrans.evaluation.judges import AgeJudge, FaceLocator, GenderJudge, Recogniser
from agetrans.groups import AgeGroups
from agetrans.inference import AgeTransformer
from agetrans.pictures import write_picture

FLAGS = flags.FLAGS
flags.DEFINE_string("snapshot", "agetrans_10group", "Snapshot of ten groups: a name or a folder.")
flags.DEFINE_string("photos", None, "Framed photographs, from agetrans.data.photographs --split test.")
flags.DEFINE_string(
    "out", None, "Folder for figures.json and the sheets. Sheets show real people: do not publish them."
)
flags.DEFINE_integer("people", 40, "How many people of 20 to 29 are shown at all ages.")

FACE_BOX = (58.0, 82.0, 198.0, 222.0)
"""Where the `ffhq` framing puts a face, in a picture of 256 pixels: left, top, right, bottom."""
HEAD = ((128, 122), (98, 126))
"""Ellipse that covers the head in that framing, centre and half axes; what lies outside counts as background."""
FALSE_ACCEPTS = 0.01
OWN_GROUP, YOUNGEST_COUNTED = 5, 2
"""Identity is averaged from 7-9 to 70+, without the people's own group."""
PEOPLE_PER_SHEET = 8


@dataclass(frozen=True)
class Readings:
    """What the judges say of N pictures: ages `(N,)`, women `(N,)` in [0, 1], embeddings `(N, 128)`, faces found."""

    ages: np.ndarray
    female: np.ndarray
    embeddings: np.ndarray
    found: int


class Judges:
    """All judges at once."""

    def __init__(self) -> None:
        self.locator, self.age, self.gender, self.recogniser = (
            FaceLocator(),
            AgeJudge(),
            GenderJudge(),
            Recogniser(),
        )

    def read(self, pictures: np.ndarray) -> Readings:
        """Reads framed pictures `(N, 256, 256, 3)` uint8."""
        listed = list(pictures)
        faces = [face for picture in listed if (face := self.locator.locate(picture, FACE_BOX)) is not None]
        return Readings(
            ages=self.age.ages(listed, faces),
            female=self.gender.female(listed, faces),
            embeddings=self.recogniser.embeddings(listed, faces),
            found=sum(face.found for face in faces),
        )


def same_person(input_embeddings: np.ndarray, outputs: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Whether each output is more like its input than 99 % of other real people of the target group are.

    Args:
        input_embeddings: `(N, 128)`, unit length.
        outputs: `(N, 128)`.
        others: `(M, 128)` of real people of the target group, none of them among the inputs.

    Returns:
        `(N,)` bool.
    """
    thresholds = np.quantile(input_embeddings @ others.T, 1 - FALSE_ACCEPTS, axis=1)
    return (input_embeddings * outputs).sum(axis=1) > thresholds


def outside_head(before: np.ndarray, after: np.ndarray) -> float:
    """Mean absolute difference, 0 to 255, of pictures `(..., 256, 256, 3)` outside the head's ellipse."""
    mask = np.ones(before.shape[-3:-1], np.uint8)
    cv2.ellipse(mask, HEAD[0], HEAD[1], 0, 0, 360, 0, cv2.FILLED)
    difference = np.abs(after.astype(np.int16) - before.astype(np.int16))
    return float(difference[..., mask.astype(bool), :].mean())


def rises(ages: np.ndarray, allowed: float = 2.0) -> np.ndarray:
    """Whether judged ages `(N, groups)` rise through all groups, one inversion below `allowed` years forgiven."""
    falls = -np.diff(ages, axis=1)
    return ((falls > 0).sum(axis=1) <= 1) & (falls.max(axis=1) < allowed)


def measure(frames: np.ndarray, inputs: np.ndarray, real: np.ndarray, real_ages: np.ndarray) -> dict:
    """All figures.

    Args:
        frames: `(N, groups, 256, 256, 3)` uint8, the people at all groups.
        inputs: `(N, 256, 256, 3)` uint8, the people.
        real: `(M, 256, 256, 3)` uint8, other real people of all ages.
        real_ages: Their labels in years, `(M,)`.
    """
    age_groups, judges = AgeGroups.of(10), Judges()
    source, others = judges.read(inputs), judges.read(real)
    members = np.array([age_groups.index(age) for age in real_ages])
    rows, ages = [], []
    for k, name in enumerate(age_groups.names):
        made = judges.read(frames[:, k])
        ages.append(made.ages)
        judged_real = float(others.ages[members == k].mean())
        rows.append(
            {
                "group": name,
                "judged": float(made.ages.mean()),
                "judged_real": judged_real,
                "error": abs(float(made.ages.mean()) - judged_real),
                "same_person": float(
                    same_person(source.embeddings, made.embeddings, others.embeddings[members == k]).mean()
                ),
                "gender_kept": float(((made.female > 0.5) == (source.female > 0.5)).mean()),
                "outside_head": outside_head(inputs, frames[:, k]),
                "faces_found": made.found,
                "impostor_pairs": int((members == k).sum()) * len(inputs),
            }
        )
    counted = [k for k in range(YOUNGEST_COUNTED, age_groups.count) if k != OWN_GROUP]
    return {
        "people": len(inputs),
        "groups": rows,
        "same_person_mean": float(np.mean([rows[k]["same_person"] for k in counted])),
        "outside_head_mean": float(np.mean([row["outside_head"] for row in rows])),
        "rises": float(rises(np.stack(ages, axis=1)).mean()),
    }


def write_sheets(folder: Path, inputs: np.ndarray, frames: np.ndarray) -> None:
    """Contact sheets of eight people each: a row a person, the input and all groups."""
    for start in range(0, len(inputs), PEOPLE_PER_SHEET):
        part = slice(start, start + PEOPLE_PER_SHEET)
        rows = [
            np.concatenate([person, *shown], axis=1)
            for person, shown in zip(inputs[part], frames[part], strict=True)
        ]
        write_picture(folder / f"sheet_{start // PEOPLE_PER_SHEET}.png", np.concatenate(rows))


def main(_: list[str]) -> None:
    """Makes the frames, measures and prints the table."""
    with np.load(FLAGS.photos) as file:
        pictures, ages = file["pictures"], file["age"]
    shown = np.flatnonzero((ages >= 20) & (ages < 30))[: FLAGS.people]
    others = np.setdiff1d(np.arange(len(ages)), shown)
    transformer = AgeTransformer.from_snapshot(FLAGS.snapshot)
    labels = np.eye(10, dtype=np.float32)
    frames = np.stack([np.stack(list(transformer.render(pictures[i], labels))) for i in shown])
    result = measure(frames, pictures[shown], pictures[others], ages[others])
    folder = Path(FLAGS.out)
    folder.mkdir(parents=True, exist_ok=True)
    write_sheets(folder, pictures[shown], frames)
    (folder / "figures.json").write_text(json.dumps({"snapshot": FLAGS.snapshot, **result}, indent=1))
    print(f"{'group':>6} {'judged':>7} {'real':>6} {'Err':>5} {'same %':>7} {'gender %':>9} {'outside':>8}")
    for row in result["groups"]:
        print(
            f"{row['group']:>6} {row['judged']:7.1f} {row['judged_real']:6.1f} {row['error']:5.1f} "
            f"{100 * row['same_person']:7.0f} {100 * row['gender_kept']:9.0f} {row['outside_head']:8.2f}"
        )
    print(f"same person, 7-9 to 70+ without the own: {100 * result['same_person_mean']:.1f} %")
    print(f"ages rise through all groups: {100 * result['rises']:.0f} % of {result['people']} people")


if __name__ == "__main__":
    flags.mark_flags_as_required(["photos", "out"])
    app.run(main)
