"""Trains `AgeTrans` on families and photographs; resumes where the same command left off.

    python -m agetrans.training.run --families DIR --photos FILE.npz --critic FILE --out DIR --steps 4000
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import keras
import numpy as np
from absl import app, flags

from agetrans.data.batches import Families, batches
from agetrans.groups import AgeGroups
from agetrans.models.agetrans import AgeTrans
from agetrans.training.reaging import ReAging
from agetrans.training.ruler import Ruler, load_estimator, reader

FLAGS = flags.FLAGS
flags.DEFINE_string("families", None, "Folder of family shards.", required=True)
flags.DEFINE_string("photos", None, "Framed photographs: .npz with pictures (N, 256, 256, 3) and age (N,).", required=True)
flags.DEFINE_string("critic", None, "Weights of the age critic.", required=True)
flags.DEFINE_string("out", None, "Folder of the run.", required=True)
flags.DEFINE_integer("steps", 4000, "Steps of the whole run.")
flags.DEFINE_integer("pairs", 8, "Synthetic pairs a step.")
flags.DEFINE_integer("photographs", 4, "Photographs a step.")
flags.DEFINE_integer("output_size", 128, "Side at which pictures are compared, 128 or 256.")
flags.DEFINE_float("learning_rate", 2e-3, "Adam's rate of the generator at the start; a cosine ends at a tenth.")
flags.DEFINE_string("start", None, "Generator weights to start from where the run is new.")
flags.DEFINE_integer("checkpoint_minutes", 5, "Minutes between checkpoints.")
flags.DEFINE_integer("seed", 0, "Seed of weights and data.")

POLICY = "mixed_bfloat16"
EPOCH_STEPS = 50


class Checkpoints(keras.callbacks.Callback):
    """Every few minutes: the whole state, the averaged generator, and one line of `log.jsonl`."""

    def __init__(self, folder: Path, minutes: float, families: Families) -> None:
        super().__init__()
        self.folder, self.seconds, self.families = folder, 60 * minutes, families
        self.saved_at = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        step = int(self.model.steps.numpy() if hasattr(self.model.steps, "numpy") else self.model.steps)
        line = {"step": step, "people": len(self.families.people), **{k: float(v) for k, v in (logs or {}).items()}}
        with open(self.folder / "log.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        self.families.reload()
        if time.monotonic() - self.saved_at > self.seconds:
            self.save()

    def on_train_end(self, logs: dict | None = None) -> None:
        self.save()

    def save(self) -> None:
        """Writes the state and the averaged generator, each atomically."""
        self.saved_at = time.monotonic()
        temporary = self.folder / "partial.weights.h5"
        self.model.save_weights(temporary)
        os.replace(temporary, self.folder / "state.weights.h5")
        trained = [np.array(v) for v in self.model.generator.trainable_variables]
        for variable, average in zip(self.model.generator.trainable_variables, self.model.averaged(), strict=True):
            variable.assign(average)
        self.model.generator.save_weights(temporary)
        os.replace(temporary, self.folder / "generator.weights.h5")
        for variable, value in zip(self.model.generator.trainable_variables, trained, strict=True):
            variable.assign(value)


def main(_: list[str]) -> None:
    keras.utils.set_random_seed(FLAGS.seed)
    folder = Path(FLAGS.out)
    folder.mkdir(parents=True, exist_ok=True)
    generator = AgeTrans(dtype=POLICY)
    critic = load_estimator(FLAGS.critic, POLICY)
    age_groups = AgeGroups.of(10)
    photos = dict(np.load(FLAGS.photos))
    ruler = Ruler(reader(critic), photos["pictures"], photos["age"], age_groups)
    centres = ruler.to_readings(np.array(age_groups.centres))
    trainer = ReAging(generator, critic, age_groups, centres, FLAGS.output_size, dtype=POLICY)
    schedule = keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, FLAGS.steps, alpha=0.1)
    trainer.compile(schedule)
    state = folder / "state.weights.h5"
    if state.exists():
        trainer.load_weights(state)
    else:
        if FLAGS.start:
            generator.load_weights(FLAGS.start)
        else:
            generator.reset_change()
        trainer.restart_average()
    done = int(np.array(trainer.steps))
    families = Families(Path(FLAGS.families), ruler)
    data = batches(families, photos["pictures"], photos["age"], FLAGS.pairs, FLAGS.photographs, done, FLAGS.seed)
    trainer.fit(
        ((batch,) for batch in data),  # Keras takes a tuple for input and targets, and here all is input
        steps_per_epoch=EPOCH_STEPS,
        epochs=-(-max(0, FLAGS.steps - done) // EPOCH_STEPS),
        callbacks=[Checkpoints(folder, FLAGS.checkpoint_minutes, families)],
        verbose=2,
    )


if __name__ == "__main__":
    app.run(main)
