"""Labelled photographs on disk, before anything has looked into them, and what is wrong with a collection of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agetrans.groups import AgeGroups

OLDEST = 120
"""Ages above this, in years, are taken for slips of a label."""
FEW = 20
"""Photographs of a group below which a report calls the group thin."""


class DataError(ValueError):
    """A collection of photographs cannot be used. The message is one sentence that says why and what to do."""


@dataclass(frozen=True)
class Photograph:
    """One labelled photograph.

    Attributes:
        path: Of the picture file.
        years: Labelled age.
        male: Labelled gender, None where there is none.
        identity: Whose photograph it is, None where that is not known.
    """

    path: Path
    years: float
    male: bool | None = None
    identity: str | None = None


@dataclass
class Collection:
    """What a layout reads from a folder.

    Attributes:
        photographs: Those with a usable label, in the order of their paths.
        unused: Files or lines without one, each with the reason.
    """

    photographs: list[Photograph] = field(default_factory=list)
    unused: list[tuple[str, str]] = field(default_factory=list)

    def add(
        self, path: Path, years: str | float, male: bool | None = None, identity: str | None = None
    ) -> None:
        """Takes a photograph in, or lists it as unused if its age cannot be true or its file is not there."""
        try:
            age = float(years)
        except ValueError:
            self.unused.append((str(path), f"the age {years!r} is not a number"))
            return
        if not 0 <= age <= OLDEST:
            self.unused.append((str(path), f"the age {age:g} is not between 0 and {OLDEST} years"))
        elif not path.is_file():
            self.unused.append((str(path), "the file is not there"))
        else:
            self.photographs.append(Photograph(path, age, male, identity))


def parse_groups(text: str) -> AgeGroups:
    """Age groups from a flag: a published count, 10 or 4, or lower bounds in years such as "15,30,40,50".

    Raises:
        DataError: It is neither.
    """
    try:
        numbers = [int(part) for part in text.split(",")]
        return AgeGroups.of(numbers if len(numbers) > 1 else numbers[0])
    except ValueError as error:
        raise DataError(
            f"Age groups are 10, 4, or rising lower bounds in years such as 15,30,40,50, not {text!r}."
        ) from error


def group_counts(years: Sequence[float], age_groups: AgeGroups) -> list[int]:
    """Photographs of each age group."""
    counts = Counter(age_groups.index(age) for age in years)
    return [counts[group] for group in range(age_groups.count)]


def describe_groups(years: Sequence[float], age_groups: AgeGroups) -> list[str]:
    """One line a group: its name and its number of photographs."""
    counts = group_counts(years, age_groups)
    return [f"{name:>6} years: {count:7,}" for name, count in zip(age_groups.names, counts, strict=True)]


def check_groups(years: Sequence[float], age_groups: AgeGroups) -> list[str]:
    """Sentences on groups with few photographs.

    Raises:
        DataError: There are fewer than two photographs, or a group has none.
    """
    if len(years) < 2:
        number = "only one photograph" if len(years) else "no photograph"
        raise DataError(f"There is {number}: training needs at least one of every age group.")
    counts = group_counts(years, age_groups)
    missing = [name for name, count in zip(age_groups.names, counts, strict=True) if not count]
    if missing:
        raise DataError(
            f"There is no photograph of the age group{'s' * (len(missing) > 1)} {', '.join(missing)}: add some, or "
            "train with other groups (--group 4, or lower bounds such as --group 15,30,40,50)."
        )
    return [
        f"The group {name} has only {count} photographs: they will be seen over and over."
        for name, count in zip(age_groups.names, counts, strict=True)
        if count < FEW
    ]


def suspicious_identities(photographs: Sequence[Photograph]) -> list[str]:
    """Sentences on identities that seem to hold two people: both genders under one name, or a file under two names."""
    genders: dict[str, set[bool]] = defaultdict(set)
    owners: dict[Path, set[str]] = defaultdict(set)
    for photograph in photographs:
        if photograph.identity is None:
            continue
        owners[photograph.path].add(photograph.identity)
        if photograph.male is not None:
            genders[photograph.identity].add(photograph.male)
    sentences = [
        f"Identity {identity} is labelled male and female: two people under one name?"
        for identity, labels in sorted(genders.items())
        if len(labels) == 2
    ]
    return sentences + [
        f"{path} belongs to the identities {' and '.join(sorted(names))}: one of them is wrong."
        for path, names in sorted(owners.items())
        if len(names) > 1
    ]
