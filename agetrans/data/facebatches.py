"""Class-balanced training batches of prepared photographs, the same in every run over the same data."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from agetrans.data.shards import Shards
from agetrans.groups import AgeGroups

SCALE_SPREAD, ANGLE_SPREAD, SHIFT_SPREAD, LIGHT_SPREAD = 0.03, 2.0, 0.01, 0.04
"""Standard deviations of the augmentations: log scale, degrees, fractions of the width, fractions of the contrast."""


@dataclass(frozen=True)
class FaceBatches:
    """Makes batch number n from n and the seed alone.

    Every batch holds each age group as often as any other, give or take one. The pictures of a batch lie in such an
    order that cutting it into `parts` equal pieces leaves the groups of the minibatch standard deviation whole.

    Attributes:
        shards: The photographs.
        age_groups: Groups to balance over.
        batch: Photographs a batch.
        seed: Of the run.
        parts: Pieces that the batch will be cut into: devices times accumulation steps.
        between_groups: Whether labels and targets may lie between two groups, as AgeTrans takes them, or are pure.
        noise_sides: Side of each noise map that is wanted.
        picture_noise: Whether a noise picture is wanted, for the path length penalty.
        share: Which of how many equal shares of a batch is made: a worker reads its own pictures alone.
    """

    shards: Shards
    age_groups: AgeGroups
    batch: int
    seed: int = 0
    parts: int = 1
    between_groups: bool = True
    noise_sides: tuple[int, ...] = ()
    picture_noise: bool = False
    share: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        if self.batch % self.parts:
            raise ValueError(f"{self.parts} parts do not divide a batch of {self.batch}.")
        groups = np.array([self.age_groups.index(years) for years in self.shards.years])
        members = [np.flatnonzero(groups == group) for group in range(self.age_groups.count)]
        object.__setattr__(self, "_members", members)
        order = np.concatenate([np.arange(part, self.batch, self.parts) for part in range(self.parts)])
        worker, workers = self.share
        object.__setattr__(self, "_order", np.split(order, workers)[worker])

    def draw(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """What a batch shows and asks for, before it is put in order.

        Returns:
            Photographs by number `(B,)`, and the place `(B,)` of each target on the path through all groups.
        """
        random = np.random.default_rng((self.seed, number))
        count = self.age_groups.count
        turns = -(-self.batch // count)
        groups = np.concatenate([random.permutation(count) for _ in range(turns)])[: self.batch]
        members: list[np.ndarray] = getattr(self, "_members")  # noqa: B009
        chosen = np.array([random.choice(members[group]) for group in groups])
        if self.between_groups:
            return chosen, random.uniform(0, count - 1, self.batch)
        return chosen, random.integers(count, size=self.batch).astype(np.float64)

    def make(self, number: int) -> dict[str, np.ndarray]:
        """A batch.

        Returns:
            `image` `(B, S, S, 3)` uint8; `years` `(B,)`; `label` and `target` `(B, groups)`, the labels of the age
            that is shown and of the one that is asked for; `noise0` ... `(B, side, side, 1)` for each noise map;
            `picture_noise` `(B, S, S, 3)`. All but the pictures float32.
        """
        chosen, places = self.draw(number)
        order: np.ndarray = getattr(self, "_order")  # noqa: B009
        rows = [self._row(number, int(place), int(chosen[place])) for place in order]
        batch = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        years = self.shards.years[chosen[order]]
        label = self.age_groups.soft_label(years)
        if not self.between_groups:
            label = np.stack([self.age_groups.hard_label(self.age_groups.index(age)) for age in years])
        return {**batch, "years": years, "label": label, "target": self.age_groups.between(places[order])}

    def _row(self, number: int, place: int, index: int) -> dict[str, np.ndarray]:
        random = np.random.default_rng((self.seed, number, place))
        size = self.shards.size
        row = {"image": augment(self.shards.picture(index), random)}
        for k, side in enumerate(self.noise_sides):
            row[f"noise{k}"] = random.standard_normal((side, side, 1), np.float32)
        if self.picture_noise:
            row["picture_noise"] = random.standard_normal((size, size, 3), np.float32)
        return row


def augment(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A picture as it might have been taken a moment later: mirrored, turned, shifted, lit a little otherwise.

    Nothing that a face's age shows in is touched: no blur, no noise, no change of hue or of the hair's grey.

    Args:
        picture: `(S, S, 3)` uint8.
        random: Where chance comes from.
    """
    size = picture.shape[0]
    matrix = cv2.getRotationMatrix2D(
        ((size - 1) / 2,) * 2, random.normal(0, ANGLE_SPREAD), np.exp(random.normal(0, SCALE_SPREAD))
    )
    matrix[:, 2] += random.normal(0, SHIFT_SPREAD * size, 2)
    if random.random() < 0.5:
        matrix = matrix @ np.array([[-1.0, 0, size - 1], [0, 1, 0], [0, 0, 1]])
    moved = cv2.warpAffine(
        picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    contrast, light = 1 + random.normal(0, LIGHT_SPREAD), 127.5 * random.normal(0, LIGHT_SPREAD)
    return cv2.convertScaleAbs(np.maximum(0, (moved.astype(np.float32) - 127.5) * contrast + 127.5 + light))
