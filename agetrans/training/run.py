"""Trains `AgeTrans` on families and photographs; resumes where the same command left off.

python -m agetrans.training.run --families DIR --photos FILE.npz --critic FILE --out DIR --steps 4000
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import app
from absl.flags import argparse_flags
from keras import ops

from agetrans.data.batches import Families, batches
from agetrans.groups import AgeGroups
from agetrans.models.agetrans import AgeTrans
from agetrans.training.reaging import ReAging, Weights
from agetrans.training.ruler import Ruler, load_estimator, reader

PHASES = {
    "supervised": Weights(adversarial=0.0, age_class=0.0, critic_age=0.0, critic_features=0.0),
    "adversarial": Weights(),
}
"""Which losses: without or with critic and discriminator."""
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


def main(flags: argparse.Namespace) -> int:
    """Trains as the flags say; returns the exit status."""
    keras.utils.set_random_seed(flags.seed)
    folder = Path(flags.out)
    folder.mkdir(parents=True, exist_ok=True)
    generator = AgeTrans(flags.size, width=flags.width, dtype=POLICY)
    critic = load_estimator(flags.critic, POLICY)
    age_groups = AgeGroups.of(10)
    with np.load(flags.photos) as file:
        photos = {name: file[name] for name in ("pictures", "age")}
    ruler = Ruler(reader(critic), photos["pictures"], photos["age"], age_groups)
    centres = ruler.to_readings(np.array(age_groups.centres))
    trainer = ReAging(
        generator, critic, age_groups, centres, flags.output_size, PHASES[flags.phase], dtype=POLICY
    )
    schedule = keras.optimizers.schedules.CosineDecay(flags.learning_rate, flags.steps, alpha=0.1)
    trainer.compile(schedule)
    state = folder / "state.weights.h5"
    if state.exists():
        trainer.load_weights(state)
    else:
        if flags.start:
            generator.load_weights(flags.start)
        else:
            generator.reset_change()
        trainer.restart_average()
    done = int(ops.convert_to_numpy(trainer.steps))
    families = Families(Path(flags.families), ruler)
    if not families.people:
        print(f"--families: there is no usable family in {flags.families}.", file=sys.stderr)
        return 2
    data = batches(
        families,
        photos["pictures"],
        photos["age"],
        age_groups,
        pairs=flags.pairs,
        photographs=flags.photographs,
        first=done,
        seed=flags.seed,
    )
    trainer.fit(
        ((batch,) for batch in data),  # Keras takes a tuple for input and targets, and here all is input
        steps_per_epoch=EPOCH_STEPS,
        epochs=-(-max(0, flags.steps - done) // EPOCH_STEPS),
        callbacks=[Checkpoints(folder, flags.checkpoint_minutes, families)],
        verbose=2,
    )
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """The flags of a command line; refuses in one sentence files that are not there."""
    parser = argparse_flags.ArgumentParser(prog="python -m agetrans.training.run", description=__doc__)
    add = parser.add_argument
    add("--families", required=True, help="folder of family shards")
    add("--photos", required=True, help="framed photographs, from agetrans.data.photographs")
    add("--critic", required=True, help="weights of the age critic")
    add("--out", required=True, help="folder of the run")
    add("--phase", choices=PHASES, default="adversarial", help="without or with critic and discriminator")
    add("--steps", type=int, default=4000, help="steps of the whole run")
    add("--pairs", type=int, default=8, help="synthetic pairs a step")
    add("--photographs", type=int, default=4, help="photographs a step")
    add("--size", type=int, default=256, help="core size of the generator")
    add("--width", type=int, default=16, help="channels of the generator's finest level")
    add("--output_size", type=int, default=128, help="side at which pictures are compared, 128 or 256")
    add(
        "--learning_rate",
        type=float,
        default=4e-3,
        help="rate of the generator at the start; a cosine ends at a tenth",
    )
    add("--start", help="generator weights to start from where the run is new")
    add("--checkpoint_minutes", type=float, default=5, help="minutes between checkpoints")
    add("--seed", type=int, default=0, help="seed of weights and data")
    flags = parser.parse_args(arguments[1:])
    for name in ("families", "photos", "critic", "start"):
        path = getattr(flags, name)
        if path and not Path(path).exists():
            parser.error(f"--{name}: there is no {path}")
    return flags


if __name__ == "__main__":
    app.run(main, flags_parser=parse)
