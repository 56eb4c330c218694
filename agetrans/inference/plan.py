"""Which ages to show: the labels of the frames, and what to call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agetrans.groups import MAX_AGE, AgeGroups


@dataclass(frozen=True, eq=False)
class AgePlan:
    """The target ages of a run, one a frame.

    Attributes:
        labels: `(N, groups)` float32, rows sum to 1.
        ages: `(N,)` float64, years.
        stops: the frames that were asked for by name; those between them are on the way from one to the next.
        stop_names: what to call each stop: "25 years", or a group's name such as "20-29".
    """

    labels: np.ndarray
    ages: np.ndarray
    stops: tuple[int, ...]
    stop_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(
        cls,
        age_groups: AgeGroups,
        ages: Sequence[float] | None = None,
        groups: Sequence[int | str] | None = None,
        steps: int | None = None,
    ) -> AgePlan:
        """What `AgeTransformer.transform` was asked for: ages in years, or else groups (all of them by default).

        Raises:
            ValueError: ages and groups at once, or what `at_ages` and `through_groups` refuse.
        """
        if ages is None:
            return cls.through_groups(age_groups, groups, 1 if steps is None else steps)
        if groups is not None or steps is not None:
            raise ValueError("Ask for ages, or for groups and steps: not for both at once.")
        return cls.at_ages(age_groups, ages)

    @classmethod
    def at_ages(cls, age_groups: AgeGroups, ages: Sequence[float]) -> AgePlan:
        """One frame for each age in years.

        Raises:
            ValueError: no age, or one that is no number or outside of what the groups span.
        """
        years = np.asarray(ages, np.float64)
        if years.ndim != 1 or not len(years):
            raise ValueError(f"Ages are a list of years such as [5, 25, 70]. Received: ages={ages!r}")
        youngest = age_groups.lower_bounds[0]
        for age in years:
            if not youngest <= age <= MAX_AGE:
                raise ValueError(
                    f"This model shows ages from {youngest} to {MAX_AGE} years. Received: {age:g} among the ages."
                )
        names = tuple(f"{age:g} year" if age == 1 else f"{age:g} years" for age in years)
        return cls(age_groups.soft_label(years), years, tuple(range(len(years))), names)

    @classmethod
    def through_groups(
        cls, age_groups: AgeGroups, groups: Sequence[int | str] | None = None, steps: int = 1
    ) -> AgePlan:
        """A run from group to group.

        Args:
            age_groups: the partition.
            groups: where to stop, as indices or names ("20-29"); all groups by default.
            steps: frames from one stop to the next, the next included.

        Returns:
            A plan of `(stops - 1) * steps + 1` frames.

        Raises:
            ValueError: an unknown group, or less than one step.
        """
        stops = _indices(age_groups, groups)
        if steps < 1:
            raise ValueError(f"A run needs at least one step between groups. Received: steps={steps}")
        frames = np.arange((len(stops) - 1) * steps + 1)
        position = np.interp(frames, np.arange(len(stops)) * steps, stops)
        labels = age_groups.between(position)
        names = tuple(age_groups.names[stop] for stop in stops)
        return cls(labels, age_groups.years(labels), tuple(range(0, len(frames), steps)), names)


def _indices(age_groups: AgeGroups, groups: Sequence[int | str] | None) -> list[int]:
    if groups is None:
        return list(range(age_groups.count))
    if isinstance(groups, (int, str)) or not len(groups):
        raise ValueError(
            f"Groups are a list of indices from 0 to {age_groups.count - 1}, or of names such as "
            f"{age_groups.names[0]!r}. Received: groups={groups!r}"
        )
    indices = []
    for group in groups:
        if group in age_groups.names:
            indices.append(age_groups.names.index(str(group)))
        elif not isinstance(group, str) and 0 <= group < age_groups.count:
            indices.append(int(group))
        else:
            raise ValueError(
                f"There is no group {group!r}; the groups are {', '.join(age_groups.names)}, indices 0 to "
                f"{age_groups.count - 1}."
            )
    return indices
