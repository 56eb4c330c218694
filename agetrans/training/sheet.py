"""Contact sheets of a fixed sample: one row a person, the photograph first, then every age group."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from keras import ops

from agetrans.data.shards import Shards
from agetrans.groups import AgeGroups
from agetrans.models.generator import Generator
from agetrans.pictures import write_picture
from agetrans.training.painting import paint

LARGEST_CELL = 128
"""Side of a picture on the sheet, at most."""


def fixed_sample(shards: Shards, age_groups: AgeGroups, people: int = 4) -> np.ndarray:
    """The first photograph of some groups, spread over life: `(people, S, S, 3)` uint8."""
    groups = [age_groups.index(years) for years in shards.years]
    wanted = np.unique(np.linspace(0, age_groups.count - 1, people).round().astype(int))
    return shards.pictures([groups.index(group) for group in wanted])


def sample_sheet(generator: Generator, sample: np.ndarray, path: Path) -> np.ndarray:
    """Writes the sheet and returns it, `(rows, columns, 3)` uint8."""
    image = ops.convert_to_tensor(sample.astype(np.float32) / 127.5 - 1.0)
    columns: list[np.ndarray] = [sample]
    for group in np.eye(generator.groups, dtype=np.float32):
        label = ops.convert_to_tensor(np.repeat(group[None], len(sample), axis=0))
        picture = paint(generator, image, label, label, None, with_identity=False).picture
        values = ops.convert_to_numpy(ops.cast(picture, "float32"))
        columns.append(np.clip(np.rint(values * 127.5 + 127.5), 0, 255).astype(np.uint8))
    sheet = _grid(columns)
    path.parent.mkdir(exist_ok=True)
    write_picture(path, sheet)
    return sheet


def _grid(columns: Sequence[np.ndarray]) -> np.ndarray:
    step = max(1, columns[0].shape[1] // LARGEST_CELL)
    rows = [np.concatenate([column[row] for column in columns], axis=1) for row in range(len(columns[0]))]
    return np.ascontiguousarray(np.concatenate(rows)[::step, ::step])
