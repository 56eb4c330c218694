"""What a run says before it starts, what it refuses, and what `--dry_run` finds out about families."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agetrans.data.labelled import DataError
from agetrans.data.shards import Shards
from agetrans.training import build, estimate, session
from agetrans.training.distribution import Devices
from agetrans.training.settings import Settings
from tests.data.test_batches import write_shard
from tests.training.faces import write_shards
from tests.training.steps import SUPERVISED, make_trainer

TINY = Settings(size=64, width=1, group="0,30", batch=8, kimg=0.008, policy="float32", levels=(4,))
FAMILIES = Settings(size=128, group="0,20,40,60", pairs=8, batch=12, kimg=12.0, policy="float32")


class ReachedBuilding(Exception):
    pass


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Devices that there are not; nothing is built for them."""

    def building(*_: Any) -> Any:
        raise ReachedBuilding

    machine = SimpleNamespace(workers=1, replicas=1)
    monkeypatch.setattr(session, "Devices", lambda count: machine)
    monkeypatch.setattr(build, "build_trainer", building)
    return machine


def test_families_are_refused_on_several_workers(machine: SimpleNamespace) -> None:
    machine.workers = machine.replicas = 2
    with pytest.raises(DataError, match="every worker would train on the same pairs"):
        session.rehearse(FAMILIES, build.Sources(), None, "")


@pytest.mark.parametrize(
    ("replicas", "batch", "accumulate", "pairs", "judged"),
    [(2, 12, 1, 0, 6), (2, 16, 4, 0, 2), (2, 16, 2, 0, None), (1, 6, 1, 0, None), (4, 12, 1, 8, 2)],
)
def test_pieces_that_change_the_minibatch_statistics_are_said(
    machine: SimpleNamespace,
    capsys: pytest.CaptureFixture[str],
    replicas: int,
    batch: int,
    accumulate: int,
    pairs: int,
    judged: int | None,
) -> None:
    machine.replicas = replicas
    with pytest.raises(ReachedBuilding):
        session.rehearse(Settings(batch=batch, accumulate=accumulate, pairs=pairs), build.Sources(), None, "")
    said = capsys.readouterr().err
    assert (f"each part of the batch is {judged} pictures, no multiple of 4" in said) == (judged is not None)


def test_photographs_of_families_must_be_cut_evenly_as_well(machine: SimpleNamespace) -> None:
    machine.replicas = 2
    with pytest.raises(DataError, match="A batch of 8 and 1 cannot be cut into 2 equal parts"):
        session.rehearse(Settings(pairs=8, batch=9), build.Sources(), None, "")


def test_a_start_says_what_it_took_and_refuses_what_gives_nearly_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = build.Sources(Shards(write_shards(tmp_path / "shards")))
    monkeypatch.setattr(Devices, "fit", lambda *_: None)
    monkeypatch.setattr(session.signal, "signal", lambda *_: None)
    first = tmp_path / "first"
    first.mkdir()
    generator = build.build_generator(TINY)
    generator.save_weights(first / "generator.weights.h5")
    (first / "settings.json").write_text(TINY.to_json())
    assert session.train(TINY, sources, tmp_path / "second", str(first), 0, None) == 0
    count = len(generator.weights)
    assert f"{count} of {count} variables of the generator are taken from {first}." in capsys.readouterr().out

    wider = replace(TINY, width=16)
    with pytest.raises(DataError, match=rf"--start: only \d+ of {count} variables of the generator fit"):
        session.train(wider, sources, tmp_path / "third", str(first), 0, None)
    assert not (tmp_path / "third").exists()


def test_the_dry_run_of_families_says_what_it_found_and_what_it_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        write_shard(tmp_path / f"{number:06}.npz", number)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 256, 256, 3), dtype=np.uint8)
    photos = tmp_path / "photos"
    with open(photos, "wb") as file:
        np.savez(file, pictures=pictures, age=np.array([5.0, 33.0, 61.0, 90.0]))
    trainer = make_trainer(SUPERVISED)

    def ruler(_: np.ndarray) -> np.ndarray:
        return np.array([30.0, 10.0, 70.0])

    monkeypatch.setattr(build, "build_trainer", lambda *_: (trainer, ruler))
    sources = build.Sources(families=tmp_path, photos=photos)
    assert session.rehearse(FAMILIES, sources, None, "What it is.") == 0
    said = capsys.readouterr().out
    for part in (
        "2 people in ",
        "4 photographs in ",
        "   60+ years:       2",
        "phases: generator\n",
        "1,000 steps",
        "memory on a device: about ",
        " s a step, ",
        "(a step of 4 pictures of 256 pixels took ",
    ):
        assert part in said, part
    assert "discriminator" not in said
    numbers = sum(int(np.prod(v.shape)) for v in trainer.generator.trainable_variables)
    assert estimate.weight_bytes(trainer) == 20 * numbers


def test_the_trial_of_families_keeps_pairs_and_photographs() -> None:
    trial = estimate.family_trial(FAMILIES)
    assert (trial.pairs, trial.batch) == (3, 4)
    assert estimate.family_trial(Settings(pairs=1, batch=40)).pairs == 1
