"""What only a run through all ages shows: whether it flickers or jumps, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from agetrans.evaluation.changes import head_mask, second_difference
from agetrans.evaluation.intervals import mean_of
from agetrans.evaluation.methods import SnapshotMethod
from agetrans.evaluation.protocol import PIXELS, Figure
from agetrans.evaluation.readings import Track

STEPS = 10
"""Frames from one group to the next: 91 for ten groups."""


def run_figures(method: SnapshotMethod, people: int, track: Track | None = None) -> list[Figure]:
    """Steadiness of the first people's runs.

    Args:
        method: the snapshot.
        people: how many are run through all ages.
        track: progress.
    """
    unsteady, jumps, large = [], [], []
    shown: Iterable[int] = range(people)
    if track is not None:
        shown = track(shown, "Runs of 91 frames", people)
    for index in shown:
        frames = [frame for frame in method.run(index, STEPS) if frame is not None]
        if len(frames) < 3:
            continue
        unsteady.append(second_difference(frames))
        steps = steps_of(frames)
        jumps.append(steps.max() / steps.mean() if steps.any() else np.nan)
        large.append(np.percentile(steps, 95))
    return [
        Figure("flicker_second_difference_255", None, mean_of(np.array(unsteady)), PIXELS),
        Figure("largest_step_over_mean_step", None, mean_of(np.array(jumps)), PIXELS),
        Figure("step_95th_percentile_255", None, mean_of(np.array(large)), PIXELS),
    ]


def steps_of(run: list[np.ndarray]) -> np.ndarray:
    """Mean absolute change within the head from each frame of a run to the next: `(frames - 1,)`, 0 to 255."""
    head = head_mask()
    pixels = [frame[head].astype(np.int16) for frame in run]
    return np.array([np.abs(after - before).mean() for before, after in pairwise(pixels)])


def seconds(method: SnapshotMethod, frames: int, people: int) -> dict[str, float]:
    """How long the method took on this machine, in seconds at 256 pixels.

    Args:
        method: the snapshot, after all its pictures were made.
        frames: pictures made.
        people: faces encoded.
    """
    spent = method.transformer.stopwatch.seconds
    per_frame = (spent.get("decoding", 0.0) + spent.get("composing", 0.0)) / max(1, frames)
    return {"encoding_a_face": spent.get("encoding", 0.0) / max(1, people), "a_frame": per_frame}
