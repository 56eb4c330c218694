"""Age groups and the labels made from them: hard, soft, and continuous in years.

A label is a row of weights over the groups that sums to one. A label between two neighbouring groups is an age
between their centres, so that every age in years is a point on one continuous path through all groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

MAX_AGE = 100
"""Oldest age in years that a label can express; the last group ends here."""


@dataclass(frozen=True)
class AgeGroups:
    """A partition of ages into consecutive groups.

    Attributes:
        lower_bounds: first age in years of each group, rising. The last group is open to the top.
        centres: the age in years that the pure label of each group stands for, rising.
    """

    lower_bounds: tuple[int, ...]
    centres: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.lower_bounds) < 2 or len(self.lower_bounds) != len(self.centres):
            raise ValueError(
                "Age groups need at least two lower bounds and one centre for each. "
                f"Received: lower_bounds={self.lower_bounds}, centres={self.centres}"
            )
        for name, values in (("lower_bounds", self.lower_bounds), ("centres", self.centres)):
            if any(b <= a for a, b in pairwise(values)):
                raise ValueError(f"Age groups must rise. Received: {name}={values}")

    @classmethod
    def of(cls, groups: int | Sequence[int]) -> AgeGroups:
        """The published partition of 10 or 4 groups, or any other from its lower bounds in years.

        The two partitions are AgeTransGAN's for FFHQ-Aging.

        Raises:
            ValueError: a count other than 10 or 4, or bounds that do not rise.
        """
        if isinstance(groups, int):
            if groups not in _PUBLISHED:
                raise ValueError(
                    f"There is no published partition of {groups} groups: use 10 or 4, or give the lower "
                    f"bounds of the groups in years. Received: groups={groups}"
                )
            return _PUBLISHED[groups]
        bounds = tuple(int(bound) for bound in groups)
        ends = (*bounds[1:], min(MAX_AGE, bounds[-1] + 16) if bounds else 0)
        return cls(bounds, tuple((low + high - 1) / 2 for low, high in zip(bounds, ends, strict=True)))

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.lower_bounds)

    @property
    def names(self) -> tuple[str, ...]:
        """Names such as "0-2" ... "70+", in rising order."""
        ranges = pairwise(self.lower_bounds)
        return (*(f"{low}-{high - 1}" for low, high in ranges), f"{self.lower_bounds[-1]}+")

    def index(self, years: float) -> int:
        """Index of the group that an age in years belongs to; ages below the first group count to it."""
        return max(0, int(np.searchsorted(self.lower_bounds, np.floor(years), side="right")) - 1)

    def hard_label(self, index: int) -> np.ndarray:
        """The pure label of one group: `(groups,)` float32."""
        if not 0 <= index < self.count:
            raise ValueError(f"Group index must be 0 to {self.count - 1}. Received: index={index}")
        return np.eye(self.count, dtype=np.float32)[index]

    def soft_label(self, years: float | Sequence[float] | np.ndarray) -> np.ndarray:
        """Labels of ages in years, mixed linearly between the two neighbouring centres.

        Ages outside the first and last centre get the pure label of that end.

        Args:
            years: a number or an array of shape `(N,)`.

        Returns:
            `(groups,)` float32 for a number, else `(N, groups)`.
        """
        return self.between(np.interp(np.asarray(years, np.float64), self.centres, np.arange(self.count)))

    def between(self, places: float | np.ndarray) -> np.ndarray:
        """Labels of places between the groups, where 0 is the first group and `count - 1` the last.

        Args:
            places: a number or an array of shape `(N,)`.

        Returns:
            `(groups,)` float32 for a number, else `(N, groups)`.
        """
        distance = np.abs(np.asarray(places, np.float64)[..., None] - np.arange(self.count))
        return np.maximum(0.0, 1.0 - distance).astype(np.float32)

    def years(self, label: np.ndarray) -> np.ndarray:
        """Ages in years of labels `(..., groups)`: the weighted mean of the centres, `(...)` float64."""
        return np.asarray(label, np.float64) @ np.asarray(self.centres)

    def sequence(self, steps: int = 10) -> np.ndarray:
        """Labels of a run through all groups, `steps` frames from one pure label to the next.

        Returns:
            `((groups - 1) * steps + 1, groups)` float32: 91 rows for 10 groups and 10 steps, as AgeTransGAN's
            program makes them. Rows `0, steps, 2 * steps, ...` are the pure labels.
        """
        if steps < 1:
            raise ValueError(f"A run needs at least one step between groups. Received: steps={steps}")
        return self.between(np.arange((self.count - 1) * steps + 1) / steps)


_PUBLISHED = {
    10: AgeGroups(
        (0, 3, 7, 10, 15, 20, 30, 40, 50, 70), (1.0, 4.5, 8.0, 12.0, 17.0, 24.5, 34.5, 44.5, 59.5, 77.0)
    ),
    4: AgeGroups((15, 30, 40, 50), (22.0, 34.5, 44.5, 65.0)),
}
