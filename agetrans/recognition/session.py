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
from agetrans.recognition.settings import SETTINGS, RecognitionSettings, read_settings
from agetrans.recognition.synthesis import FaceSynthesis, make_face_synthesis
from agetrans.recognition.trainers import make_encoder, make_trainer
from agetrans.training.distribution import Devices, WorkerLost
from agetrans.training.record import GENERATOR, NotFinite, Record, restore, save_atomically

PEOPLE, SYNTHESIS = "people.json", "synthesis.weights.h5"
Synthesis = FaceSynthesis | ReleasedSynthesis
"""What paints aged faces on top of a recogniser."""


class RecognitionRecord(Record):
    """The record of a recogniser's run; where synthesis is trained, its generator is saved beside the recogniser."""

    def save_trained(self, generator: Any) -> None:
        """Writes the recogniser and the generator."""
        super().save_trained(generator)
        if self.model.settings.synthesise:
            save_atomically(self.model.synthesis, self.folder / SYNTHESIS)


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
    record = RecognitionRecord(
        out, settings.batch, total, settings.checkpoint_minutes, writes=machine.worker == 0
    )
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
    _load(recogniser, path)


def _load(network: Any, path: Path) -> None:
    try:
        network.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        raise CommandError(
            f"{path} holds another network's weights ({str(error).splitlines()[0][:120]})."
        ) from error


def save_recogniser(
    recogniser: Any, settings: RecognitionSettings, out: Path, synthesis: Synthesis | None = None
) -> None:
    """Writes a recogniser as the folder of a run that `load_recogniser` reads, and what `load_synthesis` reads."""
    out.mkdir(parents=True, exist_ok=True)
    save_atomically(recogniser, out / GENERATOR)
    if synthesis is not None:
        save_atomically(synthesis, out / SYNTHESIS)
    write_text(out / SETTINGS, settings.to_json())


def make_synthesis(settings: RecognitionSettings) -> Synthesis:
    """The ageing network of these settings, with random weights: MTLFace's own or that of its released package."""
    if settings.synthesise:
        return make_face_synthesis(settings.size, settings.width, settings.groups)
    return ReleasedSynthesis(settings.size[0], settings.width, settings.features, settings.groups)


def load_synthesis(run: Path) -> Synthesis:
    """The ageing network of a run of `--train_fas`, or of a converted checkpoint of MTLFace's released package.

    Raises:
        CommandError: The folder holds none.
        DataError: Its settings are missing or another program's.
    """
    if not (run / SYNTHESIS).is_file():
        raise CommandError(
            f"{run} has no {SYNTHESIS}: a run of --train_fas has one, and MTLFace's released package when converted."
        )
    synthesis = make_synthesis(read_settings(run))
    _load(synthesis, run / SYNTHESIS)
    return synthesis


def load_recogniser(run: Path) -> Any:
    """The recogniser of a run.

    Raises:
        CommandError: The folder holds none.
        DataError: Its settings are missing or another program's.
    """
    settings = read_settings(run)
    try:
        settings.check()
        recogniser = make_encoder(settings)
    except (TypeError, ValueError) as error:
        raise CommandError(f"{run / SETTINGS} describes no recogniser: {error}") from error
    load_run(recogniser, run)
    return recogniser
