"""Makes the 10- and the 4-group snapshot from the weights of one run.

python -m agetrans.training.publish --weights RUN/generator.weights.h5 --card CARD.md --out snapshot
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from absl import app, flags

from agetrans.groups import AgeGroups
from agetrans.models.agetrans import AgeTrans
from agetrans.models.icm import SharedConv2D, group_starts
from agetrans.snapshot import save_snapshot

FLAGS = flags.FLAGS
flags.DEFINE_string("weights", None, "Weights of the generator of 10 groups.", required=True)
flags.DEFINE_string("card", None, "Model card, Markdown, for both snapshots.", required=True)
flags.DEFINE_string("licenses", None, "Licence notices, Markdown, for both snapshots.", required=True)
flags.DEFINE_integer("size", 256, "Core size of the generator.")
flags.DEFINE_integer("width", 16, "Half the channels of the generator's finest level.")
flags.DEFINE_string("out", "snapshot", "Folder that gets agetrans_10group and agetrans_4group.")

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
    kernel = np.array(theirs.kernel[kept])
    if kept.start:
        # The first group of all reads its own first corner; the others read their lower neighbour's last.
        shared = theirs.shared
        kernel[0, ..., :shared, :shared] = np.array(theirs.kernel[kept.start - 1])[..., -shared:, -shared:]
    ours.kernel.assign(kernel)
    ours.bias.assign(theirs.bias[channels])


def main(_: list[str]) -> None:
    """Writes both snapshots."""
    generator = AgeTrans(FLAGS.size, width=FLAGS.width)
    generator.load_weights(FLAGS.weights)
    card, licenses = (Path(path).read_text(encoding="utf-8") for path in (FLAGS.card, FLAGS.licenses))
    for network in (generator, slice_groups(generator, FIRST_ADULT_GROUP, 4)):
        path = Path(FLAGS.out) / f"agetrans_{network.groups}group"
        save_snapshot(network, AgeGroups.of(network.groups), path, card=card, licenses=licenses)
        print(f"Wrote {path}")


if __name__ == "__main__":
    app.run(main)
