"""Training batches from families and photographs: pairs of ages, composed targets, displacement of landmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from agetrans.data.prefetch import prefetch
from agetrans.data.teacher.attributes import bridge_step
from agetrans.groups import AgeGroups
from agetrans.head import head_reach

SIZE, HEAD_GRID, FLOW_GRID = 256, 64, 32
"""Sides in pixels of pictures, head masks and displacement fields."""
MIRRORED_LANDMARKS = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1), 45, 44, 43, 42, 47, 46,
     39, 38, 37, 36, 41, 40, *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65]
)  # fmt: skip
"""Which of the 68 landmarks becomes which in a mirrored picture."""
ENDS = (7.0, 50.0)
"""Below and above these ages faces change most: such targets are drawn twice as often."""
TIGHT_SHARE = 1 / 3
"""Share of the pairs that are seen as tight crops are: mirrored where the frame reaches beyond them."""
TIGHTEST = {"left": 7, "right": 7, "top": 9, "bottom": 5}
"""Margins of the tightest crops at the frame's sides, in cells of the displacement field."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in brightness (ITU-R BT.601)."""
GLASSES_STEP = 2.6
"""Step between the eyes (`bridge_step`) from which a frame shows glasses; few of the teacher's lie near it."""
LARGEST_MEAN_ERROR = 12.0
"""Years between reading and intention, mean over a person's frames, beyond which the person is left out."""
# Points on the picture's border, where landmarks do not move it.
_BORDER = np.array(
    [(x, y) for x in (0, 85, 170, 255) for y in (0, 85, 170, 255) if x in (0, 255) or y in (0, 255)]
)


def monotone(asked: np.ndarray, estimated: np.ndarray) -> np.ndarray:
    """Estimated ages made to rise with the ages that were asked for (isotonic least squares, pool adjacent violators).

    An estimate of a single picture errs by years; the order of one person's frames is known.

    Args:
        asked: Ages `(F,)` of one person's frames as they were asked for.
        estimated: Ages `(F,)` as they were read.

    Returns:
        `(F,)` float32.
    """
    order = np.argsort(asked, kind="stable")
    values: list[list[float]] = []
    for value in estimated[order]:
        values.append([float(value), 1.0])
        while len(values) > 1 and values[-2][0] >= values[-1][0]:
            (a, n), (b, m) = values[-2:]
            values[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    risen = np.concatenate([np.full(int(count), mean) for mean, count in values])
    result = np.empty_like(risen)
    result[order] = risen
    return result.astype(np.float32)


def wears_glasses(picture: np.ndarray, landmarks: np.ndarray) -> bool:
    """Whether a face `(H, W, 3)` uint8 RGB with landmarks `(68, 2)` shows glasses."""
    left_eye, right_eye = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64)
    return bridge_step(grey, left_eye, right_eye) > GLASSES_STEP


class Families:
    """All shards of a folder of families, in memory; `reload` takes in those written since.

    A frame's age, `years`, is half what it was intended to be and half what an estimator reads, made to rise with the
    intention; people whose readings lie far from the intention are left out. `glasses` says which frames show some.

    Args:
        folder: Shards of `agetrans.data.teacher.families`.
        estimate: Pictures `(N, 256, 256, 3)` uint8 to years `(N,)`.

    Attributes:
        people: Pairs of a shard, a dict of its arrays, and a person's row in it.
    """

    def __init__(self, folder: Path, estimate: Callable[[np.ndarray], np.ndarray]) -> None:
        self.folder = folder
        self.estimate = estimate
        self.shards: dict[Path, dict[str, np.ndarray]] = {}
        self.reload()

    def reload(self) -> None:
        """Takes in the shards that were not there before."""
        for path in sorted(self.folder.glob("*.npz")):
            if path not in self.shards:
                with np.load(path) as shard:
                    held = {name: shard[name] for name in ("pictures", "heads", "intended", "landmarks")}
                people, frames = held["intended"].shape
                read = self.estimate(held["pictures"].reshape(-1, SIZE, SIZE, 3)).reshape(people, frames)
                both = (held["intended"] + read) / 2
                held["years"] = np.stack([monotone(*row) for row in zip(held["intended"], both, strict=True)])
                held["glasses"] = np.array(
                    [
                        [wears_glasses(*frame) for frame in zip(*rows, strict=True)]
                        for rows in zip(held["pictures"], held["landmarks"], strict=True)
                    ]
                )
                held["error"] = np.abs(held["intended"] - read).mean(axis=1)
                self.shards[path] = held
        self.people = [
            (shard, int(row))
            for shard in self.shards.values()
            for row in np.flatnonzero(shard["error"] < LARGEST_MEAN_ERROR)
        ]


def head_region(source_head: np.ndarray, target_head: np.ndarray) -> np.ndarray:
    """Where a picture may change: the union of two heads `(64, 64)` bool, grown and softened, float32 in [0, 1]."""
    return cv2.GaussianBlur(_grown(source_head | target_head).astype(np.float32), (0, 0), 1.2)


def _grown(head: np.ndarray) -> np.ndarray:
    return cv2.dilate(head.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))


def behind_head(picture: np.ndarray, head: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """A picture as it may look where a head gives way to a smaller one: filled in from around, the neck kept.

    The teacher's own frame shows other clothes there, and a generator that learns them paints red collars.

    Args:
        picture: `(256, 256, 3)` uint8.
        head: `(64, 64)` bool.
        landmarks: `(68, 2)` in pixels of the picture.
    """
    side = SIZE // 2
    gone = cv2.resize(_grown(head), (side, side), interpolation=cv2.INTER_NEAREST)
    face = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(face, cv2.convexHull(np.rint(landmarks / 2).astype(np.int32)), 1)
    ears = int(landmarks[[0, 16], 1].mean() / 2)
    below = cv2.dilate(face, np.ones((5, 5), np.uint8)) == 0
    below[: max(ears, 0)] = False
    gone[below] = 0
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    filled = cv2.resize(cv2.inpaint(small, gone, 3, cv2.INPAINT_TELEA), (SIZE, SIZE))
    share = cv2.GaussianBlur(cv2.resize(gone, (SIZE, SIZE)).astype(np.float32), (0, 0), 2.0)[..., None]
    return np.rint(share * filled + (1 - share) * picture).astype(np.uint8)


def landmark_flow(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Displacement field of landmarks on the flow grid: at a target landmark it leads to the source's.

    Args:
        source: `(68, 2)` in pixels of the 256 picture.
        target: `(68, 2)`, likewise.

    Returns:
        `(32, 32, 2)` float32 in fractions of the width: a thin-plate spline through the landmarks, smoothed,
        that is zero on the picture's border.
    """
    places = np.concatenate([target, _BORDER])
    moves = np.concatenate([source - target, np.zeros_like(_BORDER, np.float64)])
    spline = RBFInterpolator(places / SIZE, moves / SIZE, smoothing=1e-4)
    centres = (np.arange(FLOW_GRID) + 0.5) / FLOW_GRID - 0.5 / SIZE
    grid = np.stack(np.meshgrid(centres, centres), axis=-1)
    return spline(grid.reshape(-1, 2)).reshape(FLOW_GRID, FLOW_GRID, 2).astype(np.float32)


def face_weight(landmarks: np.ndarray) -> np.ndarray:
    """Where landmarks say how the face moves: their hull, grown, `(32, 32, 1)` float32 in [0, 1]."""
    points = (landmarks + 0.5) * (FLOW_GRID / SIZE) - 0.5
    mask = np.zeros((FLOW_GRID, FLOW_GRID), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    return cv2.GaussianBlur(cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(np.float32), (0, 0), 1.0)[
        ..., None
    ]


def jitter(random: np.random.Generator) -> np.ndarray:
    """A random similarity `(2, 3)` near the identity, as the face finder errs, mirrored half the time."""
    scale, angle = np.exp(random.normal(0, 0.05)), random.normal(0, 3.0)
    matrix = cv2.getRotationMatrix2D((SIZE / 2 - 0.5,) * 2, angle, scale)
    matrix[:, 2] += random.normal(0, 4.0, 2)
    if random.random() < 0.5:
        matrix = matrix @ np.array([[-1.0, 0, SIZE - 1], [0, 1, 0], [0, 0, 1]])
    return matrix


def move(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Warps a 256 picture by a jitter; reflects beyond the edge."""
    return cv2.warpAffine(
        picture, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def move_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Landmarks `(68, 2)` of the moved picture, renumbered where it is mirrored."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[MIRRORED_LANDMARKS] if np.linalg.det(matrix[:, :2]) < 0 else moved


def move_grid(mask: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Warps a `(64, 64)` map by a jitter that is given in pixels of the 256 picture."""
    scale = HEAD_GRID / SIZE
    moved = matrix.copy()
    offset = (1 - scale) / 2  # the first grid cell's centre lies (1 / scale - 1) / 2 pixels inside
    moved[:, 2] = scale * (matrix[:, 2] + matrix[:, :2] @ np.full(2, offset / scale)) - offset
    return cv2.warpAffine(
        mask, moved, mask.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def as_photographed(pictures: Sequence[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """Light, blur and compression of a random camera, the same for all of a person's pictures `(256, 256, 3)` uint8.

    The teacher's pictures are all sharp, well lit and colourful; photographs are not. A generator that saw brown hair
    alone turn white paints black hair blue.
    """
    saturation = np.float32(random.uniform(0.0, 1.2) if random.random() < 0.5 else 1.0)
    colours = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * LUMA
    gamma = np.exp(random.normal(0, 0.2))
    gains = np.exp(random.normal(0, 0.05, 3))
    table = np.clip(255 * gains * (np.arange(256)[:, None] / 255) ** gamma, 0, 255).astype(np.uint8)
    side = int(SIZE / random.uniform(1.0, 2.0)) if random.random() < 0.5 else SIZE
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(50, 100))]
    taken = []
    for picture in pictures:
        lit = cv2.LUT(cv2.transform(picture, colours), table[:, None])
        small = cv2.resize(lit, (side, side), interpolation=cv2.INTER_AREA)
        stored = cv2.imdecode(cv2.imencode(".jpg", small, quality)[1], cv2.IMREAD_COLOR)
        taken.append(cv2.resize(stored, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR))
    return taken


def tight_crop(random: np.random.Generator) -> dict[str, int]:
    """Margins of a random tight crop at each side of the frame, in cells of the displacement field."""
    return {side: int(random.integers(most // 2, most + 1)) for side, most in TIGHTEST.items()}


def mirrored_around(field: np.ndarray, margins: dict[str, int]) -> np.ndarray:
    """A picture or map `(H, H[, C])` as it is framed from a tight crop: beyond the crop it is the crop's reflection."""
    borders, inner = _borders(field, margins)
    return cv2.copyMakeBorder(inner, *borders, cv2.BORDER_REFLECT)


def blank_around(field: np.ndarray, margins: dict[str, int]) -> np.ndarray:
    """A map `(H, H, 1)` with zeros beyond a tight crop."""
    borders, inner = _borders(field, margins)
    return cv2.copyMakeBorder(inner, *borders, cv2.BORDER_CONSTANT)[..., None]


def _borders(field: np.ndarray, margins: dict[str, int]) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """Widths in pixels of what is beyond a tight crop at its top, bottom, left and right; and the crop."""
    side, cell = len(field), len(field) // FLOW_GRID
    top, bottom, left, right = (cell * margins[name] for name in ("top", "bottom", "left", "right"))
    return (top, bottom, left, right), field[top : side - bottom, left : side - right]


def paired_frames(years: np.ndarray, glasses: np.ndarray, random: np.random.Generator) -> tuple[int, int]:
    """Numbers of a source and a target; an eighth of the time both are the same frame: no change.

    Targets at the ends of life are drawn twice as often as others, and none that puts glasses on or takes them off.

    Args:
        years: Ages `(F,)` of a person's frames, at least three.
        glasses: Which frames show glasses, `(F,)`.
        random: Chooses.
    """
    alike = (glasses[:, None] == glasses) & ~np.eye(len(years), dtype=bool)
    source = int(random.choice(np.flatnonzero(alike.any(axis=1))))
    shares = np.where((years < ENDS[0]) | (years > ENDS[1]), 2.0, 1.0) * alike[source]
    unchanged = random.random() < 1 / 8
    return source, source if unchanged else int(random.choice(len(years), p=shares / shares.sum()))


def family_pair(shard: dict[str, np.ndarray], row: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """One training pair of a person, see `paired_frames`; a third of the pairs are tight crops.

    Args:
        shard: Arrays of `Families`.
        row: The person's.
        random: Chooses the frames and the jitter.

    Returns:
        `source` and `target` `(256, 256, 3)` uint8, equal outside the head and beyond its reach; `years` and
        `source_years`; `head` `(64, 64, 1)`, `flow` `(32, 32, 2)` and `flow_weight` `(32, 32, 1)` float32, see
        `ReAging`.
    """
    years = shard["years"][row]
    source, target = paired_frames(years, shard["glasses"][row], random)
    matrix = jitter(random)
    pictures, landmarks, heads = (shard[name][row] for name in ("pictures", "landmarks", "heads"))
    before, after = as_photographed([move(pictures[k], matrix) for k in (source, target)], random)
    region = move_grid(head_region(heads[source], heads[target]), matrix)
    # Not grown: around the target's head lie the teacher's other clothes.
    share = cv2.GaussianBlur(move_grid(heads[target].astype(np.float32), matrix), (0, 0), 0.7)
    share = cv2.resize(share, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)[..., None]
    points = [move_points(landmarks[k], matrix) for k in (source, target)]
    behind = before
    if source != target:
        behind = behind_head(before, move_grid(heads[source].astype(np.float32), matrix) > 0.5, points[0])
    aged = share * after + (1 - share) * behind
    known = face_weight(points[1])
    if random.random() < TIGHT_SHARE:
        margins = tight_crop(random)
        before, aged, region = (mirrored_around(field, margins) for field in (before, aged, region))
        known = blank_around(known, margins)
    return {
        "source": before,
        "target": np.rint(before + head_reach(SIZE) * (aged - before)).astype(np.uint8),
        "years": years[target],
        "source_years": years[source],
        "head": region[..., None] * head_reach(HEAD_GRID),
        "flow": landmark_flow(*points)
        if source != target
        else np.zeros((FLOW_GRID, FLOW_GRID, 2), np.float32),
        "flow_weight": known,
    }


def batches(
    families: Families,
    photos: np.ndarray,
    photo_years: np.ndarray,
    age_groups: AgeGroups,
    pairs: int,
    photographs: int,
    first: int,
    seed: int,
) -> Iterator[dict[str, np.ndarray]]:
    """Endless batches for `ReAging`; batch number n is the same in every run over the same data.

    Args:
        families: Synthetic people.
        photos: `(N, 256, 256, 3)` uint8, framed "ffhq".
        photo_years: Labelled ages `(N,)`.
        age_groups: Photographs are asked for ages that lie evenly between these groups.
        pairs: Synthetic pairs in a batch.
        photographs: Photographs in a batch; every fourth, from the first, is asked for its own age.
        first: Number of the first batch, to continue a run.
        seed: Of the whole run.
    """

    def make(number: int) -> dict[str, np.ndarray]:
        random = np.random.default_rng((seed, number))
        people = families.people
        rows = [family_pair(*people[random.integers(len(people))], random) for _ in range(pairs)]
        chosen = random.integers(len(photos), size=photographs)
        own = photo_years[chosen].astype(np.float32)
        places = random.uniform(0, age_groups.count - 1, photographs)
        wanted = np.interp(places, np.arange(age_groups.count), age_groups.centres)
        return {
            **{name: np.stack([row[name] for row in rows]) for name in rows[0]},
            "photo": np.stack([move(photos[i], jitter(random)) for i in chosen]),
            "photo_years": own,
            "photo_target": np.where(np.arange(photographs) % 4 == 0, own, wanted).astype(np.float32),
        }

    return prefetch(make, first)
