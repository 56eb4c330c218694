"""What a run leaves behind: its log, checkpoints, contact sheets; and when it must stop."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from agetrans.files import write_text
from agetrans.training import STATE
from agetrans.training.averaging import averaged_generator
from agetrans.training.events import EventWriter
from agetrans.training.sheet import sample_sheet
from agetrans.training.trainer import Trainer

GENERATOR, LOG, PARTIAL = "generator.weights.h5", "log.jsonl", "partial.weights.h5"


class NotFinite(ValueError):
    """A loss or a weight is no longer a number. The message is one sentence that says what to do."""


class Record(keras.callbacks.Callback):
    """Keeps the record of a run: an epoch of Keras is a tick, a few steps between two lines of the log.

    Each tick adds a line of means to `log.jsonl` and to TensorBoard's events, and a line on the terminal. Every few
    minutes the whole state goes to `state.weights.h5` and the averaged generator to `generator.weights.h5`, each
    written beside and then renamed, so that a run that is killed at any moment goes on from a whole state. Every few
    thousand photographs there is a contact sheet of a fixed sample, `sheets/NNNNNN.png` (thousands of photographs),
    and a snapshot of the averaged generator, `snapshots/NNNNNN.weights.h5`. A tick ends early when a signal came, and
    at the run's last step.

    Args:
        folder: Of the run.
        batch: Photographs a step.
        total_steps: Of the whole run.
        minutes: Between two checkpoints.
        sheet_steps: Steps between two contact sheets.
        sample: Pictures `(N, S, S, 3)` uint8 for the sheets.
        facts: Further numbers for each line of the log.
        writes: Whether this process writes files: of several workers, only the first.
        say: Takes the lines for the terminal.

    Raises:
        NotFinite: A loss or a weight is no longer a number. The state on disk is the last good one.
    """

    def __init__(
        self,
        folder: Path,
        batch: int,
        total_steps: int,
        minutes: float = 5.0,
        sheet_steps: int | None = None,
        sample: np.ndarray | None = None,
        facts: Callable[[], dict[str, float]] | None = None,
        writes: bool = True,
        say: Callable[[str], None] = print,
    ) -> None:
        super().__init__()
        self.folder, self.batch, self.total_steps = folder, batch, total_steps
        self.seconds, self.sheet_steps, self.sample = 60 * minutes, sheet_steps, sample
        self.facts, self.writes, self.say = facts, writes, say
        self.events: EventWriter | None = None
        self.stopping = False

    def stop_soon(self, *_: object) -> None:
        """Takes a signal: the first lets the run end, saved, with this step; the second ends it at once."""
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self.say("Stopping when this step is done. Once more stops at once, at the last checkpoint.")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.saved_at = self.tick_at = time.monotonic()
        self.first_step = self.step
        self.busy = 0.0
        if self.writes:
            forget_after(self.folder / LOG, self.step)
            self.events = EventWriter(self.folder / "events")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.sums: dict[str, Any] = {}
        self.count = 0
        self.before = self.step
        self.tick_at = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Keras' own logs are those of an epoch's last step.
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in (logs or {}).items()}
        self.count += 1
        if self.stopping or self.before + self.count >= self.total_steps:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        means = {name: float(value) / self.count for name, value in self.sums.items()}
        self._check(means)
        self.busy += time.monotonic() - self.tick_at
        step = self.step
        if self.writes:
            line = {
                "step": step,
                "kimg": round(step * self.batch / 1000, 3),
                **(self.facts or dict)(),
                **means,
            }
            with open(self.folder / LOG, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            assert self.events is not None
            self.events.scalars(step, means)
            self.say(self._progress(means))
        if self.sheet_steps and step // self.sheet_steps > self.before // self.sheet_steps:
            self._picture(step)
        if self.stopping or time.monotonic() - self.saved_at > self.seconds:
            self.save()
        if self.stopping:
            raise KeyboardInterrupt

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.save()
        if self.events is not None:
            self.events.close()

    @property
    def step(self) -> int:
        """Steps that the trainer has taken."""
        return int(ops.convert_to_numpy(self.model.steps))

    def save(self) -> None:
        """Writes what is trained, then the state, each atomically, if all their weights are numbers.

        The state comes last: a run whose state says that it is done has left all that it makes.
        """
        self.saved_at = time.monotonic()
        self._check_weights()
        if not self.writes:
            return
        with averaged_generator(self.model) as generator:
            self.save_trained(generator)
        save_atomically(self.model, self.folder / STATE)

    def save_trained(self, generator: Any) -> None:
        """Writes the averaged generator."""
        save_atomically(generator, self.folder / GENERATOR)

    def _picture(self, step: int) -> None:
        self._check_weights()
        if not self.writes:
            return
        name = f"{round(step * self.batch / 1000):06}"
        with averaged_generator(self.model) as generator:
            (self.folder / "snapshots").mkdir(exist_ok=True)
            save_atomically(generator, self.folder / "snapshots" / f"{name}.weights.h5")
            if self.sample is not None:
                sheet = sample_sheet(generator, self.sample, self.folder / "sheets" / f"{name}.png")
                assert self.events is not None
                self.events.picture(step, "sample", sheet)

    def _check(self, means: dict[str, float]) -> None:
        wrong = [name for name, value in means.items() if not math.isfinite(value)]
        if wrong:
            raise self._not_finite(f"The loss {wrong[0]}")

    def _check_weights(self) -> None:
        """Losses are those before a step: only the weights tell whether the last step left numbers."""
        for variable in self.model.variables:
            values = ops.convert_to_numpy(ops.cast(variable, "float32"))
            if not np.isfinite(values).all():
                raise self._not_finite(f"The weight {variable.path}")

    def _not_finite(self, what: str) -> NotFinite:
        return NotFinite(
            f"{what} is no longer a number, between steps {self.before} and {self.step}: the last "
            f"good state is kept in {self.folder}. Run the same command again with a lower --learning_rate."
        )

    def _progress(self, means: dict[str, float]) -> str:
        step = self.step
        speed = (step - self.first_step) / max(self.busy, 1e-9)
        left = max(0, self.total_steps - step) / max(speed, 1e-9)
        terms = "  ".join(f"{name} {value:.3g}" for name, value in means.items())
        return (
            f"{step * self.batch / 1000:8.2f} of {self.total_steps * self.batch / 1000:.1f} kimg  "
            f"{speed * self.batch:6.1f} img/s  {duration(left)} left  {terms}"
        )


def save_atomically(model: keras.Model, path: Path) -> None:
    """Writes weights to a file beside the old one, then takes its place."""
    temporary = path.with_name(PARTIAL)
    model.save_weights(temporary)
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def forget_after(log: Path, step: int) -> None:
    """Removes lines of steps that were taken after the state that a run goes on from, and a half-written line."""
    if not log.exists():
        return
    kept = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except ValueError:
            continue
    write_text(log, "".join(kept))


def restore(trainer: Trainer, folder: Path) -> int:
    """Loads a run's state where there is one; returns the steps that have been taken."""
    state = folder / STATE
    if state.exists():
        trainer.load_weights(state)
    return int(ops.convert_to_numpy(trainer.steps))


def duration(seconds: float) -> str:
    """Hours, minutes and seconds such as 1:02:03."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
