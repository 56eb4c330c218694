"""A training run of a recogniser, from its settings to its end."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import keras

from agetrans.cli.console import DONE, CommandError, shown
from agetrans.data.labelled import DataError
from agetrans.files import write_text
from agetrans.recognition.data import FaceSet, RecognitionBatches
from agetrans.recognition.released import ReleasedSynthesis
from agetrans.recognition.settings import RecognitionSettings
from agetrans.recognition.trainers import make_encoder, make_trainer
from agetrans.training.distribution import Devices, WorkerLost
from agetrans.training.record import GENERATOR, NotFinite, Record, restore, save_atomically

SETTINGS, PEOPLE, SYNTHESIS = "settings.json", "people.json", "synthesis.weights.h5"


def train(
    settings: RecognitionSettings,
    faces: FaceSet,
    out: Path,
    start: Path | None = None,
    age_branch: Path | None = None,
    seed: int = 0,
    devices: int | None = None,
) -> int:
    """Trains, from the state in `out` where there is one; returns the exit status.

    Args:
        settings: The run.
        faces: What it sees.
        out: Folder of the run.
        start: A run whose recogniser this one starts from.
        age_branch: IEFP: a run whose recogniser, trained to tell ages, is the frozen branch.
        seed: Of weights and batches.
        devices: How many; None for all GPUs.

    Raises:
        CommandError: The run cannot go on; the message is one sentence.
        DataError: Data and settings do not fit.
    """
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(settings.policy)
    machine = Devices(devices)
    if settings.batch % machine.replicas:
        raise DataError(f"A batch of {settings.batch} cannot be cut into {machine.replicas} equal parts.")
    total = settings.total_steps(len(faces.paths))
    batches = RecognitionBatches(faces, settings, seed, (machine.worker, machine.workers))
    with machine.scope():
        trainer = make_trainer(settings, len(faces.people), len(faces.paths))
        done = restore(trainer, out)
        if not done:
            if start is not None:
                load_run(trainer.generator, start)
                trainer.restart_average()
            if age_branch is not None:
                load_run(trainer.age_branch, age_branch)
    if machine.worker == 0:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / SETTINGS, settings.to_json())
        write_text(out / PEOPLE, json.dumps(faces.people) + "\n")
        kept = f" It goes on from step {done}." if done else ""
        print(f"The run is in {shown(out)}.{kept} Stop it with Ctrl-C and go on with the same command.")
    tick = min(settings.tick, total)
    record = Record(out, settings.batch, total, settings.checkpoint_minutes, writes=machine.worker == 0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, record.stop_soon)
    try:
        machine.fit(trainer, batches.stream(done), -(-max(0, total - done) // tick), tick, [record])
    except (NotFinite, WorkerLost) as error:
        raise CommandError(str(error)) from error
    return DONE


def load_run(recogniser: Any, run: Path) -> None:
    """Gives a recogniser the weights of a run.

    Raises:
        CommandError: There are none, or they are another network's.
    """
    path = run / GENERATOR if run.is_dir() else run
    if not path.is_file():
        raise CommandError(f"There are no weights in {run}: it has no {GENERATOR}.")
    try:
        recogniser.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        raise CommandError(
            f"{path} holds another network's weights ({str(error).splitlines()[0][:120]})."
        ) from error


def save_recogniser(
    recogniser: Any, settings: RecognitionSettings, out: Path, synthesis: ReleasedSynthesis | None = None
) -> None:
    """Writes a recogniser as the folder of a run that `load_recogniser` reads, and what `load_synthesis` reads."""
    out.mkdir(parents=True, exist_ok=True)
    save_atomically(recogniser, out / GENERATOR)
    if synthesis is not None:
        save_atomically(synthesis, out / SYNTHESIS)
    write_text(out / SETTINGS, settings.to_json())


def make_synthesis(settings: RecognitionSettings) -> ReleasedSynthesis:
    """The ageing network of MTLFace's released package for these settings, with random weights."""
    return ReleasedSynthesis(settings.size[0], settings.width, settings.features, settings.groups)


def load_synthesis(run: Path) -> ReleasedSynthesis:
    """The ageing network of a converted checkpoint of MTLFace's released package.

    Raises:
        CommandError: The folder holds none.
    """
    if not (run / SYNTHESIS).is_file():
        raise CommandError(f"{run} has no {SYNTHESIS}: only MTLFace's released package is converted to one.")
    synthesis = make_synthesis(read_settings(run))
    synthesis.load_weights(run / SYNTHESIS)
    return synthesis


def read_settings(run: Path) -> RecognitionSettings:
    """The settings of a run.

    Raises:
        CommandError: The folder holds none.
        DataError: They are another program's.
    """
    settings = run / SETTINGS
    if not settings.is_file():
        raise CommandError(f"{run} is no run of train-recognition: it has no {SETTINGS}.")
    return RecognitionSettings.from_json(settings.read_text(encoding="utf-8"))


def load_recogniser(run: Path) -> Any:
    """The recogniser of a run.

    Raises:
        CommandError: The folder holds none.
    """
    recogniser = make_encoder(read_settings(run))
    load_run(recogniser, run)
    return recogniser
