"""Makes the 10- and the 4-group snapshot from the weights of one run.

python -m agetrans.training.publish --weights RUN/generator.weights.h5 --card CARD.md --licenses LICENSES.md
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from agetrans.cli.console import (
    DONE,
    CommandError,
    SentenceParser,
    check_file,
    check_out,
    run_console,
    shown,
)

if TYPE_CHECKING:
    from agetrans.models.agetrans import AgeTrans
    from agetrans.models.icm import SharedConv2D

FIRST_ADULT_GROUP = 5
"""The published 4 groups are taken from 20-29, 30-39, 40-49 and 50-69 of the 10."""


def slice_groups(generator: AgeTrans, first: int, count: int) -> AgeTrans:
    """A generator of `count` neighbouring groups of another, exactly as they are there.

    Neighbours stay neighbours, so that the kernels that they share in the ICM stay shared.

    Args:
        generator: the network to take from.
        first: index of its first group that is kept.
        count: number of groups that are kept.
    """
    from agetrans.models.agetrans import AgeTrans
    from agetrans.models.icm import group_starts

    part = AgeTrans(generator.size, count, generator.width, generator.units)
    kept = slice(first, first + count)
    start = int(group_starts(generator.groups, generator.units, generator.icm.shared)[first])
    channels = slice(start, start + part.icm.enter.filters)
    for ours, theirs in zip(part.weights, generator.weights, strict=True):
        if ours.shape == theirs.shape:
            ours.assign(theirs)
    part.icm.enter.kernel.assign(generator.icm.enter.kernel[..., channels])
    part.icm.enter.bias.assign(generator.icm.enter.bias[channels])
    for ours, theirs in zip(part.icm.convs, generator.icm.convs, strict=True):
        _slice_conv(ours, theirs, kept, channels)
    part.age_groups.kernel.assign(generator.age_groups.kernel[:, kept])
    part.age_groups.bias.assign(generator.age_groups.bias[kept])
    return part


def _slice_conv(ours: SharedConv2D, theirs: SharedConv2D, kept: slice, channels: slice) -> None:
    import numpy as np
    from keras import ops

    values = ops.convert_to_numpy(theirs.kernel.value)
    kernel = np.array(values[kept])
    if kept.start:
        # The first group of all reads its own first corner; the others read their lower neighbour's last.
        shared = theirs.shared
        kernel[0, ..., :shared, :shared] = values[kept.start - 1, ..., -shared:, -shared:]
    ours.kernel.assign(kernel)
    ours.bias.assign(theirs.bias[channels])


def parse(argv: list[str]) -> argparse.Namespace:
    """Flags of the program; `argv[0]` is its name."""
    parser = SentenceParser(
        prog="python -m agetrans.training.publish",
        description="Makes the snapshots of 10 and of 4 groups from the weights of one run.",
    )
    add = parser.add_argument
    add("--weights", type=Path, required=True, metavar="FILE", help="weights of the generator of 10 groups")
    add("--card", type=Path, required=True, metavar="FILE", help="model card, Markdown, for both snapshots")
    add("--licenses", type=Path, required=True, metavar="FILE", help="licence notices, Markdown, for both")
    add("--size", type=int, default=128, metavar="PIXELS", help="core size of the generator (default: 128)")
    add(
        "--width",
        type=int,
        default=16,
        metavar="N",
        help="half the channels of the generator's finest level (default: 16)",
    )
    add(
        "--out",
        type=Path,
        default=Path("snapshot"),
        metavar="DIR",
        help="folder that gets agetrans_10group and agetrans_4group (default: snapshot)",
    )
    return parser.parse_args(argv[1:])


def main(flags: argparse.Namespace) -> int:
    """Writes both snapshots; returns the exit status."""
    for file in (flags.weights, flags.card, flags.licenses):
        check_file(file)
    check_out(flags.out)
    from agetrans.startup import start_keras

    start_keras()
    from agetrans.groups import AgeGroups
    from agetrans.models.agetrans import AgeTrans
    from agetrans.snapshot import save_snapshot

    generator = AgeTrans(flags.size, width=flags.width)
    try:
        generator.load_weights(flags.weights)
    except (ValueError, OSError):
        raise CommandError(
            f"{flags.weights} holds no weights of a generator of 10 groups and --width {flags.width}."
        ) from None
    card, licenses = (path.read_text(encoding="utf-8") for path in (flags.card, flags.licenses))
    for network in (generator, slice_groups(generator, FIRST_ADULT_GROUP, 4)):
        path = flags.out / f"agetrans_{network.groups}group"
        save_snapshot(network, AgeGroups.of(network.groups), path, card=card, licenses=licenses)
        print(f"Wrote {shown(path)}")
    return DONE


if __name__ == "__main__":
    run_console(parse, main)
