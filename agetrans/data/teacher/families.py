"""Families: one synthetic person at several ages, with head masks and landmarks, in shards on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agetrans.backend import on_arrays
from agetrans.files import save_npz

from .attributes import NAMES, child_of, old_of
from .directions import Directions
from .network import Mapping, Synthesis
from .samples import draw_latents, mean_latent, shrink, to_bytes
from .segments import FEATURE, head_masks, load_centroids

SHARD_SIZE = 20
FRAMES = 8
"""Frames of a person: as drawn, and at seven other ages."""
FIRST_PERSON = 100_000
"""Families are other people than the samples that the directions were fitted to."""
YEARS = (1.0, 4.5, 8.0, 12.0, 17.0, 24.5, 34.5, 44.5, 59.5, 77.0)
ASKED = (4.0, 7.5, 11.0, 14.0, 17.5, 25.0, 36.0, 46.0, 55.0, 68.0)
"""Ages that the directions must be asked for to see these years: the ruler that they were fitted with, and ridge
regression, both pull towards the middle, so that steps to the ends overshoot. Read off ten people by eye."""
MOST_YAW = 0.25
"""Largest sideways place of the nose, in distances between the eyes; beyond it lie profiles."""


@dataclass(frozen=True)
class Tools:
    """What a family is made with.

    Attributes:
        directions: Latent steps of the attributes.
        landmarks: `(256, 256, 3)` uint8 to `(68, 2)` points in pixels.
    """

    directions: Directions
    landmarks: Callable[[np.ndarray], np.ndarray]


def make_families(
    folder: Path, people: int, tools: Tools, first: int = FIRST_PERSON, shard_size: int = SHARD_SIZE
) -> Iterator[Path]:
    """Writes shards of families that are not there yet and yields their paths, one by one, in order.

    Each shard `NNNNNN.npz` (number of its first person) holds, for N people and F frames: `pictures`
    `(N, F, 256, 256, 3)` uint8, `heads` `(N, F, 64, 64)` bool, `intended` `(N, F)` float32 years, `landmarks`
    `(N, F, 68, 2)` float32 pixels, `w` `(N, F, 512)` float32. Profiles are left out, so N is at most the shard's size.
    A run cut off continues with the first missing shard.

    Args:
        folder: Where the shards are; made where it is missing.
        people: Number of people, rounded up to whole shards.
        tools: What the families are made with.
        first: Number of the first person.
        shard_size: People a shard.

    Raises:
        TeacherMissing: If the package with the teacher's weights is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mapping = on_arrays(Mapping().call)
    mean_w = mean_latent(mapping)
    synthesis = on_arrays(Synthesis(512, features=(FEATURE,), dtype="mixed_bfloat16").call)
    centroids = load_centroids()
    for start in range(first, first + people, shard_size):
        path = folder / f"{start:06d}.npz"
        if not path.exists():
            latents = draw_latents(start, shard_size, mapping, mean_w)
            yaw = tools.directions.predict(latents)[:, NAMES.index("yaw")]
            latents = latents[np.abs(yaw) < MOST_YAW]
            families = [
                _family(w, np.random.default_rng((start + row, 7)), tools, synthesis, centroids)
                for row, w in enumerate(latents)
            ]
            save_npz(path, **{name: np.stack([family[name] for family in families]) for name in families[0]})
        yield path


def _family(
    w: np.ndarray,
    random: np.random.Generator,
    tools: Tools,
    synthesis: Callable[..., Any],
    centroids: np.ndarray,
) -> dict[str, np.ndarray]:
    """One person's arrays of a shard; `w` `(512,)` is the person as drawn."""
    known = tools.directions.predict(w[None])[0]
    child, old = known[NAMES.index("child")], known[NAMES.index("old")]
    now = np.exp(child) - 3 if child < child_of(24) else 25 + max(old, 0.0)
    places = np.sort(random.permutation(len(YEARS))[: FRAMES - 1]) + random.uniform(-0.4, 0.4, FRAMES - 1)
    asked = np.interp(places, np.arange(len(ASKED)), ASKED)
    steps = tools.directions.steps[:, [NAMES.index("child"), NAMES.index("old")]]
    moves = np.stack([child_of(asked) - child, old_of(asked) - old], axis=1) @ steps.T
    latents = np.concatenate([w[None], w + moves]).astype(np.float32)
    outputs = [synthesis(latents[i : i + 4]) for i in range(0, FRAMES, 4)]
    pictures = np.concatenate([to_bytes(shrink(picture, 256)) for picture, _ in outputs])
    heads = np.concatenate([head_masks(activations[FEATURE], centroids) for _, activations in outputs])
    return {
        "pictures": pictures,
        "heads": heads,
        "intended": np.interp([now, *asked], ASKED, YEARS).astype(np.float32),
        "landmarks": np.stack([tools.landmarks(picture) for picture in pictures]).astype(np.float32),
        "w": latents,
    }
