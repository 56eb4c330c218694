"""The protocols of cross-age recognition: verification of pairs, identification, accuracy by age gap.

All take embeddings or similarities as NumPy arrays; none drops anything silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from agetrans.data.labelled import DataError
from agetrans.evaluation.intervals import Estimate, share_of

FOLDS = 10
FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3, 1e-4)
GAPS = (0, 5, 10, 20, 30)
"""First years of the ranges of years between two pictures."""
BLOCK = 16384
"""Gallery pictures that are compared at a time."""


@dataclass(frozen=True)
class Verification:
    """What a list of pairs says of a recogniser.

    Attributes:
        accuracy: Mean over the folds of the share of right decisions, each fold at the threshold of the others.
        spread: Standard deviation over the folds.
        auc: Area under the ROC of all pairs together.
        eer: Error rate where false accepts and false rejects are equally frequent.
        tar: True-accept rate at each false-accept rate; NaN where there are too few pairs of different people.
        false_accepts: ROC, rising.
        true_accepts: ROC, rising.
        pairs: Number of pairs.
    """

    accuracy: float
    spread: float
    auc: float
    eer: float
    tar: dict[float, float]
    false_accepts: np.ndarray
    true_accepts: np.ndarray
    pairs: int


def fuse(plain: np.ndarray, mirrored: np.ndarray, how: str = "add") -> np.ndarray:
    """Embeddings of a picture and its mirror image to one, of length 1.

    Args:
        plain: `(N, D)`.
        mirrored: `(N, D)`.
        how: "add" for `(N, D)`, "concatenate" for `(N, 2 D)`.

    Raises:
        ValueError: There is no such way.
    """
    plain, mirrored = _unit(plain), _unit(mirrored)
    if how == "add":
        return _unit(plain + mirrored)
    if how == "concatenate":
        return _unit(np.concatenate([plain, mirrored], axis=1))
    raise ValueError(f"Views are fused by 'add' or 'concatenate'. Received: how={how!r}")


def best_threshold(scores: np.ndarray, same: np.ndarray) -> float:
    """The threshold that decides most pairs rightly: in the middle of its gap, of several gaps the widest.

    The first best one would lie at the edge of the impostors and fail on the next fold.
    """
    order = np.argsort(scores, kind="stable")
    scores, same = scores[order], same[order].astype(np.int64)
    # Accepting from place k on: rejected impostors below, accepted genuine pairs from there.
    right = np.concatenate([[0], np.cumsum(1 - same)]) + np.concatenate([np.cumsum(same[::-1])[::-1], [0]])
    edges = np.concatenate([[scores[0] - 1.0], scores, [scores[-1] + 1.0]])
    gaps = np.diff(edges)
    allowed = gaps > 0
    best = np.flatnonzero(allowed & (right == right[allowed].max()))
    place = best[np.argmax(gaps[best])]
    return float((edges[place] + edges[place + 1]) / 2)


def verify(
    scores: np.ndarray, same: np.ndarray, folds: int = FOLDS, usable: np.ndarray | None = None
) -> Verification:
    """The protocol of LFW and its kin on `(N,)` similarities, higher for more alike.

    Folds are contiguous and only choose thresholds: ROC, AUC and EER are those of all pairs, so that their order does
    not matter.

    Args:
        scores: `(N,)`, finite.
        same: `(N,)` bool.
        folds: How many.
        usable: `(N,)` bool: pairs that can be used, None for all. The others, whose scores do not matter, keep their
            places in the folds, so that one missing picture does not shift all folds behind it.

    Raises:
        ValueError: Scores are not finite, pairs of one kind are missing, or there are fewer pairs than folds.
    """
    usable = np.ones(len(same), bool) if usable is None else np.asarray(usable, bool)
    fold = np.repeat(np.arange(folds), [len(part) for part in np.array_split(usable, folds)])[usable]
    scores, same = np.asarray(scores, np.float64)[usable], np.asarray(same, bool)[usable]
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} similarities are not numbers.")
    if same.all() or not same.any() or len(same) < folds or len(np.unique(fold)) < 2:
        raise ValueError(
            f"Verification needs pairs of one person and of two, and {folds} at least. Received: {int(same.sum())} of "
            f"{len(same)} pairs are of one person"
        )
    shares = []
    for number in np.unique(fold):  # a fold may have lost all its pairs
        part = fold == number
        threshold = best_threshold(scores[~part], same[~part])
        shares.append(float(((scores[part] > threshold) == same[part]).mean()))
    false_accepts, true_accepts = roc(scores, same)
    impostors = int((~same).sum())
    tar = {
        rate: float(true_accepts[false_accepts <= rate].max()) if impostors * rate >= 1 else float("nan")
        for rate in FALSE_ACCEPT_RATES
    }
    return Verification(
        float(np.mean(shares)),
        float(np.std(shares)),
        area_under(false_accepts, true_accepts),
        equal_error_rate(false_accepts, true_accepts),
        tar,
        false_accepts,
        true_accepts,
        len(same),
    )


def roc(scores: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False-accept and true-accept rates from (0, 0) to (1, 1); equal scores are accepted together."""
    order = np.argsort(-scores, kind="stable")
    scores, same = scores[order], same[order]
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    true, false = np.cumsum(same)[ends], np.cumsum(~same)[ends]
    return np.append(0.0, false / (~same).sum()), np.append(0.0, true / same.sum())


def equal_error_rate(false_accepts: np.ndarray, true_accepts: np.ndarray) -> float:
    """Where a ROC, straight between its points, has as many false accepts as false rejects."""
    difference = false_accepts - (1.0 - true_accepts)
    after = int(np.argmax(difference >= 0))
    before = max(after - 1, 0)
    rise = difference[after] - difference[before]
    share = -difference[before] / rise if rise > 0 else 0.0
    return float(false_accepts[before] + share * (false_accepts[after] - false_accepts[before]))


def leave_one_out(embeddings: np.ndarray, people: Sequence[str]) -> np.ndarray:
    """FG-NET's protocol: is the nearest other picture one of the same person?

    A picture never matches itself. Pictures of people with a single picture stay in everybody's gallery and cannot be
    probes.

    Returns:
        `(N,)` float64: 1 or 0 for each probe, NaN for pictures that cannot be one.
    """
    names = np.asarray(people)
    _, inverse, counts = np.unique(names, return_inverse=True, return_counts=True)
    probes = np.flatnonzero(counts[inverse] > 1)
    gallery = _unit(embeddings)
    hits = np.full(len(names), np.nan)
    for block in np.array_split(probes, max(1, -(-len(probes) // 1024))):
        similarities = gallery[block] @ gallery.T
        similarities[np.arange(len(block)), block] = -np.inf
        hits[block] = names[similarities.argmax(axis=1)] == names[block]
    return hits


def against_distractors(
    embeddings: np.ndarray,
    people: Sequence[str],
    distractors: np.ndarray | None = None,
    ranks: Sequence[int] = (1, 5, 10),
    block: int = BLOCK,
) -> tuple[dict[int, Estimate], int]:
    """MegaFace's protocol: is the one other picture of a person, put among distractors, found at rank k?

    For each ordered pair of pictures of a person, one is the probe, and the gallery is the other and the distractors.

    Args:
        embeddings: `(N, D)`.
        people: Who each shows.
        distractors: `(M, D)`, other people; any number. None for the pictures of the other people of the set, which
            IEFP calls its MegaFace protocol.
        ranks: Which.
        block: Distractors that are compared at a time: memory does not grow with their number.

    Returns:
        Share of probes at each rank, with intervals, and how many pictures have no partner.

    Raises:
        ValueError: There is no distractor.
    """
    names, faces = np.asarray(people), _unit(embeddings)
    same = names[:, None] == names[None]
    if same.all() if distractors is None else not len(distractors):
        raise ValueError("Identification among distractors needs a distractor.")
    probes, mates = np.nonzero(same & ~np.eye(len(names), dtype=bool))
    similarities = (faces[probes] * faces[mates]).sum(axis=1)
    better = np.zeros(len(probes), np.int64)
    first = 0
    for part in blocks(faces if distractors is None else distractors, block):
        compared = faces @ _unit(part).T
        if distractors is None:
            compared[same[:, first : first + len(part)]] = -np.inf
        above = np.sort(compared, axis=1)
        for probe in np.unique(probes):
            rows = probes == probe
            better[rows] += above.shape[1] - np.searchsorted(above[probe], similarities[rows], side="left")
        first += len(part)
    lonely = len(names) - len(np.unique(probes))
    return {rank: share_of((better < rank).astype(np.float64)) for rank in ranks}, lonely


def probe_and_gallery(
    probes: np.ndarray,
    probe_people: Sequence[str],
    gallery: np.ndarray,
    gallery_people: Sequence[str],
    ranks: Sequence[int] = (1,),
    engine: str = "numpy",
) -> tuple[dict[int, Estimate], int]:
    """MORPH II's protocol: is a picture of the probe's person, by name, among the k nearest of the gallery?

    Args:
        probes: `(N, D)`.
        probe_people: Who each shows.
        gallery: `(M, D)`.
        gallery_people: Who each shows.
        ranks: The k.
        engine: See `search`.

    Returns:
        The share at each rank with its interval, over all probes whose person is in the gallery, and how many are not.
    """
    names, wanted = np.asarray(gallery_people), np.asarray(probe_people)
    nearest = search(probes, gallery, max(ranks), engine=engine)[0]
    known = np.isin(wanted, names)
    hits = names[nearest] == wanted[:, None]
    found = {rank: share_of(hits[known, :rank].any(axis=1).astype(np.float64)) for rank in ranks}
    return found, int((~known).sum())


def search(
    queries: np.ndarray, gallery: np.ndarray, count: int, block: int = BLOCK, engine: str = "numpy"
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest gallery entries of each query, exactly, a block of the gallery at a time.

    Args:
        queries: `(Q, D)`.
        gallery: `(M, D)`, which may be a memory map.
        count: How many entries of each query.
        block: Gallery pictures that are compared at a time: memory does not grow with their number.
        engine: "numpy", or "faiss" for the same on all cores and GPUs (extra `faiss`).

    Returns:
        Places `(Q, count)` and similarities `(Q, count)`, the nearest first; fewer where the gallery is smaller.

    Raises:
        DataError: faiss is not installed.
    """
    if engine not in _ENGINES:
        raise ValueError(f"Engines are {' and '.join(_ENGINES)}. Received: engine={engine!r}")
    queries = _unit(queries)
    nearest_of = _ENGINES[engine]
    places = np.zeros((len(queries), 0), np.int64)
    best = np.zeros((len(queries), 0), queries.dtype)
    first = 0
    for part in blocks(gallery, block):
        fresh, similarities = nearest_of(queries, _unit(part), min(count, len(part)))
        best = np.concatenate([best, similarities], axis=1)
        places = np.concatenate([places, first + fresh], axis=1)
        order = np.argsort(-best, axis=1, kind="stable")[:, :count]
        best = np.take_along_axis(best, order, axis=1)
        places = np.take_along_axis(places, order, axis=1)
        first += len(part)
    return places, best


def _nearest_by_numpy(queries: np.ndarray, part: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    similarities = queries @ part.T
    places = np.argpartition(-similarities, count - 1, axis=1)[:, :count]
    return places, np.take_along_axis(similarities, places, axis=1)


def _nearest_by_faiss(queries: np.ndarray, part: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        import faiss
    except ImportError as error:
        raise DataError(
            "faiss is not installed: install the faiss extra with `pip install 'agetrans[faiss]'`."
        ) from error
    index = faiss.IndexFlatIP(part.shape[1])
    index.add(np.ascontiguousarray(part, np.float32))
    similarities, places = index.search(np.ascontiguousarray(queries, np.float32), count)
    return places, similarities


_ENGINES = {"numpy": _nearest_by_numpy, "faiss": _nearest_by_faiss}


def blocks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Consecutive parts of an array, which may be a memory map."""
    for start in range(0, len(rows), size):
        yield np.asarray(rows[start : start + size])


def by_age_gap(
    scores: np.ndarray, same: np.ndarray, gaps: np.ndarray, edges: Sequence[float] = GAPS
) -> dict[str, Estimate]:
    """Share of right decisions by the years between two pictures, all at the one threshold of all pairs.

    Two people of like ages are also more alike: read it beside `auc_by_age_gap`, which has no threshold.

    Args:
        scores: `(N,)` similarities.
        same: `(N,)` bool.
        gaps: `(N,)` years, NaN where an age is unknown.
        edges: First year of each range; the last one is open.

    Returns:
        Ranges such as "10-19" with shares; "unknown" where there are such pairs, so that the counts add up.
    """
    threshold = best_threshold(np.asarray(scores, np.float64), np.asarray(same, bool))
    right = ((scores > threshold) == same).astype(np.float64)
    return {name: share_of(right[part]) for name, part in _ranges(gaps, edges).items()}


def auc_by_age_gap(
    scores: np.ndarray, same: np.ndarray, gaps: np.ndarray, edges: Sequence[float] = GAPS
) -> dict[str, Estimate]:
    """Area under the ROC of the pairs of each range; NaN where it has no pairs of one person, or none of two.

    Arguments as `by_age_gap`.
    """
    scores, same = np.asarray(scores, np.float64), np.asarray(same, bool)
    result = {}
    for name, part in _ranges(gaps, edges).items():
        both = same[part].any() and not same[part].all()
        area = area_under(*roc(scores[part], same[part])) if both else float("nan")
        result[name] = Estimate(area, float("nan"), float("nan"), int(part.sum()))
    return result


def area_under(false_accepts: np.ndarray, true_accepts: np.ndarray) -> float:
    """Area under a ROC, straight between its points."""
    return float((np.diff(false_accepts) * (true_accepts[1:] + true_accepts[:-1]) / 2).sum())


def _ranges(gaps: np.ndarray, edges: Sequence[float]) -> dict[str, np.ndarray]:
    """Which gaps lie in which range: `(N,)` bool by the range's name."""
    years = np.abs(gaps)
    result = {}
    for low, high in zip(edges, (*edges[1:], np.inf), strict=True):
        name = f"{low:g}-{high - 1:g}" if np.isfinite(high) else f"{low:g}+"
        result[name] = (years >= low) & (years < high)
    if np.isnan(years).any():
        result["unknown"] = np.isnan(years)
    return result


def _unit(x: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.maximum(lengths, np.finfo(np.float32).tiny)
