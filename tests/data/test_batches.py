"""Training batches: geometry against OpenCV and SciPy, targets against their sources."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from agetrans.data import batches as module
from agetrans.data.batches import (
    MIRRORED_LANDMARKS,
    Families,
    as_photographed,
    batches,
    behind_head,
    face_weight,
    family_pair,
    head_region,
    jitter,
    landmark_flow,
    monotone,
    move,
    move_grid,
    move_points,
    paired_frames,
    tight_crop,
    wears_glasses,
)
from agetrans.groups import AgeGroups

FRAMES = 3


def landmarks() -> np.ndarray:
    """68 points of a face, roughly: the jaw, brows, nose, eyes and mouth in the usual numbering, mirror-symmetric."""
    half = {
        **{k: (60 + 8 * k, 120 + 10 * k) for k in range(8)},
        8: (127.5, 205),
        **{17 + k: (70 + 9 * k, 95 - 2 * k) for k in range(5)},
        **{27 + k: (127.5, 105 + 10 * k) for k in range(4)},
        31: (112, 150),
        32: (119, 153),
        33: (127.5, 155),
        **{
            36 + k: place
            for k, place in enumerate([(80, 110), (88, 105), (98, 105), (106, 112), (97, 115), (88, 115)])
        },
        48: (100, 175),
        49: (110, 170),
        50: (120, 168),
        51: (127.5, 170),
        57: (127.5, 190),
        58: (119, 189),
        59: (109, 184),
        60: (104, 176),
        61: (119, 174),
        62: (127.5, 175),
        66: (127.5, 181),
        67: (119, 180),
    }
    right_of = {**{k: 16 - k for k in range(8)}, **{17 + k: 26 - k for k in range(5)}, 31: 35, 32: 34}
    right_of |= {36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46}
    right_of |= {48: 54, 49: 53, 50: 52, 58: 56, 59: 55, 60: 64, 61: 63, 67: 65}
    points = np.zeros((68, 2))
    for left, place in half.items():
        points[left] = place
    for left, right in right_of.items():
        points[right] = (255 - half[left][0], half[left][1])
    return points


def person(seed: int) -> dict[str, np.ndarray]:
    """A shard of one person in three frames."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 256, (1, FRAMES, 16, 16, 3), dtype=np.uint8).repeat(16, 2).repeat(16, 3)
    heads = np.zeros((1, FRAMES, 64, 64), bool)
    for frame in range(FRAMES):
        heads[0, frame, 12 : 50 + frame, 20 : 40 + 2 * frame] = True
    return {
        "pictures": pictures,
        "heads": heads,
        "landmarks": (landmarks() + random.normal(0, 3, (1, FRAMES, 68, 2))).astype(np.float32),
        "intended": np.array([[30.0, 10.0, 70.0]], np.float32),
        "years": np.array([[28.0, 12.0, 65.0]], np.float32),
        "glasses": np.zeros((1, FRAMES), bool),
    }


def test_the_table_of_mirrored_landmarks_undoes_itself_and_swaps_left_and_right() -> None:
    np.testing.assert_array_equal(MIRRORED_LANDMARKS[MIRRORED_LANDMARKS], np.arange(68))
    points = landmarks()
    mirrored = points * [-1, 1] + [255, 0]
    np.testing.assert_allclose(mirrored[MIRRORED_LANDMARKS], points)


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.floats(0, 100)),
        min_size=1,
        max_size=9,
        unique_by=lambda pair: pair[0],
    )
)
@settings(max_examples=60, deadline=None)
def test_readings_are_made_monotone_by_least_squares(pairs: list[tuple[float, float]]) -> None:
    asked, estimated = np.array(pairs).T
    order = np.argsort(asked)
    expected = isotonic_regression(estimated[order]).x
    np.testing.assert_allclose(monotone(asked, estimated)[order], expected, atol=1e-4)


def test_a_flow_leads_from_target_landmarks_to_source_landmarks() -> None:
    target = landmarks()
    source = (target - 127.5) * [0.9, 1.1] + 127.5 + [4, -6]
    flow = landmark_flow(source, target)
    assert flow.shape == (32, 32, 2)
    # Cell i of the grid covers pixels 8 i to 8 i + 7: its centre is pixel 8 i + 3.5.
    places = ((target - 3.5) / 8).astype(np.float32)
    read = cv2.remap(flow * 256, places[:, 0], places[:, 1], cv2.INTER_LINEAR)
    np.testing.assert_allclose(read.reshape(68, 2), source - target, atol=1.0)
    assert np.abs(flow[[0, -1]]).max() * 256 < 0.35 * np.abs(flow).max() * 256


def test_a_flow_of_equal_faces_is_zero() -> None:
    assert np.abs(landmark_flow(landmarks(), landmarks())).max() < 1e-7


def test_the_flow_counts_inside_the_face() -> None:
    weight = face_weight(landmarks())[..., 0]
    centre, corner = weight[18, 16], weight[:4].max()
    assert centre == pytest.approx(1)
    assert corner == 0
    assert weight.min() >= 0
    assert weight.max() <= 1


def test_the_head_region_holds_both_heads() -> None:
    source, target = np.zeros((2, 64, 64), bool)
    source[20:40, 20:40], target[30:50, 30:50] = True, True
    region = head_region(source, target)
    assert region[source | target].min() > 0.75
    assert region[:10].max() == 0
    assert region.dtype == np.float32


def blob(x: float, y: float) -> np.ndarray:
    """A round, soft spot at (x, y) of a 256 picture."""
    rows, columns = np.mgrid[:256, :256]
    spot = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 12.0**2))
    return np.repeat(spot[..., None], 3, axis=2).astype(np.uint8)


def centre_of(mass: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: mass.shape[0], : mass.shape[1]]
    return np.array([(columns * mass).sum(), (rows * mass).sum()]) / mass.sum()


@pytest.mark.parametrize("seed", range(4))
def test_pictures_points_and_maps_move_together(seed: int) -> None:
    matrix = jitter(np.random.default_rng(seed))
    place = np.array([100.0, 140.0])
    # All 68 points lie in one place, so that renumbering does not matter here.
    moved = move_points(np.tile(place, (68, 1)), matrix)[0]
    spot = move(blob(*place), matrix)[..., 0].astype(np.float64)
    np.testing.assert_allclose(centre_of(np.maximum(spot - 20, 0)), moved, atol=0.2)
    coarse = cv2.resize(blob(*place)[..., 0].astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(spot.astype(np.float32), (64, 64), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(move_grid(coarse, matrix), expected, atol=12)
    np.testing.assert_allclose((centre_of(move_grid(coarse, matrix)) + 0.5) * 4 - 0.5, moved, atol=0.3)


def test_landmarks_of_a_mirrored_face_are_renumbered() -> None:
    mirror = np.array([[-1.0, 0, 255], [0, 1, 0]])
    np.testing.assert_allclose(move_points(landmarks(), mirror), landmarks())
    turned = np.array([[-1.0, 0, 255], [0, -1, 255]])
    np.testing.assert_allclose(move_points(landmarks(), turned), 255 - landmarks())


def test_jitter_mirrors_half_the_time_and_stays_near() -> None:
    matrices = [jitter(np.random.default_rng(seed)) for seed in range(200)]
    mirrored = [np.linalg.det(matrix[:, :2]) < 0 for matrix in matrices]
    assert 70 < sum(mirrored) < 130
    centre = np.array([127.5, 127.5, 1])
    distances = [np.linalg.norm(matrix @ centre - 127.5) for matrix in matrices]
    assert max(distances) < 20


@pytest.mark.parametrize("seed", range(6))
def test_outside_the_head_the_target_is_the_source(seed: int) -> None:
    pair = family_pair(person(seed), 0, np.random.default_rng(seed))
    share = cv2.resize(pair["head"][..., 0], (256, 256), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(pair["target"][share == 0], pair["source"][share == 0])
    assert (share == 0).mean() > 0.2
    same = pair["years"] == pair["source_years"]
    assert same == (pair["target"] == pair["source"]).all()
    assert same == (pair["flow"] == 0).all()
    shapes = {name: value.shape for name, value in pair.items()}
    assert shapes["head"] == (64, 64, 1)
    assert shapes["flow"] == (32, 32, 2)
    assert shapes["flow_weight"] == (32, 32, 1)


def test_inside_the_head_the_target_is_the_other_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = person(1)
    monkeypatch.setattr(module, "jitter", lambda random: np.eye(2, 3))
    monkeypatch.setattr(module, "as_photographed", lambda pictures, random: pictures)
    monkeypatch.setattr(module, "TIGHT_SHARE", 0)
    pair = family_pair(shard, 0, np.random.default_rng(0))
    frames = {float(years): shard["pictures"][0, k] for k, years in enumerate(shard["years"][0])}
    assert pair["years"] != pair["source_years"]
    np.testing.assert_array_equal(pair["source"], frames[float(pair["source_years"])])
    inside = np.s_[80:160, 100:140]
    np.testing.assert_array_equal(pair["target"][inside], frames[float(pair["years"])][inside])


def test_beyond_its_reach_even_a_head_stays() -> None:
    shard = person(1)
    shard["heads"] = np.ones_like(shard["heads"])
    pairs = [family_pair(shard, 0, np.random.default_rng(seed)) for seed in range(8)]
    for pair in pairs:
        for corner in np.s_[:24, :24], np.s_[-20:, -20:]:
            np.testing.assert_array_equal(pair["target"][corner], pair["source"][corner])
        assert pair["head"][:6, :6].max() == pair["head"][-5:, -5:].max() == 0
        assert pair["head"][32, 32] > 0.99
    assert any((pair["target"] != pair["source"]).any() for pair in pairs)


@pytest.mark.parametrize("seed", range(4))
def test_a_tight_crop_is_mirrored_where_the_frame_reaches_beyond_it(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    margins = {"left": 5, "right": 3, "top": 6, "bottom": 2}
    monkeypatch.setattr(module, "tight_crop", lambda random: margins)
    monkeypatch.setattr(module, "head_reach", lambda size: np.ones((size, size, 1), np.float32))
    pairs = []
    for share in 0, 1:
        monkeypatch.setattr(module, "TIGHT_SHARE", share)
        pairs.append(family_pair(person(seed), 0, np.random.default_rng(seed)))
    whole, tight = pairs
    for name, cell in (("source", 8), ("target", 8), ("head", 2)):
        top, bottom, left, right = (cell * margins[side] for side in ("top", "bottom", "left", "right"))
        inner = whole[name][top:-bottom, left:-right]
        expected = np.pad(inner, ((top, bottom), (left, right), (0, 0)), mode="symmetric")
        np.testing.assert_array_equal(tight[name], expected, name)
    np.testing.assert_array_equal(tight["flow"], whole["flow"])
    inner = whole["flow_weight"][6:-2, 5:-3]
    np.testing.assert_array_equal(tight["flow_weight"], np.pad(inner, ((6, 2), (5, 3), (0, 0))))


def test_a_third_of_the_pairs_are_tight_crops_no_tighter_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def record(random: np.random.Generator) -> dict[str, int]:
        seen.append(tight_crop(random))
        return seen[-1]

    monkeypatch.setattr(module, "tight_crop", record)
    for seed in range(60):
        family_pair(person(1), 0, np.random.default_rng(seed))
    assert 10 < len(seen) < 32
    assert {name: max(margins[name] for margins in seen) for name in module.TIGHTEST} == module.TIGHTEST
    assert min(margins["top"] for margins in seen) >= 4


def test_no_pair_puts_glasses_on_or_takes_them_off() -> None:
    shard = {**person(1), "glasses": np.array([[True, False, True]])}
    wearers = {
        float(years): bool(worn) for years, worn in zip(shard["years"][0], shard["glasses"][0], strict=True)
    }
    pairs = [family_pair(shard, 0, np.random.default_rng(seed)) for seed in range(40)]
    asked = {(float(pair["source_years"]), float(pair["years"])) for pair in pairs}
    assert all(wearers[source] == wearers[target] for source, target in asked)
    # The only frame with other glasses than all others is no source: it could not change.
    assert {(28.0, 65.0), (65.0, 28.0)} <= asked
    assert {source for source, _ in asked} == {28.0, 65.0}


def test_frames_are_paired_as_stated() -> None:
    years, glasses = np.array([5.0, 20.0, 30.0, 40.0, 60.0]), np.array([0, 0, 1, 0, 1], bool)
    random = np.random.default_rng(0)
    pairs = np.array([paired_frames(years, glasses, random) for _ in range(8000)])
    source, target = pairs.T
    assert (source == target).mean() == pytest.approx(1 / 8, abs=0.012)
    assert np.unique(source).tolist() == [0, 1, 2, 3, 4]
    from_40 = target[(source == 3) & (target != 3)]
    # To 5, an end of life, twice as often as to 20; never to a frame with glasses.
    assert (from_40 == 0).mean() == pytest.approx(2 / 3, abs=0.04)
    assert set(from_40) == {0, 1}


@pytest.mark.parametrize(("step", "worn"), [(0, False), (11, False), (14, True), (100, True)])
def test_glasses_are_seen_by_the_step_of_their_bridge(step: int, worn: bool) -> None:
    # exp(2.6) - 1 is 12.5 levels of grey.
    assert wears_glasses(bridged(step), landmarks()) == worn


def bridged(step: int) -> np.ndarray:
    """A grey face with a darker bar from eye to eye."""
    face = np.full((256, 256, 3), 170, np.uint8)
    face[106:112, 70:186] -= np.uint8(step)
    return face


def test_families_know_which_frames_show_glasses(tmp_path: Path) -> None:
    shard = person(0)
    shard["pictures"] = np.stack([bridged(step) for step in (0, 100, 0)])[None]
    shard["landmarks"] = np.tile(landmarks(), (1, FRAMES, 1, 1))
    names = ("pictures", "heads", "landmarks", "intended")
    np.savez(tmp_path / "000000.npz", **{name: shard[name] for name in names})
    ((held, row),) = Families(tmp_path, lambda pictures: np.array([30.0, 10.0, 70.0])).people
    np.testing.assert_array_equal(held["glasses"][row], [False, True, False])


def test_behind_a_head_lies_what_is_around_and_its_neck() -> None:
    picture = np.full((256, 256, 3), 60, np.uint8)
    picture[40:192, 80:176] = 200
    picture[192:240, 100:156] = 120
    head = np.zeros((64, 64), bool)
    head[10:60, 20:44] = True
    landmarks = np.tile([128.0, 150.0], (68, 1))
    landmarks[[0, 8, 16]] = (84, 120), (128, 188), (172, 120)
    landmarks[[19, 24]] = (100, 60), (156, 60)
    behind = behind_head(picture, head, landmarks)
    np.testing.assert_array_equal(behind[:20], picture[:20])
    np.testing.assert_array_equal(behind[:, :60], picture[:, :60])
    np.testing.assert_array_equal(behind[210:, 110:146], picture[210:, 110:146], "the neck stays")
    assert behind[60:104, 90:166].mean() < 80, "the face is gone"
    np.testing.assert_allclose(behind[60, 90:166], 60, atol=5)


def test_a_camera_takes_all_pictures_of_a_person_alike() -> None:
    rows, columns = np.mgrid[:256, :256]
    picture = np.stack([rows, columns, (rows + columns) // 2], axis=-1).astype(np.uint8)
    cameras = [as_photographed([picture, picture[::-1]], np.random.default_rng(seed)) for seed in range(8)]
    for taken, mirrored in cameras:
        assert (taken.shape, taken.dtype) == (picture.shape, np.uint8)
        # Blocks of the compression lie alike in the mirrored picture, whose side they divide.
        np.testing.assert_allclose(taken.astype(float), mirrored[::-1], atol=12)
        assert np.corrcoef(brightness(taken), brightness(picture))[0, 1] > 0.98, "it stays the same picture"
    assert len({tuple(taken.mean(axis=(0, 1)).round(1)) for taken, _ in cameras}) == 8, (
        "no two cameras are alike"
    )


def test_some_cameras_take_little_colour() -> None:
    red = np.full((256, 256, 3), (150, 100, 90), np.uint8)
    taken = [as_photographed([red], np.random.default_rng(seed))[0].astype(float) for seed in range(40)]
    colour = np.array([np.ptp(picture.mean(axis=(0, 1))) for picture in taken])
    assert colour.min() < 20 < 40 < np.median(colour) < colour.max() < 120
    assert all(40 < brightness(picture).mean() < 190 for picture in taken)


def brightness(picture: np.ndarray) -> np.ndarray:
    return (picture @ (0.299, 0.587, 0.114)).ravel()


def write_shard(path: Path, seed: int, intended: tuple[float, ...] = (30, 10, 70)) -> None:
    shard = person(seed)
    shard["intended"][0] = intended
    np.savez(path, **{name: shard[name] for name in ("pictures", "heads", "landmarks", "intended")})


def test_ages_are_half_intended_half_read_and_rise(tmp_path: Path) -> None:
    write_shard(tmp_path / "000000.npz", 0)
    write_shard(tmp_path / "000020.npz", 0, intended=(30, 24, 70))
    readings = iter([np.array([20.0, 22.0, 60.0]), np.array([20.0, 32.0, 70.0])])
    people = Families(tmp_path, lambda pictures: next(readings)).people
    # The means of the second person's first two frames, 25 and 28, are the wrong way round.
    expected = [[25, 16, 65], [26.5, 26.5, 70]]
    np.testing.assert_allclose([shard["years"][row] for shard, row in people], expected)


def test_people_read_far_from_the_intention_are_left_out(tmp_path: Path) -> None:
    write_shard(tmp_path / "000000.npz", 0)
    assert len(Families(tmp_path, lambda pictures: np.array([30.0, 10.0, 35.0])).people) == 1
    assert len(Families(tmp_path, lambda pictures: np.array([30.0, 10.0, 33.0])).people) == 0


def test_new_shards_are_taken_in_and_old_ones_not_read_again(tmp_path: Path) -> None:
    calls = []

    def estimate(pictures: np.ndarray) -> np.ndarray:
        calls.append(len(pictures))
        return np.array([30.0, 10.0, 70.0])

    write_shard(tmp_path / "000000.npz", 0)
    families = Families(tmp_path, estimate)
    write_shard(tmp_path / "000020.npz", 1)
    (tmp_path / "000040.npz.unfinished").write_bytes(b"half")
    families.reload()
    assert len(families.people) == 2
    assert calls == [FRAMES, FRAMES]


@pytest.fixture
def families(tmp_path: Path) -> Families:
    for seed in range(3):
        write_shard(tmp_path / f"{seed:06d}.npz", seed)
    return Families(tmp_path, lambda pictures: np.array([30.0, 10.0, 70.0]))


def stream(
    families: Families, first: int, groups: int = 10, photographs: int = 5
) -> Iterator[dict[str, np.ndarray]]:
    random = np.random.default_rng(9)
    photos = random.integers(0, 256, (4, 256, 256, 3), dtype=np.uint8)
    years = np.array([5.0, 33.0, 61.0, 90.0])
    return batches(families, photos, years, AgeGroups.of(groups), 2, photographs, first, seed=3)


def test_a_batch_is_the_same_after_a_restart(families: Families) -> None:
    *_, fourth = islice(stream(families, first=0), 4)
    again = next(stream(families, first=3))
    assert fourth.keys() == again.keys()
    for name in fourth:
        np.testing.assert_array_equal(fourth[name], again[name])
    assert not np.array_equal(next(stream(families, first=2))["source"], again["source"])


@pytest.mark.parametrize("groups", [10, 4])
def test_photographs_are_asked_for_all_ages_of_the_groups_and_sometimes_their_own(
    families: Families, groups: int
) -> None:
    batch = next(stream(families, 0, groups, photographs=120))
    own, wanted = batch["photo_years"], batch["photo_target"]
    np.testing.assert_array_equal(wanted[::4], own[::4])
    assert set(own) == {5, 33, 61, 90}
    others = np.delete(wanted, np.s_[::4])
    centres = AgeGroups.of(groups).centres
    assert centres[0] <= others.min() < others.max() <= centres[-1]
    # As many between any two neighbouring centres as between any other two.
    counts, _ = np.histogram(others, centres)
    assert counts.min() > 90 / (groups - 1) / 4
    assert {name: (value.dtype.name, value.shape[0]) for name, value in batch.items()} == {
        "source": ("uint8", 2),
        "target": ("uint8", 2),
        "years": ("float32", 2),
        "source_years": ("float32", 2),
        "head": ("float32", 2),
        "flow": ("float32", 2),
        "flow_weight": ("float32", 2),
        "photo": ("uint8", 120),
        "photo_years": ("float32", 120),
        "photo_target": ("float32", 120),
    }
