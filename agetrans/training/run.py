"""Trains `AgeTrans` on families and photographs; resumes where the same command left off.

python -m agetrans.training.run --families DIR --photos FILE.npz --critic FILE --out DIR --steps 4000
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import app, flags
from keras import ops

from agetrans.data.batches import Families, batches
from agetrans.groups import AgeGroups
from agetrans.models.agetrans import AgeTrans
from agetrans.training.reaging import ReAging, Weights
from agetrans.training.ruler import Ruler, load_estimator, reader

FLAGS = flags.FLAGS
PHASES = {
    "supervised": Weights(adversarial=0.0, age_class=0.0, critic_age=0.0, critic_features=0.0),
    "adversarial": Weights(),
}
flags.DEFINE_string("families", None, "Folder of family shards.", required=True)
flags.DEFINE_string("photos", None, "Framed photographs, from agetrans.data.photographs.", required=True)
flags.DEFINE_string("critic", None, "Weights of the age critic.", required=True)
flags.DEFINE_string("out", None, "Folder of the run.", required=True)
flags.DEFINE_enum("phase", "adversarial", list(PHASES), "Which losses: without or with critic and discriminator.")
flags.DEFINE_integer("steps", 4000, "Steps of the whole run.")
flags.DEFINE_integer("pairs", 8, "Synthetic pairs a step.")
flags.DEFINE_integer("photographs", 4, "Photographs a step.")
flags.DEFINE_integer("size", 256, "Core size of the generator.")
flags.DEFINE_integer("width", 16, "Channels of the generator's finest level.")
flags.DEFINE_integer("output_size", 128, "Side at which pictures are compared, 128 or 256.")
flags.DEFINE_float(
    "learning_rate", 2e-3, "Adam's rate of the generator at the start; a cosine ends at a tenth."
)
flags.DEFINE_string("start", None, "Generator weights to start from where the run is new.")
flags.DEFINE_integer("checkpoint_minutes", 5, "Minutes between checkpoints.")
flags.DEFINE_integer("seed", 0, "Seed of weights and data.")

POLICY = "mixed_bfloat16"
EPOCH_STEPS = 50
"""Steps between lines of the log, and between looks for new families."""


class Checkpoints(keras.callbacks.Callback):
    """Every epoch one line of `log.jsonl`, every few minutes the whole state and the averaged generator.

    Args:
        folder: Of the run.
        minutes: Between two checkpoints.
        families: Looked through for new shards after each epoch.
    """

    def __init__(self, folder: Path, minutes: float, families: Families) -> None:
        super().__init__()
        self.folder, self.seconds, self.families = folder, 60 * minutes, families
        self.saved_at = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.sums: dict[str, Any] = {}
        self.count = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        # Keras' own logs are those of an epoch's last step.
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in (logs or {}).items()}
        self.count += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        line: dict[str, float] = {
            "step": int(ops.convert_to_numpy(self.model.steps)),
            "people": len(self.families.people),
        }
        line.update({name: float(value) / self.count for name, value in self.sums.items()})
        with open(self.folder / "log.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        self.families.reload()
        if time.monotonic() - self.saved_at > self.seconds:
            self.save()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.save()

    def save(self) -> None:
        """Writes the state and the averaged generator, each atomically."""
        self.saved_at = time.monotonic()
        temporary = self.folder / "partial.weights.h5"
        self.model.save_weights(temporary)
        os.replace(temporary, self.folder / "state.weights.h5")
        trained = [ops.convert_to_numpy(v).copy() for v in self.model.generator.trainable_variables]
        for variable, average in zip(
            self.model.generator.trainable_variables, self.model.averaged(), strict=True
        ):
            variable.assign(average)
        self.model.generator.save_weights(temporary)
        os.replace(temporary, self.folder / "generator.weights.h5")
        for variable, value in zip(self.model.generator.trainable_variables, trained, strict=True):
            variable.assign(value)


def main(_: list[str]) -> int:
    """Trains as the flags say; returns the exit status."""
    for name in ("families", "photos", "critic", "start"):
        if FLAGS[name].value and not Path(FLAGS[name].value).exists():
            print(f"--{name}: there is no {FLAGS[name].value}.", file=sys.stderr)
            return 2
    keras.utils.set_random_seed(FLAGS.seed)
    folder = Path(FLAGS.out)
    folder.mkdir(parents=True, exist_ok=True)
    generator = AgeTrans(FLAGS.size, width=FLAGS.width, dtype=POLICY)
    critic = load_estimator(FLAGS.critic, POLICY)
    age_groups = AgeGroups.of(10)
    with np.load(FLAGS.photos) as file:
        photos = {name: file[name] for name in ("pictures", "age")}
    ruler = Ruler(reader(critic), photos["pictures"], photos["age"], age_groups)
    centres = ruler.to_readings(np.array(age_groups.centres))
    trainer = ReAging(generator, critic, age_groups, centres, FLAGS.output_size, PHASES[FLAGS.phase], dtype=POLICY)
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
    done = int(ops.convert_to_numpy(trainer.steps))
    families = Families(Path(FLAGS.families), ruler)
    if not families.people:
        print(f"--families: there is no usable family in {FLAGS.families}.", file=sys.stderr)
        return 2
    data = batches(
        families,
        photos["pictures"],
        photos["age"],
        age_groups,
        pairs=FLAGS.pairs,
        photographs=FLAGS.photographs,
        first=done,
        seed=FLAGS.seed,
    )
    trainer.fit(
        ((batch,) for batch in data),  # Keras takes a tuple for input and targets, and here all is input
        steps_per_epoch=EPOCH_STEPS,
        epochs=-(-max(0, FLAGS.steps - done) // EPOCH_STEPS),
        callbacks=[Checkpoints(folder, FLAGS.checkpoint_minutes, families)],
        verbose=2,
    )
    return 0


if __name__ == "__main__":
    app.run(main)
