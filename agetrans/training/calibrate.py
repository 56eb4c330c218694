"""Measures what a generator must be asked for, so that people look as old as they should; writes it into its snapshot.

python -m agetrans.training.calibrate --snapshot snapshot/agetrans_10group --photos photos.npz --critic FILE

A generator trained with a pixel loss ages less than it is asked to: between two ages it keeps to the safe side. Our
own age estimator reads photographs of real people of each group, and what the generator makes of them at many places
between its groups. The place at which results are read as real people of a group are is what that group is asked for.
The judges of `agetrans.evaluation` have no part in it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agetrans.cli.console import DONE, CommandError, SentenceParser, check_file, run_console, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from agetrans.groups import AgeGroups
    from agetrans.inference.transformer import AgeTransformer

STEP = 0.5
"""Between the places that are read, in groups."""
FURTHEST = (2.0, 1.0)
"""How many groups below and above the wanted one may be asked for. Below: who is to look 30 must not get the shape of a
child's face because wrinkles do not go away. Above: whose own age is read a group too low must not age at that age."""
GROWN = 15
"""Years from which people are asked to look older than wanted: a child's head does not grow with what is asked for, it
only gets more wrinkles and shadows."""
STRENGTH = 0.8
"""Share of the correction that is made: the rest of it brings little and costs the likeness (docs/decisions.md)."""
APART = 0.25
"""Least distance of two groups' places: the groups must differ, also where a network cannot reach the ages of both."""


def places_to_ask(readings: np.ndarray, places: np.ndarray, wanted: np.ndarray, own: int) -> np.ndarray:
    """Where the readings of people of one group are the wanted ones.

    Args:
        readings: `(P,)` mean age that is read at each place, in years.
        places: `(P,)` rising; 0 is the first group.
        wanted: `(G,)` mean age that is read in real people of each group, in years.
        own: The group of these people, whose place stays.

    Returns:
        `(G,)` places, rising; `STRENGTH` of the way from the wanted groups to the places where they are seen.
    """
    # Where readings fall from one place to the next, the younger place of the two is as good.
    rising = np.maximum.accumulate(readings) + 1e-6 * np.arange(len(readings))
    found = np.interp(wanted, rising, places)
    last, steps = len(wanted) - 1, np.arange(len(wanted))
    found = np.clip(found, steps - FURTHEST[0], steps + FURTHEST[1])
    found = np.clip(found, APART * steps, last - APART * (last - steps))
    found[own] = own
    for group in range(own - 1, -1, -1):
        found[group] = min(found[group], found[group + 1] - APART)
    for group in range(own + 1, last + 1):
        found[group] = max(found[group], found[group - 1] + APART)
    return steps + STRENGTH * (found - steps)


def read_places(
    transformer: AgeTransformer,
    read: Callable[[np.ndarray], np.ndarray],
    pictures: np.ndarray,
    labels: np.ndarray,
) -> np.ndarray:
    """Mean age that is read in results of people, for each label.

    Args:
        transformer: Of a generator that is asked for a group as it is.
        read: Pictures `(N, 256, 256, 3)` uint8 to ages `(N,)` in years.
        pictures: `(N, 256, 256, 3)` uint8, framed.
        labels: `(P, groups)`.

    Returns:
        `(P,)` years.
    """
    return np.mean(
        [read(np.stack(list(transformer.render(picture, labels)))) for picture in pictures], axis=0
    )


def chosen_people(members: np.ndarray, group: int, people: int, seed: int = 0) -> np.ndarray:
    """Rows of at most `people` members of a group, drawn with a fixed seed."""
    rows = np.flatnonzero(members == group)
    return np.random.default_rng([seed, group]).permutation(rows)[:people]


def calibrated(
    transformer: AgeTransformer,
    read: Callable[[np.ndarray], np.ndarray],
    photographs: dict[str, np.ndarray],
    age_groups: AgeGroups,
    people: int,
) -> np.ndarray:
    """The table `asked` of `AgeTrans`, `(G, G)`.

    Args:
        transformer: Of a generator that is asked for a group as it is.
        read: Pictures `(N, 256, 256, 3)` uint8 to ages `(N,)` in years.
        photographs: `pictures` `(N, 256, 256, 3)` uint8 and `age` `(N,)`.
        age_groups: The generator's.
        people: Of each group, at most.

    Raises:
        CommandError: A group has no photograph.
    """
    from tqdm import tqdm

    # Who is younger than the first group belongs to none.
    members = np.array(
        [
            age_groups.index(years) if years >= age_groups.lower_bounds[0] else -1
            for years in photographs["age"]
        ]
    )
    rows = [chosen_people(members, group, people) for group in range(age_groups.count)]
    empty = [name for name, chosen in zip(age_groups.names, rows, strict=True) if not len(chosen)]
    if empty:
        raise CommandError(
            f"Photographs of every age group are needed, and there are none of {', '.join(empty)}."
        )
    wanted = np.array([read(photographs["pictures"][chosen]).mean() for chosen in rows])
    places = np.arange(0, age_groups.count - 1 + STEP / 2, STEP)
    labels = age_groups.between(places)
    table = []
    for own, chosen in enumerate(tqdm(rows, unit="group")):
        readings = read_places(transformer, read, photographs["pictures"][chosen], labels)
        asked = places_to_ask(readings, places, wanted, own)
        if age_groups.lower_bounds[own] < GROWN:
            asked[own:] = np.arange(own, age_groups.count)
        table.append(asked)
    return np.round(table, 2)


def parse(argv: list[str]) -> argparse.Namespace:
    """Flags of the program; `argv[0]` is its name."""
    parser = SentenceParser(
        prog="python -m agetrans.training.calibrate",
        description="Measures what a generator must be asked for, and writes it into its snapshot.",
    )
    add = parser.add_argument
    add("--snapshot", required=True, metavar="DIR", help="snapshot of an AgeTrans generator; it is replaced")
    add("--photos", type=Path, required=True, metavar="FILE", help="framed photographs with ages, .npz")
    add("--critic", type=Path, required=True, metavar="FILE", help="weights of the age estimator")
    add("--people", type=int, default=30, metavar="N", help="photographs of each group (default: 30)")
    return parser.parse_args(argv[1:])


def main(flags: argparse.Namespace) -> int:
    """Calibrates a snapshot; returns the exit status."""
    for file in (flags.photos, flags.critic):
        check_file(file)
    if flags.people < 1:
        raise CommandError(f"--people must be at least 1, not {flags.people}.")
    from agetrans.data.framed import read_framed
    from agetrans.data.labelled import DataError
    from agetrans.snapshot import CARD, LICENSES, load_snapshot, save_snapshot

    snapshot = load_snapshot(flags.snapshot)
    from agetrans.inference.transformer import AgeTransformer
    from agetrans.models.agetrans import AgeTrans
    from agetrans.training.ruler import load_estimator, reader

    generator = snapshot.generator
    if not isinstance(generator, AgeTrans):
        raise CommandError(f"{snapshot.path} holds a {type(generator).__name__}, which cannot be calibrated.")
    generator.asked = None
    try:
        card, licenses = ((snapshot.path / name).read_text(encoding="utf-8") for name in (CARD, LICENSES))
        photographs = read_framed(flags.photos, "age")
    except (OSError, DataError) as error:
        raise CommandError(f"{snapshot.path} cannot be calibrated: {error}") from None
    transformer = AgeTransformer(generator, snapshot.age_groups, framing=snapshot.framing)
    read = reader(load_estimator(flags.critic))
    generator.asked = calibrated(transformer, read, photographs, snapshot.age_groups, flags.people)
    save_snapshot(
        generator, snapshot.age_groups, snapshot.path, card=card, licenses=licenses, framing=snapshot.framing
    )
    print(generator.asked)
    print(f"{shown(snapshot.path)} asks for these places now.")
    return DONE


if __name__ == "__main__":
    run_console(parse, main)
