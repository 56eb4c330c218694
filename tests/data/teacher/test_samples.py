"""People by number, and shards that survive being cut off. Nothing is rendered: the networks are stand-ins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agetrans.data.teacher import families, samples
from agetrans.data.teacher.attributes import NAMES
from agetrans.data.teacher.directions import Directions
from agetrans.data.teacher.families import FRAMES, Tools, make_families
from agetrans.data.teacher.samples import (
    draw_latents,
    make_samples,
    mean_latent,
    shrink,
    to_bytes,
)
from agetrans.files import save_npz

MEAN = np.linspace(-1, 1, 512, dtype="f")


def mapping(z: np.ndarray) -> np.ndarray:
    return (MEAN + 0.4 * z).astype("f")


def synthesis(w: np.ndarray, side: int) -> np.ndarray:
    """Pictures whose brightness is a latent's first number; at most four at once, as real ones are large."""
    assert len(w) <= 4
    return np.broadcast_to(w[:, 0, None, None, None], (len(w), side, side, 3))


def folder_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_persons_number_alone_decides_the_latent() -> None:
    together = draw_latents(10, 6, mapping, MEAN)
    apart = np.concatenate([draw_latents(10, 2, mapping, MEAN), draw_latents(12, 4, mapping, MEAN)])
    np.testing.assert_array_equal(together, apart)
    assert len(np.unique(together[:, 0])) == 6


def test_latents_are_pulled_towards_the_mean() -> None:
    people = draw_latents(0, 400, mapping, MEAN)
    lengths = np.linalg.norm(people - MEAN, axis=1) / (0.4 * np.sqrt(512))
    assert 0.55 < lengths.min() < 0.65
    assert 0.95 < lengths.max() < 1.08
    assert lengths.mean() == pytest.approx(0.8, abs=0.02)


def test_the_mean_latent_is_of_a_fixed_set() -> None:
    mean = mean_latent(mapping)
    np.testing.assert_array_equal(mean, mean_latent(mapping))
    np.testing.assert_allclose(mean, MEAN, atol=5 * 0.4 / np.sqrt(samples.MEAN_LATENT_SAMPLES))


def test_pictures_as_bytes() -> None:
    picture = np.array([-1.2, -1, -0.0001, 0.5, 1, 3], "f")
    assert to_bytes(picture).tolist() == [0, 0, 127, 191, 255, 255]


def test_shrinking_averages_squares() -> None:
    pictures = np.random.RandomState(0).standard_normal((2, 6, 6, 3))
    expected = np.array(
        [
            [[p[3 * i : 3 * i + 3, 3 * j : 3 * j + 3].mean(axis=(0, 1)) for j in (0, 1)] for i in (0, 1)]
            for p in pictures
        ]
    )
    np.testing.assert_allclose(shrink(pictures, 2), expected)


def test_a_failed_write_leaves_no_shard_and_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shard.npz"
    save_npz(path, a=np.arange(3))
    before = path.read_bytes()

    def fail(file: Any, **arrays: np.ndarray) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        save_npz(path, a=np.arange(4))
    assert path.read_bytes() == before
    assert [other.name for other in tmp_path.glob("*.npz")] == ["shard.npz"]


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Puts stand-ins for the networks into `samples`; returns a list that gets the size of each rendered batch."""
    rendered: list[int] = []

    def counted(w: np.ndarray) -> np.ndarray:
        rendered.append(len(w))
        return synthesis(w, 16)

    monkeypatch.setattr(samples, "Mapping", lambda: SimpleNamespace(call=mapping))
    monkeypatch.setattr(samples, "Synthesis", lambda *args, **kwargs: SimpleNamespace(call=counted))
    monkeypatch.setattr(samples, "on_arrays", lambda function: function)
    return rendered


def test_samples_are_written_in_whole_shards(tmp_path: Path, stand_ins: list[int]) -> None:
    paths = list(make_samples(tmp_path / "new", people=7, size=8, shard_size=5))
    assert [path.name for path in paths] == ["00000.npz", "00005.npz"]
    with np.load(paths[1]) as shard:
        np.testing.assert_array_equal(shard["w"], draw_latents(5, 5, mapping, mean_latent(mapping)))
        assert shard["pictures"].shape == (5, 8, 8, 3)
        np.testing.assert_array_equal(shard["pictures"][:, 0, 0, 0], to_bytes(shard["w"][:, 0]))
    assert sum(stand_ins) == 10


def test_samples_go_on_with_the_first_missing_shard(tmp_path: Path, stand_ins: list[int]) -> None:
    next(make_samples(tmp_path, 6, size=8, shard_size=3))
    first = folder_bytes(tmp_path)
    assert list(first) == ["00000.npz"]
    stand_ins.clear()
    *_, last = make_samples(tmp_path, 6, size=8, shard_size=3)
    assert sum(stand_ins) == 3
    assert (tmp_path / "00000.npz").read_bytes() == first["00000.npz"]
    complete = folder_bytes(tmp_path)
    last.unlink()
    list(make_samples(tmp_path, 6, size=8, shard_size=3))
    assert folder_bytes(tmp_path) == complete


def directions() -> Directions:
    """Attribute k is number k of the latent, so a step along k changes that number alone."""
    count = len(NAMES)
    unit, spread = np.eye(512, count), np.full(count, 0.2)
    offset = np.zeros(count)
    offset[NAMES.index("child")] = np.log(28) + 1 - 0.2  # the mean person is grown
    offset[NAMES.index("old")] = 5.0
    return Directions(
        steps=unit / spread, coefficients=unit * spread, offset=offset, correlation=np.ones(count)
    )


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Stand-ins in `families`: brightness from the latent; everything is head; landmarks at the mean brightness."""

    def render(w: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return synthesis(w, 256), {families.FEATURE: np.zeros((len(w), 64, 64, 512), "f")}

    monkeypatch.setattr(families, "Mapping", lambda: SimpleNamespace(call=mapping))
    monkeypatch.setattr(families, "Synthesis", lambda *args, **kwargs: SimpleNamespace(call=render))
    monkeypatch.setattr(families, "on_arrays", lambda function: function)
    monkeypatch.setattr(families, "head_masks", lambda x, centroids: np.ones((len(x), 64, 64), bool))
    return Tools(directions(), lambda picture: np.full((68, 2), picture.mean()))


def family_shard(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as shard:
        return dict(shard)


def test_a_family_is_one_person_who_differs_in_age_alone(tmp_path: Path, tools: Tools) -> None:
    (path,) = make_families(tmp_path, 6, tools, first=0, shard_size=6)
    shard = family_shard(path)
    people = len(shard["w"])
    assert {name: (array.shape, array.dtype.name) for name, array in shard.items()} == {
        "pictures": ((people, FRAMES, 256, 256, 3), "uint8"),
        "heads": ((people, FRAMES, 64, 64), "bool"),
        "intended": ((people, FRAMES), "float32"),
        "landmarks": ((people, FRAMES, 68, 2), "float32"),
        "w": ((people, FRAMES, 512), "float32"),
    }
    drawn = draw_latents(0, 6, mapping, mean_latent(mapping))
    for person in shard["w"]:
        assert (drawn == person[0]).all(axis=1).any(), "the first frame is the person as drawn"
        moved = np.abs(person - person[0]).max(axis=0) > 1e-5
        assert set(np.flatnonzero(moved)) == {NAMES.index("child"), NAMES.index("old")}
    brightness = to_bytes(np.clip(shard["w"][:, :, 0], -1, 1))
    np.testing.assert_array_equal(shard["pictures"][:, :, 9, 9, 1], brightness)
    np.testing.assert_allclose(shard["landmarks"][:, :, 0, 0], brightness)


def test_frames_are_at_the_ages_that_they_are_intended_to_be(tmp_path: Path, tools: Tools) -> None:
    (path,) = make_families(tmp_path, 6, tools, first=0, shard_size=6)
    shard = family_shard(path)
    intended = shard["intended"]
    assert (np.diff(intended[:, 1:], axis=1) > 0).all(), "from young to old, all different"
    assert intended.min() >= families.YEARS[0]
    assert intended.max() <= families.YEARS[-1]
    predicted = tools.directions.predict(shard["w"].reshape(-1, 512))
    child, old = (predicted[:, NAMES.index(name)].reshape(intended.shape) for name in ("child", "old"))
    asked = np.interp(intended, families.YEARS, families.ASKED)
    np.testing.assert_allclose(child[:, 1:], np.log(np.minimum(asked, 25) + 3)[:, 1:], atol=1e-4)
    np.testing.assert_allclose(old[:, 1:], np.maximum(asked - 25, 0)[:, 1:], atol=1e-3)


def test_profiles_are_left_out(tmp_path: Path, tools: Tools) -> None:
    (path,) = make_families(tmp_path, 12, tools, first=0, shard_size=12)
    yaw = tools.directions.predict(draw_latents(0, 12, mapping, mean_latent(mapping)))[:, NAMES.index("yaw")]
    kept = np.abs(yaw) < families.MOST_YAW
    assert 0 < kept.sum() < 12
    drawn = draw_latents(0, 12, mapping, mean_latent(mapping))
    np.testing.assert_array_equal(family_shard(path)["w"][:, 0], drawn[kept])


def test_families_go_on_with_the_first_missing_shard(tmp_path: Path, tools: Tools) -> None:
    make: Callable[[], Any] = lambda: make_families(tmp_path, 8, tools, shard_size=4)  # noqa: E731
    names = [path.name for path in make()]
    assert names == ["100000.npz", "100004.npz"]
    complete = folder_bytes(tmp_path)
    (tmp_path / names[0]).unlink()
    (tmp_path / names[1]).write_bytes(b"kept as it is")
    list(make())
    assert folder_bytes(tmp_path) == {**complete, names[1]: b"kept as it is"}
