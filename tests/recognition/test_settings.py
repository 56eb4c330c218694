"""Settings of runs: presets that can be trained, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agetrans.cli import main
from agetrans.cli.train_recognition import resolve
from agetrans.data.labelled import DataError
from agetrans.recognition.settings import METHODS, RecognitionSettings, preset


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "arc"}, "--method"),
        ({"batch": 1}, "--batch"),
        ({"steps": 0, "epochs": 0.0}, "--steps"),
        ({"groups": 9}, "--groups"),
        ({"backbone": "ir51"}, "--backbone: there is ir18"),
        ({"head": "face"}, "--head"),
        ({"policy": "int8"}, "--policy"),
        ({"tick": 0}, "--tick must be more than 0"),
        ({"weight_decay": -1.0}, "--weight_decay must be 0 or more"),
        ({"momentum": 0.0}, "--momentum"),
        ({"size": (30, 32)}, "--size"),
        ({"synthesise": True}, "--train_fas"),
        ({"recognise": False}, "Nothing is trained"),
        ({"purification": 3}, "--purification: there is 0, 1 and 2"),
        ({"method": "mtlface", "synthesise": True, "age_weight": 0.0}, "--age_weight"),
    ],
)
def test_settings_that_cannot_be_are_a_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(preset("baseline", "cpu"), **change).check()


@pytest.mark.parametrize("method", ["baseline", "mtlface", "dal", "iefp"])
@pytest.mark.parametrize("name", ["authors", "gpu", "cpu"])
def test_every_preset_can_be_trained(method: str, name: str) -> None:
    settings = preset(method, name)
    settings.check()
    assert RecognitionSettings.from_json(settings.to_json()) == settings


def test_only_mtlfaces_rate_has_a_floor() -> None:
    floors = {method: preset(method, "authors").least_rate for method in METHODS}
    assert floors == {"baseline": 1e-4, "mtlface": 1e-4, "dal": 0.0, "iefp-age": 0.0, "iefp": 0.0}


def test_one_gpu_sees_as_many_pictures_and_turns_at_the_same_ones() -> None:
    authors, gpu = preset("mtlface", "authors"), preset("mtlface", "gpu")
    assert gpu.batch * gpu.steps == authors.batch * authors.steps
    assert [m * gpu.batch for m in gpu.milestones] == [m * authors.batch for m in authors.milestones]


@pytest.mark.parametrize(
    ("flags", "milestones"),
    [
        ("--method iefp --steps 50000", (20_000, 36_000, 44_000)),
        ("--method mtlface --epochs 18", (20_000 / 2000, 23_000 / 2000)),
        ("--method mtlface --steps 18000", (10_000, 11_500)),
        ("--method mtlface --steps 18000 --milestones 5,6", (5, 6)),
    ],
)
def test_a_run_of_another_length_turns_after_the_same_share(
    flags: str, milestones: tuple[float, ...]
) -> None:
    arguments = main.parse(["agetrans", "train-recognition", "data", "--preset", "authors", *flags.split()])
    assert resolve(arguments).milestones == pytest.approx(milestones)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"size": [1, 1], "milestones": [], "kimg": 3}'])
def test_settings_of_another_program_are_a_sentence(text: str) -> None:
    with pytest.raises(DataError, match="those of another program"):
        RecognitionSettings.from_json(text)
