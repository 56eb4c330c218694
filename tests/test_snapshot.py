"""Snapshots: what is saved comes back, and what is not whole or not ours is refused in a sentence."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import agetrans.snapshot
from agetrans import AgeGroups, SnapshotError, load_snapshot, save_snapshot
from agetrans.snapshot import read_config
from tests.conftest import smooth_picture


@pytest.fixture
def snapshot(tiny_snapshots: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_snapshots / "agetrans_4group", tmp_path / "mine"))


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    renew_checksums(folder)


def edit_weights(folder: Path, edit) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "weights.safetensors")
    edit(weights)
    save_file(weights, folder / "weights.safetensors")
    renew_checksums(folder)


def renew_checksums(folder: Path) -> None:
    names = ("config.json", "weights.safetensors", "README.md", "LICENSES.md")
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "checksums.txt").write_text("".join(lines))


def decoded(generator) -> np.ndarray:
    from keras import ops

    image = smooth_picture(0)
    label = np.eye(generator.groups, dtype=np.float32)[:1]
    return ops.convert_to_numpy(generator.decode(generator.encode(image), label))


def test_comes_back_as_it_was(tiny_generator, tmp_path):
    groups = AgeGroups.of(10)
    save_snapshot(
        tiny_generator,
        groups,
        tmp_path / "s",
        card="A card.\n",
        licenses="Terms.\n",
        framing="agetransgan",
        half=False,
    )
    loaded = load_snapshot(tmp_path / "s")
    assert loaded.age_groups == groups
    assert loaded.framing == "agetransgan"
    assert (tmp_path / "s" / "README.md").read_text() == "A card.\n"
    assert (tmp_path / "s" / "LICENSES.md").read_text() == "Terms.\n"
    np.testing.assert_array_equal(decoded(loaded.generator), decoded(tiny_generator))


def test_the_painting_network_comes_back(tiny_generator, tmp_path):
    from keras import ops

    from agetrans.models.agetransgan import AgeTransGAN

    network = AgeTransGAN(size=32, groups=4, base_width=16, mapping_layers=2)
    save_snapshot(
        network, AgeGroups.of(4), tmp_path / "s", card="", licenses="", framing="agetransgan", half=False
    )
    loaded = load_snapshot(tmp_path / "s").generator
    assert loaded.base_width == 16
    image = np.random.default_rng(1).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    label = np.eye(4, dtype=np.float32)[:1]
    outputs = [ops.convert_to_numpy(model(image, label)) for model in (network, loaded)]
    np.testing.assert_array_equal(*outputs)


def test_half_precision_halves_the_file_and_moves_the_change_little(tiny_generator, tmp_path):
    for name, half in (("whole", False), ("half", True)):
        save_snapshot(tiny_generator, AgeGroups.of(10), tmp_path / name, card="", licenses="", half=half)
    size = {n: (tmp_path / n / "weights.safetensors").stat().st_size for n in ("whole", "half")}
    assert size["half"] < 0.65 * size["whole"]
    difference = decoded(load_snapshot(tmp_path / "half").generator) - decoded(tiny_generator)
    # Flow in thousandths of the width, colour and mask in fractions of a grey level.
    assert np.abs(difference[..., :2]).max() < 1e-3
    assert np.abs(difference[..., 2:]).max() < 0.02


def test_names_of_weights_do_not_depend_on_what_was_built_before(tiny_snapshots):
    from safetensors.numpy import load_file

    names = sorted(load_file(tiny_snapshots / "agetrans_4group" / "weights.safetensors"))
    assert "encoder/stem/kernel" in names
    program = "import sys, agetrans; print(agetrans.load_snapshot(sys.argv[1]).age_groups.count)"
    result = subprocess.run(
        [sys.executable, "-c", program, tiny_snapshots / "agetrans_4group"], capture_output=True, text=True
    )
    assert result.stdout == "4\n", result.stderr


def test_checksums_are_those_of_sha256sum(snapshot):
    lines = (snapshot / "checksums.txt").read_text().splitlines()
    assert {line.split("  ")[1] for line in lines} == {
        "config.json",
        "weights.safetensors",
        "README.md",
        "LICENSES.md",
    }
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256((snapshot / name).read_bytes()).hexdigest() == digest


def test_an_older_snapshot_is_replaced_whole(tiny_generator, snapshot):
    assert load_snapshot(snapshot).age_groups.count == 4
    save_snapshot(tiny_generator, AgeGroups.of(10), snapshot, card="New.\n", licenses="")
    assert load_snapshot(snapshot).age_groups.count == 10
    assert (snapshot / "README.md").read_text() == "New.\n"
    assert [entry.name for entry in snapshot.parent.iterdir()] == [snapshot.name]


def test_a_failed_save_leaves_the_old_one(tiny_generator, snapshot, monkeypatch):
    before = {path.name: path.read_bytes() for path in snapshot.iterdir()}

    def no_space(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(agetrans.snapshot, "_sha256", no_space)
    with pytest.raises(OSError, match="No space"):
        save_snapshot(tiny_generator, AgeGroups.of(10), snapshot, card="", licenses="")
    assert {path.name: path.read_bytes() for path in snapshot.iterdir()} == before
    assert [entry.name for entry in snapshot.parent.iterdir()] == [snapshot.name]


def test_a_users_folder_is_never_replaced(tiny_generator, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "anna.jpg").write_bytes(b"precious")
    with pytest.raises(SnapshotError, match="is not a snapshot"):
        save_snapshot(tiny_generator, AgeGroups.of(10), tmp_path / "photos", card="", licenses="")
    assert (tmp_path / "photos" / "anna.jpg").read_bytes() == b"precious"


def test_a_snapshot_with_a_users_file_in_it_is_never_replaced(tiny_generator, snapshot):
    (snapshot / "notes.txt").write_text("precious")
    with pytest.raises(SnapshotError, match="is not a snapshot"):
        save_snapshot(tiny_generator, AgeGroups.of(10), snapshot, card="", licenses="")
    assert load_snapshot(snapshot).age_groups.count == 4


def test_groups_must_fit_the_model(tiny_generator, tmp_path):
    with pytest.raises(SnapshotError, match="10 groups and age_groups has 4"):
        save_snapshot(tiny_generator, AgeGroups.of(4), tmp_path / "s", card="", licenses="")


def test_shipped_names_are_found_and_listed(tiny_snapshots, monkeypatch):
    monkeypatch.setattr(agetrans.snapshot, "_shelves", lambda: (tiny_snapshots,))
    assert read_config("agetrans_4group").age_groups == AgeGroups.of(4)
    with pytest.raises(SnapshotError, match="names agetrans_10group, agetrans_4group"):
        load_snapshot("agetrans_5group")
    with pytest.raises(SnapshotError, match="no snapshot"):
        load_snapshot("../agetrans_4group")


def drop(name):
    return lambda folder: (folder / name).unlink()


def cut(name):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-100])


def config(**changes):
    return lambda folder: edit_config(folder, **changes)


def weights(edit):
    return lambda folder: edit_weights(folder, edit)


def cut_with_right_checksums(folder):
    cut("weights.safetensors")(folder)
    renew_checksums(folder)


BIAS = "encoder/stem/bias"

DAMAGES = {
    "no config": (drop("config.json"), "is not a snapshot of AgeTrans: it has no config.json"),
    "no weights": (drop("weights.safetensors"), "weights.safetensors is missing"),
    "no checksums": (drop("checksums.txt"), "checksums.txt is missing"),
    "no licences": (drop("LICENSES.md"), "LICENSES.md is missing"),
    "truncated weights": (cut("weights.safetensors"), "weights.safetensors is truncated or was changed"),
    "truncated, checksum made to fit": (cut_with_right_checksums, "weights.safetensors cannot be read"),
    "config is no JSON": (
        lambda folder: (folder / "config.json").write_text("{"),
        "config.json cannot be read",
    ),
    "config is a list": (lambda folder: (folder / "config.json").write_text("[]"), "another program's"),
    "another program's": (config(format="keras-hub"), "another program's"),
    "another version": (config(format_version=1), "is of snapshot format 1"),
    "stranger's class": (
        config(model={"class": "os.system", "arguments": {}}),
        "'os.system', which agetrans",
    ),
    "unknown argument": (config(model={"class": "AgeTrans", "arguments": {"colour": 1}}), "not take: colour"),
    "bad argument": (
        config(model={"class": "AgeTrans", "arguments": {"size": 33}}),
        "core size must be a multiple",
    ),
    "no groups": (config(age_groups={}), "config.json is incomplete or wrong"),
    "falling groups": (
        config(age_groups={"lower_bounds": [9, 1, 2, 3], "centres": [1, 2, 3, 4]}),
        "must rise",
    ),
    "groups of another model": (
        config(age_groups={"lower_bounds": [0, 9], "centres": [1, 10]}),
        "contradicts itself",
    ),
    "missing weight": (weights(lambda w: w.pop(BIAS)), r"1 missing \(encoder/stem/bias\)"),
    "unknown weight": (weights(lambda w: w.update(x=np.zeros(1))), r"1 unknown \(x\)"),
    "other shape": (
        weights(lambda w: w.update({BIAS: np.zeros(3)})),
        r"1 of another shape \(encoder/stem/bias\)",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_in_one_sentence(snapshot, damage):
    harm, says = DAMAGES[damage]
    harm(snapshot)
    with pytest.raises(SnapshotError, match=says) as caught:
        load_snapshot(snapshot)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "ffhq_10group_820k.pt").write_text("404: not found")
    with pytest.raises(SnapshotError, match=r"820k\.pt cannot be read as a checkpoint: "):
        load_snapshot(tmp_path / "ffhq_10group_820k.pt")


def test_half_the_digits_when_asked_for(tiny_snapshots):
    exact, rough = (
        decoded(load_snapshot(tiny_snapshots / "agetrans_4group", precision=precision).generator)
        for precision in ("float32", "bfloat16")
    )
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - exact).max() < 0.1
    with pytest.raises(ValueError, match="precision='float8'"):
        load_snapshot(tiny_snapshots / "agetrans_4group", precision="float8")


def test_git_never_changes_line_ends_of_a_snapshot() -> None:
    root = Path(agetrans.snapshot.__file__).parents[1]
    if not (root / ".git").exists():
        pytest.skip("not a clone")
    asked = ["git", "check-attr", "text", "eol", "--", "snapshot/a/config.json", "test/run_10group.sh"]
    answer = subprocess.run(asked, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "snapshot/a/config.json: text: unset" in answer, "checksums would not hold where git writes CRLF"
    assert "test/run_10group.sh: eol: lf" in answer
