"""The protocols on cases with known answers: separable, tied, constant, in any order."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from agetrans.data.labelled import DataError
from agetrans.recognition import protocols

RANDOM = np.random.default_rng(0)


def pairs(count: int = 400, distance: float = 0.8, spread: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    same = np.arange(count) % 2 == 0
    return np.where(same, distance, 0.0) + RANDOM.normal(scale=spread, size=count), same


def test_a_separable_set_is_perfect() -> None:
    result = protocols.verify(*pairs())
    assert (result.accuracy, result.auc, result.eer) == (1.0, 1.0, 0.0)
    assert result.tar[1e-2] == 1.0
    assert np.isnan(result.tar[1e-4])  # 200 pairs of different people cannot tell


def test_scores_may_lie_anywhere() -> None:
    scores, same = pairs()
    for scale, shift in ((1.0, -5.0), (1e-6, 0.0), (100.0, 3.0)):
        assert protocols.verify(scores * scale + shift, same).accuracy == 1.0


def test_auc_and_eer_do_not_depend_on_the_order_and_are_the_definitions() -> None:
    scores, same = pairs(300, distance=0.5, spread=0.4)
    wins = scores[same][:, None] - scores[~same][None]
    expected = ((wins > 0) + 0.5 * (wins == 0)).mean()
    order = np.argsort(same)
    for result in (protocols.verify(scores, same), protocols.verify(scores[order], same[order])):
        assert result.auc == pytest.approx(expected)
        threshold = np.quantile(scores[same], result.eer)
        assert (scores[~same] >= threshold).mean() == pytest.approx(result.eer, abs=0.01)


def test_missing_pairs_leave_the_folds_where_they_were() -> None:
    scores, same = pairs(60, distance=0.5, spread=0.4)
    usable = np.ones(60, bool)
    usable[[0, 1, 2, 17, 40]] = False
    usable[30:40] = False  # a whole fold
    shares = []
    for fold in range(6):
        part = np.zeros(60, bool)
        part[10 * fold : 10 * fold + 10] = True
        if (part & usable).any():
            threshold = protocols.best_threshold(scores[~part & usable], same[~part & usable])
            shares.append(np.mean((scores > threshold)[part & usable] == same[part & usable]))
    assert len(shares) == 5
    scores[~usable] = np.nan
    found = protocols.verify(scores, same, 6, usable)
    assert (found.accuracy, found.spread) == pytest.approx((np.mean(shares), np.std(shares)))
    assert found.pairs == 45
    assert found.accuracy != protocols.verify(scores[usable], same[usable], 6).accuracy


def test_constant_scores_are_chance() -> None:
    same = np.arange(100) % 2 == 0
    result = protocols.verify(np.zeros(100), same)
    assert (result.auc, result.eer, result.accuracy) == (0.5, 0.5, 0.5)


def test_the_threshold_lies_in_the_middle_of_the_gap() -> None:
    scores, same = np.array([0.0, 0.1, 0.7, 0.9]), np.array([False, False, True, True])
    assert protocols.best_threshold(scores, same) == pytest.approx(0.4)


@pytest.mark.parametrize("same", [np.ones(20, bool), np.zeros(20, bool), np.array([True, False])])
def test_what_cannot_be_verified_is_said(same: np.ndarray) -> None:
    with pytest.raises(ValueError, match="pairs of one person and of two"):
        protocols.verify(np.zeros(len(same)), same)
    with pytest.raises(ValueError, match="not numbers"):
        protocols.verify(np.full(len(same), np.nan), same)


def test_a_picture_never_matches_itself() -> None:
    # All similarities to others are negative: multiplying one's own by 0 would make it the largest.
    embeddings = np.array([[1, 0, 0], [-1, 0.1, 0], [-1, -0.1, 0.0]])
    assert np.isnan(protocols.leave_one_out(embeddings[:2], ["a", "b"])).all()
    hits = protocols.leave_one_out(embeddings, ["a", "a", "b"])
    np.testing.assert_array_equal(hits, [1.0, 0.0, np.nan])


def test_leave_one_out_counts_the_nearest() -> None:
    embeddings = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9], [0.95, 0.05]])
    hits = protocols.leave_one_out(embeddings, ["a", "a", "b", "b", "b"])
    np.testing.assert_array_equal(hits, [0, 0, 1, 1, 0])


@pytest.mark.parametrize("block", [1, 3, 100])
def test_ranks_among_distractors_are_those_of_a_sorted_gallery(block: int) -> None:
    faces, names = RANDOM.normal(size=(7, 4)), ["a", "a", "a", "b", "b", "c", "d"]
    others = RANDOM.normal(size=(20, 4))
    result, lonely = protocols.against_distractors(faces, names, others, (1, 5, 20, 21), block)

    def cosine(x: np.ndarray, y: np.ndarray) -> float:
        return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))

    ranks = [
        1 + sum(cosine(faces[i], other) >= cosine(faces[i], faces[j]) for other in others)
        for i in range(7)
        for j in range(7)
        if i != j and names[i] == names[j]
    ]
    for rank, share in result.items():
        assert share.value == pytest.approx(np.mean([r <= rank for r in ranks]))
        assert share.count == len(ranks) == 8
    assert (result[21].value, lonely) == (1.0, 2)


@pytest.mark.parametrize("block", [2, 100])
def test_without_distractors_the_other_people_of_the_set_are_some(block: int) -> None:
    faces, names = RANDOM.normal(size=(7, 4)), np.array(["a", "b", "a", "b", "a", "c", "d"])
    result, lonely = protocols.against_distractors(faces, names, None, (1, 3, 7), block)
    unit = faces / np.linalg.norm(faces, axis=1, keepdims=True)
    ranks = []
    for i in range(7):
        others = unit[names != names[i]]
        for j in range(7):
            if i != j and names[i] == names[j]:
                ranks.append(1 + int((others @ unit[i] >= unit[j] @ unit[i]).sum()))
    assert len(ranks) == 8
    assert {k: share.value for k, share in result.items()} == {
        k: pytest.approx(np.mean(np.array(ranks) <= k)) for k in (1, 3, 7)
    }
    assert lonely == 2
    with pytest.raises(ValueError, match="needs a distractor"):
        protocols.against_distractors(faces[:2], ["a", "a"])


def test_probes_match_by_name_whatever_the_order_and_the_counts() -> None:
    gallery, names = np.eye(4), ["d", "a", "c", "b"]
    probes = np.eye(4)[[1, 3, 0, 2, 1]] + 0.1 * np.eye(4)[[0, 0, 1, 1, 0]]
    found, unknown = protocols.probe_and_gallery(
        probes, ["a", "b", "d", "a", "nobody"], gallery, names, ranks=(1, 2, 9)
    )
    assert {rank: (share.value, share.count) for rank, share in found.items()} == {
        1: (0.75, 4),
        2: (1.0, 4),
        9: (1.0, 4),
    }
    assert unknown == 1


@pytest.mark.parametrize("block", [2, 5, 1000])
@pytest.mark.parametrize("engine", ["numpy", "faiss"])
def test_search_in_blocks_is_exact(block: int, engine: str) -> None:
    if engine == "faiss":
        pytest.importorskip("faiss")
    queries, gallery = RANDOM.normal(size=(3, 8)), RANDOM.normal(size=(11, 8))
    cosines = (queries / np.linalg.norm(queries, axis=1)[:, None]) @ (
        gallery / np.linalg.norm(gallery, axis=1)[:, None]
    ).T
    places, best = protocols.search(queries, gallery, 4, block, engine)
    np.testing.assert_array_equal(places, np.argsort(-cosines, axis=1)[:, :4])
    np.testing.assert_allclose(best, np.sort(cosines, axis=1)[:, ::-1][:, :4], rtol=1e-5)
    assert protocols.search(queries, gallery[:2], 4, engine=engine)[0].shape == (3, 2)


def test_without_faiss_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(DataError, match=r"agetrans\[faiss\]"):
        protocols.search(np.eye(2), np.eye(2), 1, engine="faiss")


def test_accuracy_by_age_gap_adds_up() -> None:
    scores = np.array([0.9, 0.9, 0.2, 0.1, 0.1, 0.95])
    same = np.array([True, True, True, False, False, True])
    gaps = np.array([1.0, -12.0, 35.0, 3.0, 12.0, np.nan])
    result = protocols.by_age_gap(scores, same, gaps)
    assert {name: share.count for name, share in result.items()} == {
        "0-4": 2,
        "5-9": 0,
        "10-19": 2,
        "20-29": 0,
        "30+": 1,
        "unknown": 1,
    }
    assert result["0-4"].value == 1.0
    areas = protocols.auc_by_age_gap(scores, same, np.array([1.0, 1.0, -2.0, 3.0, 4.0, np.nan]))
    assert (areas["0-4"].value, areas["0-4"].count) == (1.0, 5)
    assert np.isnan(areas["unknown"].value)  # only pairs of one person
    areas = protocols.auc_by_age_gap(-scores, same, np.array([1.0, 1.0, 12.0, 3.0, 14.0, 13.0]))
    assert (areas["0-4"].value, areas["10-19"].value) == (0.0, 0.0)


def test_views_are_fused_both_ways() -> None:
    plain, mirrored = RANDOM.normal(size=(2, 3, 4))
    a, b = (x / np.linalg.norm(x, axis=1)[:, None] for x in (plain, mirrored))
    added = (a + b) / np.linalg.norm(a + b, axis=1)[:, None]
    np.testing.assert_allclose(protocols.fuse(plain, mirrored), added)
    joined = protocols.fuse(plain, mirrored, "concatenate")
    np.testing.assert_allclose(joined, np.concatenate([a, b], axis=1) / np.sqrt(2))
    with pytest.raises(ValueError, match="how='mean'"):
        protocols.fuse(plain, mirrored, "mean")
