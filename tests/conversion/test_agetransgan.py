"""Official AgeTransGAN checkpoints: what fits is taken whole and given back bit for bit, all else is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agetrans import AgeGroups, SnapshotError, load_snapshot, save_snapshot
from agetrans.conversion.agetransgan import load, load_state, save, state_of
from agetrans.conversion.agetransgan_layout import Layout, read_checkpoint
from agetrans.conversion.pickled import CheckpointError
from agetrans.conversion.torch_files import read_torch_file
from agetrans.conversion.torch_writer import write_torch_file
from agetrans.models.agetransgan import AgeTransGAN
from agetrans.snapshot import convert_agetransgan, find_snapshot
from stylegan2_ops import fir_filter
from tests.conversion.checkpoints import GOLDEN, zipped
from tests.models.agetransgan_reference import State, official_shapes, recipe_state


@pytest.fixture
def generator() -> AgeTransGAN:
    return AgeTransGAN(32, 3, base_width=4, mapping_layers=2)


@pytest.fixture
def state() -> State:
    return recipe_state(official_shapes(32, 3, 2, 4, 2), seed=1)


def test_layout_and_prefix(generator: AgeTransGAN, state: State) -> None:
    load_state(generator, {f"module.{name}": array for name, array in state.items()})
    np.testing.assert_array_equal(
        generator.trunk[0].conv2.kernel.numpy()[2, 0, 1, 3], state["convs_e.1.conv2.1.weight"][3, 1, 2, 0]
    )
    np.testing.assert_array_equal(
        generator.convs[1].conv.kernel.numpy()[2, 0, 1, 3], state["convs.0.conv.weight"][0, 3, 1, 2, 0]
    )
    np.testing.assert_array_equal(generator.mapping[1].kernel.numpy(), state["style.2.weight"].T)


def test_noise_maps_are_taken_from_the_fourth_and_filters_checked(
    generator: AgeTransGAN, state: State
) -> None:
    sides = (4, 8, 8, 16, 16, 32, 32)
    noises = {f"noises.noise_{i}": np.full((1, 1, side, side), i, "f") for i, side in enumerate(sides)}
    load_state(generator, {**state, **noises, "convs.0.conv.blur.kernel": fir_filter(gain=4.0)})
    assert [float(noise[0, 0, 0, 0]) for noise in generator.stored_noise.maps()] == [4, 5, 6]
    with pytest.raises(ValueError, match=r"convs\.0\.conv\.blur\.kernel"):
        load_state(generator, {**state, "convs.0.conv.blur.kernel": np.ones((4, 4), "f")})


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("style.1.bias", None),
        ("extra.weight", (3,)),
        ("final_conv.0.weight", (4, 4, 1, 1)),
        ("style.1.bias", (5,)),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_changes(
    generator: AgeTransGAN, state: State, name: str, shape: tuple[int, ...] | None
) -> None:
    before = [variable.numpy().copy() for variable in generator.weights]
    if shape is None:
        del state[name]
    else:
        state[name] = np.zeros(shape, "f")
    with pytest.raises(ValueError, match=name):
        load_state(generator, state)
    for variable, values in zip(generator.weights, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), values)


LAYOUT = Layout(64, 4, 1, 8, 2)


@pytest.fixture(scope="module")
def whole() -> State:
    """A state dictionary with its filters and noise maps."""
    stream = np.random.RandomState(3)
    shapes = LAYOUT.noises()
    noises = {name: stream.standard_normal(shape).astype("f") for name, shape in shapes.items()}
    filters = {name: fir_filter(gain=gain) for name, gain in LAYOUT.filters().items()}
    return {**recipe_state(official_shapes(64, 4, 1, 8, 2), seed=2), **filters, **noises}


def test_the_table_of_names_is_the_official_one() -> None:
    for arguments in ((32, 4, 2, 512, 8), (64, 10, 1, 32, 5), (1024, 10, 2, 512, 8)):
        assert Layout(*arguments).parameters() == official_shapes(*arguments)
    layout = Layout(1024, 10, 2, 512, 8)
    assert (len(layout.parameters()), len(layout.filters()), len(layout.noises())) == (163, 28, 17)
    assert list(layout.noises().values())[-3:] == [(1, 1, 512, 512), (1, 1, 1024, 1024), (1, 1, 1024, 1024)]


@pytest.mark.parametrize("container", ["legacy", "zip"])
@pytest.mark.parametrize("entries", ["g_ema", "g_ema before g", "g", "bare", "module."])
def test_where_a_file_may_hold_its_generator(
    container: str, entries: str, whole: State, tmp_path: Path
) -> None:
    other = {"conv.weight": np.zeros((2, 2), "f")}
    content = {
        "g_ema": {"g_optim": {}, "g_ema": whole},
        "g_ema before g": {"g": other, "d": other, "g_ema": whole},
        "g": {"g": whole, "d": other},
        "bare": {"bare": whole},
        "module.": {"g_ema": {f"module.{name}": array for name, array in whole.items()}},
    }[entries]
    path = tmp_path / "file.pt"
    if entries == "bare":
        torch = pytest.importorskip("torch", reason="PyTorch writes the file")
        tensors = {name: torch.from_numpy(array) for name, array in whole.items()}
        torch.save(tensors, path, _use_new_zipfile_serialization=container == "zip")
    elif container == "zip":
        path.write_bytes(zipped(content))
    else:
        write_torch_file(path, content)
    layout, state = read_checkpoint(path)
    assert layout == LAYOUT
    assert state.keys() == whole.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(state[name], array, strict=True)


def test_there_and_back_through_a_snapshot_is_the_identity(whole: State, tmp_path: Path) -> None:
    write_torch_file(tmp_path / "first.pt", {"g_ema": whole})
    folder = convert_agetransgan(tmp_path / "first.pt", tmp_path / "snapshot")
    snapshot = load_snapshot(folder)
    assert (snapshot.age_groups, snapshot.framing) == (AgeGroups.of(4), "agetransgan")
    save(snapshot.generator, tmp_path / "second.pt")  # type: ignore[arg-type]
    again = read_torch_file(tmp_path / "second.pt")["g_ema"]
    assert again.keys() == whole.keys()
    for name, array in whole.items():
        assert again[name].shape == array.shape
        assert again[name].tobytes() == array.tobytes()


def test_a_model_that_was_made_here_goes_out_and_comes_back(generator: AgeTransGAN, tmp_path: Path) -> None:
    groups = AgeGroups.of([0, 20, 40])
    save_snapshot(generator, groups, tmp_path / "s", card="A card.\n", licenses="Terms.\n", half=False)
    save(load_snapshot(tmp_path / "s").generator, tmp_path / "file.pt")  # type: ignore[arg-type]
    loaded, expected = state_of(load(tmp_path / "file.pt")), state_of(generator)
    assert all(loaded[name].tobytes() == expected[name].tobytes() for name in expected)


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="golden/agetransgan is not beside the repository")
@pytest.mark.parametrize("path", sorted(GOLDEN.glob("w32_*.pt")), ids=lambda path: path.name)
def test_official_files_come_back_bit_for_bit(path: Path, tmp_path: Path) -> None:
    save(load(path), tmp_path / "file.pt")
    (_, before), (_, after) = read_checkpoint(path), read_checkpoint(tmp_path / "file.pt")
    assert before.keys() == after.keys()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def damaged(state: State, change: str) -> State:
    state = dict(state)
    if change == "missing":
        del state["final_conv.1.bias"]
    elif change == "no first layer":
        del state["convs_e.0.0.weight"]
    elif change == "no trunk":
        state = {name: array for name, array in state.items() if not name.startswith("convs_e.1")}
    elif change == "unknown":
        state["to_rgbs.9.bias"] = np.zeros((1, 3, 1, 1), "f")
    elif change == "shape":
        state["convs.0.noise.weight"] = np.zeros(2, "f")
    elif change == "integers":
        state["conv1.activate.bias"] = np.zeros(8, "i8")
    elif change == "filter":
        state["convs.0.conv.blur.kernel"] = np.ones((4, 4), "f")
    elif change == "a mapping of a billion layers":
        state["style.1000000000.weight"] = np.zeros((8, 8), "f")
    elif change == "wider than its tensors":
        state["style.1.weight"] = np.zeros((100_000, 1), "f")
    elif change == "axes":
        state["style.1.weight"] = np.zeros(64, "f")
    elif change == "no groups":
        state["convs_e.0.0.weight"] = np.zeros((4, 3, 1, 1), "f")
    return state


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("missing", r"missing: final_conv\.1\.bias\."),
        ("no first layer", r"convs_e\.0\.0\.weight is missing"),
        (
            "no trunk",
            r"missing: convs_e\.1\.conv1\.0\.weight, .* and \d+ more|convs_e\.1\.conv1\.0\.weight is missing",
        ),
        ("unknown", r"unknown: to_rgbs\.9\.bias\."),
        ("shape", r"of another shape: convs\.0\.noise\.weight \(2,\) instead of \(1,\)"),
        ("integers", r"no numbers with a fraction: conv1\.activate\.bias"),
        ("filter", r"convs\.0\.conv\.blur\.kernel is not the \(1, 3, 3, 1\) filter"),
        ("a mapping of a billion layers", r"unknown: style\.1000000000\.weight"),
        (
            "wider than its tensors",
            "a width of 100000, a channel multiplier of 0",
        ),
        ("axes", r"style\.1\.weight has 1 axes"),
        ("no groups", "0 age groups"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_the_names(
    change: str, says: str, whole: State, tmp_path: Path
) -> None:
    write_torch_file(tmp_path / "file.pt", {"g_ema": damaged(whole, change)})
    with pytest.raises(CheckpointError, match=rf"^\S+file\.pt .*{says}"):
        load(tmp_path / "file.pt")


@pytest.mark.parametrize("array", [np.zeros(3, "f"), np.zeros(3, "i8")])
def test_names_of_a_files_choosing_are_safe_to_print(array: np.ndarray, whole: State, tmp_path: Path) -> None:
    odd = {"\x1b]0;title\x07": array, "two\nlines": array, "\u202egnitirw": array, "x" * 10_000: array}
    write_torch_file(tmp_path / "file.pt", {"g_ema": {**whole, **odd}})
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / "file.pt")
    said = str(caught.value)
    assert r"'two\nlines'" in said
    assert said.isascii()
    assert said.isprintable()
    assert len(said) < 2_000


def test_a_small_file_that_claims_a_huge_network_is_refused(tmp_path: Path) -> None:
    """Every tensor of full width repeats one number."""
    torch = pytest.importorskip("torch", reason="PyTorch writes the file")
    one = torch.zeros(1)
    state = {name: one.expand(shape) for name, shape in official_shapes(1024, 10).items()}
    torch.save({"g_ema": state}, tmp_path / "file.pt")
    with pytest.raises(CheckpointError, match="larger than the file"):
        load(tmp_path / "file.pt")


def test_a_checkpoint_given_as_snapshot_is_converted_once(
    whole: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_torch_file(tmp_path / "file.pt", {"g_ema": whole})
    said: list[str] = []
    folder = find_snapshot(tmp_path / "file.pt", said.append)
    assert (tmp_path / "cache") in folder.parents
    assert "file.pt" in (folder / "README.md").read_text()
    before = folder.stat().st_mtime_ns
    (tmp_path / "moved").mkdir()
    (tmp_path / "file.pt").rename(tmp_path / "moved" / "file.pt")
    assert find_snapshot(tmp_path / "moved" / "file.pt", said.append) == folder
    assert folder.stat().st_mtime_ns == before
    assert len(said) == 1
    state = state_of(load_snapshot(tmp_path / "moved" / "file.pt").generator)  # type: ignore[arg-type]
    np.testing.assert_array_equal(state["conv1.conv.weight"], whole["conv1.conv.weight"])

    changed = {**whole, "to_rgb1.bias": whole["to_rgb1.bias"] + 1}
    write_torch_file(tmp_path / "moved" / "file.pt", {"g_ema": changed})
    assert find_snapshot(tmp_path / "moved" / "file.pt") != folder


def test_unusual_age_groups_need_their_bounds(tmp_path: Path) -> None:
    write_torch_file(tmp_path / "file.pt", {"g_ema": recipe_state(official_shapes(32, 3, 2, 4, 2), seed=1)})
    with pytest.raises(SnapshotError, match="has 3 age groups: There is no published partition of 3 groups"):
        convert_agetransgan(tmp_path / "file.pt", tmp_path / "s")
    with pytest.raises(SnapshotError, match="has 3 age groups, and the bounds are of 2"):
        convert_agetransgan(tmp_path / "file.pt", tmp_path / "s", [0, 30])
    said: list[str] = []
    with pytest.raises(SnapshotError, match="is not a snapshot"):
        convert_agetransgan(tmp_path / "file.pt", tmp_path, [0, 30, 60], said.append)
    assert not said  # refused before the conversion
    convert_agetransgan(tmp_path / "file.pt", tmp_path / "s", [0, 30, 60])
    assert load_snapshot(tmp_path / "s").age_groups == AgeGroups.of([0, 30, 60])
