"""Protocols on pictures that were read: tables of figures and the curves that belong to them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from agetrans.data.labelled import DataError
from agetrans.evaluation.intervals import Estimate, share_of
from agetrans.recognition import protocols
from agetrans.recognition.recognisers import FUSIONS, Views

RANKS = (1, 5, 10)
"""Ranks in tables."""
CURVE_RANKS = (*range(1, 21), 50, 100)
PROBE_AGES = (0, 5, 10, 15, 20, 30, 40, 50, 70)
"""First year of each range of probes' ages."""


@dataclass
class Benchmark:
    """What one protocol says of a recogniser.

    Attributes:
        name: Of the set.
        facts: What was compared and what could not be, in sentences.
        rows: Figures by name, and by the way views were fused; all are shares.
        curves: x and y by the way views were fused.
    """

    name: str
    facts: list[str]
    rows: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    curves: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def add(self, fusion: str, figures: dict[str, Estimate]) -> None:
        """Takes in the figures of one way to fuse views."""
        for name, figure in figures.items():
            self.rows.setdefault(name, {})[fusion] = figure

    def table(self) -> str:
        """Facts and figures as text: percents with their 95 % intervals."""
        width = max(len(name) for name in self.rows) + 2
        lines = [self.name, *self.facts, " " * width + "".join(f"{fusion:>22}" for fusion in FUSIONS)]
        for name, cells in self.rows.items():
            count = max(cell.count for cell in cells.values())
            line = f"{name:<{width}}" + "".join(f"{_cell(cells[fusion]):>22}" for fusion in FUSIONS)
            lines.append(f"{line}  n {count:,}")
        return "\n".join(lines)

    def json_lines(self) -> str:
        """One JSON object a figure; what cannot be said is null."""
        return "".join(
            json.dumps({"set": self.name, "figure": name, "views": fusion, **_plain(figure)}) + "\n"
            for name, cells in self.rows.items()
            for fusion, figure in cells.items()
        )


def verify_pairs(
    name: str,
    views: Views,
    first: np.ndarray,
    second: np.ndarray,
    same: np.ndarray,
    years: np.ndarray | None = None,
) -> Benchmark:
    """Ten-fold verification of pairs, and where ages are known the accuracy by the years between them.

    Args:
        name: Of the set.
        views: Of all pictures.
        first: `(P,)` places of the one picture of each pair.
        second: `(P,)` places of the other.
        same: `(P,)` bool.
        years: `(N,)` ages of the pictures, NaN where unknown.

    Raises:
        DataError: The pairs that can be used are too few.
    """
    usable = views.usable[first] & views.usable[second]
    left_out, whole = int((~usable).sum()), np.asarray(same, bool)
    same = whole[usable]
    why = f", because {len(views.unused):,} pictures cannot be used" if left_out else ""
    facts = [f"{len(same):,} pairs, {int(same.sum()):,} of one person; {left_out:,} pairs left out{why}"]
    result = Benchmark(name, facts)
    for fusion in FUSIONS:
        faces = views.fused(fusion)
        scores = (faces[first] * faces[second]).sum(axis=1)
        try:
            verified = protocols.verify(scores, whole, usable=usable)
        except ValueError as error:
            raise DataError(f"{name}: {error}.") from None
        result.add(fusion, _verification(verified, int(same.sum())))
        if years is not None:
            gaps, scores = (years[first] - years[second])[usable], scores[usable]
            shares = protocols.by_age_gap(scores, same, gaps)
            areas = protocols.auc_by_age_gap(scores, same, gaps)
            result.add(fusion, {f"right, {gap} years apart": share for gap, share in shares.items()})
            result.add(fusion, {f"AUC, {gap} years apart": area for gap, area in areas.items()})
        result.curves[fusion] = verified.false_accepts, verified.true_accepts
    return result


def leave_one_out(
    name: str, views: Views, people: Sequence[str], years: np.ndarray | None, distractors: Views | None = None
) -> Benchmark:
    """FG-NET's leave-one-out, by the probes' ages too, and rank k among distractors, see `protocols`.

    Args:
        name: Of the set.
        views: Of all pictures.
        people: Who each shows.
        years: `(N,)` ages, NaN where unknown.
        distractors: Other people; None for the other people of the set.

    Raises:
        DataError: Nobody has two pictures that can be used, or there is only one person.
    """
    usable = views.usable
    names = np.asarray(people)[usable]
    others = None if distractors is None else distractors.usable
    among = "the other people of the set" if others is None else f"{int(others.sum()):,} distractors"
    facts = [
        f"{len(names):,} pictures of {len(set(names)):,} people; {int((~usable).sum()):,} pictures left out, "
        f"they cannot be used; galleries of rank k: one picture among {among}"
    ]
    if distractors is not None and not distractors.usable.all():
        facts.append(f"{int((~distractors.usable).sum()):,} distractors left out, they cannot be used")
    result = Benchmark(name, facts)
    lonely = 0
    for fusion in FUSIONS:
        faces = views.fused(fusion)[usable]
        hits = protocols.leave_one_out(faces, names)
        lonely = int(np.isnan(hits).sum())
        if lonely == len(hits) or len(set(names)) < 2:
            raise DataError(f"{name}: identification needs two people, and one of them in two pictures.")
        result.add(fusion, {"leave-one-out, rank 1": share_of(hits)})
        if years is not None:
            result.add(fusion, _by_age(hits, years[usable]))
        rest = None if distractors is None or others is None else distractors.fused(fusion)[others]
        found, _ = protocols.against_distractors(faces, names, rest, CURVE_RANKS)
        result.add(fusion, {f"among distractors, rank {rank}": found[rank] for rank in RANKS})
        result.curves[fusion] = _rank_curve(found)
    if lonely:
        facts.append(
            f"the only picture of its person, so in the galleries and no probe: {lonely:,} of {len(names):,}"
        )
    return result


def probe_and_gallery(
    name: str,
    probes: Views,
    probe_people: Sequence[str],
    gallery: Views,
    gallery_people: Sequence[str],
    engine: str = "numpy",
) -> Benchmark:
    """MORPH II's probes and gallery, matched by name.

    Args:
        name: Of the set.
        probes: Views of the probes.
        probe_people: Who each shows.
        gallery: Views of the gallery.
        gallery_people: Who each shows.
        engine: See `protocols.search`.

    Raises:
        DataError: No probe's person is in the gallery.
    """
    sets = [
        (views, np.asarray(people)[views.usable])
        for views, people in ((probes, probe_people), (gallery, gallery_people))
    ]
    wanted, names = (people for _, people in sets)
    facts = [
        f"{len(wanted):,} probes, {len(names):,} pictures of {len(set(names)):,} people in the gallery; "
        f"{int((~probes.usable).sum()):,} probes and {int((~gallery.usable).sum()):,} pictures of the gallery left "
        "out, they cannot be used"
    ]
    result = Benchmark(name, facts)
    unknown = 0
    for fusion in FUSIONS:
        faces, others = (views.fused(fusion)[views.usable] for views, _ in sets)
        found, unknown = protocols.probe_and_gallery(faces, wanted, others, names, CURVE_RANKS, engine)
        if unknown == len(wanted):
            raise DataError(f"{name}: no probe shows a person of the gallery.")
        result.add(fusion, {f"rank {rank}": found[rank] for rank in RANKS})
        result.curves[fusion] = _rank_curve(found)
    if unknown:
        facts.append(f"{unknown:,} probes show people that the gallery does not have; they are not counted")
    return result


def _verification(verified: protocols.Verification, genuine: int) -> dict[str, Estimate]:
    rows = {"accuracy, 10 folds": _share(verified.accuracy, verified.pairs)}
    rows["spread over the folds"] = Estimate(verified.spread, math.nan, math.nan, protocols.FOLDS)
    rows["AUC"] = Estimate(verified.auc, math.nan, math.nan, verified.pairs)
    rows["EER"] = Estimate(verified.eer, math.nan, math.nan, verified.pairs)
    for rate, share in verified.tar.items():
        rows[f"TAR at FAR {100 * rate:g} %"] = _share(share, genuine)
    return rows


def _share(share: float, count: int) -> Estimate:
    """A share of so many cases with its interval."""
    if math.isnan(share):
        return Estimate(math.nan, math.nan, math.nan, count)
    return share_of(np.arange(count) < round(share * count))


def _by_age(hits: np.ndarray, years: np.ndarray) -> dict[str, Estimate]:
    result = {}
    for low, high in zip(PROBE_AGES, (*PROBE_AGES[1:], math.inf), strict=True):
        name = f"{low}-{high - 1:g}" if math.isfinite(high) else f"{low}+"
        part = share_of(hits[(years >= low) & (years < high)])
        if part.count:
            result[f"rank 1, probes of {name} years"] = part
    return result


def _rank_curve(found: dict[int, Estimate]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(list(found), np.float64), np.array([share.value for share in found.values()])


def _cell(figure: Estimate) -> str:
    if math.isnan(figure.value):
        return "-"
    text = f"{100 * figure.value:.2f}"
    return text if math.isnan(figure.low) else f"{text} ({100 * figure.low:.1f}-{100 * figure.high:.1f})"


def _plain(figure: Estimate) -> dict[str, float | int | None]:
    numbers = {"value": figure.value, "low": figure.low, "high": figure.high}
    return {**{name: None if math.isnan(x) else x for name, x in numbers.items()}, "count": figure.count}
