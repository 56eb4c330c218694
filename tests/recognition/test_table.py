"""The table of recognisers: figures of the protocols, intervals over people, differences on the same people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agetrans.recognition import protocols
from benchmarks.recognition_table import FIGURES, PairTable, compared, draws_of, markdown

PEOPLE, EACH = 12, 20
RANDOM = np.random.default_rng(0)


def table() -> PairTable:
    same = np.arange(PEOPLE * EACH) % 2 == 0
    people = np.repeat([f"p{n}" for n in range(PEOPLE)], EACH)
    gaps = RANDOM.choice([3.0, 40.0], len(same))
    return PairTable([Path("a")], np.zeros(len(same), int), np.zeros(len(same), int), same, people, gaps)


def test_people_are_drawn_whole_and_for_all_alike() -> None:
    people = np.array(["b", "a", "b", "c", "a"])
    rows = {"a": [1, 4], "b": [0, 2], "c": [3]}
    seen = set()
    for draw, again in zip(draws_of(people, 50), draws_of(people, 50), strict=True):
        np.testing.assert_array_equal(draw, again)
        names, counts = np.unique(people[draw], return_counts=True)
        assert sum(count / len(rows[name]) for name, count in zip(names, counts, strict=True)) == 3
        assert sorted(draw) == sorted(place for place in draw if place in rows[people[place]])
        seen |= set(names)
    assert seen == {"a", "b", "c"}


def test_figures_are_the_protocols_and_intervals_those_of_people() -> None:
    pairs = table()
    # Each person is right or wrong as a whole: their pairs say no more than one pair would.
    good = np.repeat(np.arange(PEOPLE) % 3 != 0, EACH)
    scores = np.where(good, 1.0, -1.0) * np.where(pairs.same, 1.0, -1.0) + RANDOM.normal(
        scale=0.1, size=len(good)
    )
    own, none = compared({"first": scores}, pairs, 400)["first"]
    verified = protocols.verify(scores, pairs.same)
    assert own[0].value == verified.accuracy
    assert own[1].value == verified.auc
    assert own[2].value == verified.tar[1e-2]
    apart = pairs.gaps > 30
    wins = scores[pairs.same & apart][:, None] > scores[~pairs.same & apart][None]
    assert own[3].value == pytest.approx(wins.mean())
    assert [(x.value, x.low, x.high) for x in none] == [(0, 0, 0)] * 4
    # The spread of a share of 8 of 12 people is sqrt(2/3 1/3 / 12) = 0.136, that of 240 pairs a fifth of it.
    assert own[0].high - own[0].low == pytest.approx(2 * 1.96 * 0.136, rel=0.35)


def test_differences_are_on_the_same_people() -> None:
    pairs = table()
    scores = np.where(pairs.same, 0.5, 0.0) + RANDOM.normal(scale=0.4, size=len(pairs.same))
    worse = scores - 0.15 * np.where(pairs.same, 1.0, -1.0)
    figures = compared({"one": scores, "two": worse, "twin": 3 * scores + 1}, pairs, 100)
    assert all((x.value, x.low, x.high) == pytest.approx((0, 0, 0)) for x in figures["twin"][1])
    less = figures["two"][1][1]
    assert less.value == pytest.approx(figures["two"][0][1].value - figures["one"][0][1].value)
    own = figures["two"][0][1]
    assert less.high < 0  # beyond the noise of people, which hits both
    assert less.high - less.low < own.high - own.low
    text = markdown(figures)
    assert text.count("| two | ") == 2
    assert "| minus one | " + " | ".join(FIGURES) in text
