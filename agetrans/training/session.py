"""A run from its settings to its end, and the rehearsal that `--dry_run` is."""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np

from agetrans.cli.console import DONE, FAILED, shown
from agetrans.data.batches import Families
from agetrans.data.labelled import DataError, describe_groups, parse_groups
from agetrans.files import write_text
from agetrans.training import build, estimate
from agetrans.training.autodiff import BACKEND
from agetrans.training.distribution import Devices, WorkerLost
from agetrans.training.photographs import PhotographTrainer
from agetrans.training.record import NotFinite, Record, duration, restore
from agetrans.training.ruler import Ruler
from agetrans.training.settings import Settings
from agetrans.training.sheet import fixed_sample
from agetrans.training.trainer import Trainer
from agetrans.variables import named_variables

STDDEV_GROUP = 4
"""Pictures whose standard deviation the discriminator sees together."""
LEAST_TAKEN = 1 / 3
"""Share of a generator's variables below which nothing of it is started: another width has up to 0.3 in common, and
twice the size with other groups 0.8."""


def train(
    settings: Settings, sources: build.Sources, out: Path, start: str | None, seed: int, devices: int | None
) -> int:
    """Trains, from the state in `out` where there is one; returns the exit status."""
    keras.utils.set_random_seed(seed)
    machine = Devices(devices)
    writes = machine.worker == 0
    parts = machine.replicas * settings.accumulate
    _check_batch(settings, machine)
    total = _steps(settings.kimg, settings)
    with machine.scope():
        trainer, ruler = build.build_trainer(settings, sources, total)
        done = restore(trainer, out)
        if done:
            _set_rates(trainer, settings)
        else:
            taken = build.start_generator(trainer.generator, start)
            if start is not None:
                _say_start(taken, len(named_variables(trainer.generator)), start)
            trainer.restart_average()
    if writes:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / "settings.json", settings.to_json())
        kept = f" It goes on from step {done}." if done else ""
        print(f"The run is in {shown(out)}.{kept} Stop it with Ctrl-C and go on with the same command.")
    facts = sample = None
    if ruler is None:
        assert sources.shards is not None
        share = (machine.worker, machine.workers)
        stream = build.face_stream(
            build.photograph_batches(settings, sources.shards, trainer.generator, seed, parts, share), done
        )
        sample = fixed_sample(sources.shards, parse_groups(settings.group)) if writes else None
    else:
        stream, families = build.family_batches(settings, sources, ruler, done, seed)
        facts = partial(_look_for_families, families)
    tick = min(_steps(settings.tick_kimg, settings), total)
    record = Record(
        out,
        settings.batch,
        total,
        settings.checkpoint_minutes,
        _steps(settings.sheet_kimg, settings),
        sample,
        facts,
        writes,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, record.stop_soon)
    try:
        machine.fit(trainer, stream, -(-max(0, total - done) // tick), tick, [record])
    except (NotFinite, WorkerLost) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return FAILED
    return DONE


def _look_for_families(families: Families) -> dict[str, float]:
    families.reload()
    return {"people": len(families.people)}


def rehearse(settings: Settings, sources: build.Sources, devices: int | None, text: str) -> int:
    """Prints what a run would do, and what it would take."""
    print(f"\n{text}\n")
    machine = Devices(devices)
    _check_batch(settings, machine)
    trainer, ruler = build.build_trainer(settings, sources, _steps(settings.kimg, settings))
    networks = {"generator": trainer.generator}
    if "discriminator" in trainer.phases:
        networks["discriminator"] = trainer.discriminator
    for name, network in networks.items():
        print(f"{name}: {network.count_params():,} parameters, {settings.policy}")
    phases = ", ".join(
        name if interval == 1 else f"{name} every {interval} steps"
        for name, interval in trainer.phases.items()
    )
    print(f"phases: {phases}")
    each = settings.batch // machine.replicas // settings.accumulate
    print(
        f"{settings.batch} photographs a step on {machine.replicas} device{'s' * (machine.replicas > 1)} ({BACKEND}), "
        f"{each} at a time; {_steps(settings.kimg, settings):,} steps, {settings.kimg:g} thousand photographs"
    )
    cost = _measure(settings, sources, trainer, ruler)
    step = cost.seconds_a_step / machine.replicas
    steps = _steps(settings.kimg, settings)
    print(
        f"memory on a device: about {cost.memory / machine.replicas / 2**30:.1f} GiB for a step, and "
        f"{estimate.weight_bytes(trainer) / 2**30:.1f} GiB for weights and what Adam keeps of them"
    )
    print(
        f"time: about {step:.1f} s a step, {settings.batch / step:.1f} photographs a second, {duration(step * steps)} "
        f"in all ({cost.how})"
    )
    return DONE


def _measure(
    settings: Settings, sources: build.Sources, trainer: Trainer, ruler: Ruler | None
) -> estimate.Estimate:
    """What a step of the run costs: measured on the run itself for families, on a stand-in for photographs."""
    if ruler is not None:
        trial = estimate.family_trial(settings)
        stream, families = build.family_batches(trial, sources, ruler, 0, 0)
        _say_families(settings, sources, len(families.people))
        return estimate.measure_step(settings, trainer, next(stream))
    assert sources.shards is not None
    size = sources.shards.size
    trial, side = estimate.trial_settings(settings, size)
    stand_in, _ = build.build_trainer(trial, sources, 1, side)
    batches = build.photograph_batches(trial, sources.shards, stand_in.generator, 0, 1, (0, 1))
    return estimate.measure(settings, stand_in, batches, size, side)


def _say_families(settings: Settings, sources: build.Sources, people: int) -> None:
    assert sources.families is not None
    assert sources.photos is not None
    with np.load(sources.photos) as file:
        years = file["age"].tolist()
    print(f"{people:,} people in {shown(sources.families)}, {len(years):,} photographs in {sources.photos}")
    print("\n".join(describe_groups(years, parse_groups(settings.group))))


def _steps(kimg: float, settings: Settings) -> int:
    return max(1, round(1000 * kimg / settings.batch))


def _check_batch(settings: Settings, machine: Devices) -> None:
    if settings.pairs and machine.workers > 1:
        raise DataError(
            "Training on families takes one machine: every worker would train on the same pairs. Leave TF_CONFIG away."
        )
    if settings.pairs and settings.accumulate > 1:
        raise DataError("Training on families takes its batch in one piece: leave --accumulate away.")
    parts = machine.replicas * settings.accumulate
    kinds = (settings.pairs, settings.batch - settings.pairs) if settings.pairs else (settings.batch,)
    if any(count % parts for count in kinds):
        raise DataError(
            f"A batch of {' and '.join(map(str, kinds))} cannot be cut into {parts} equal parts (devices times "
            "--accumulate): change --batch."
        )
    judged = kinds[0] // parts
    if parts > 1 and judged % STDDEV_GROUP:
        print(
            f"Careful: each part of the batch is {judged} pictures, no multiple of {STDDEV_GROUP}: the discriminator's "
            "minibatch standard deviation is not that of one device.",
            file=sys.stderr,
        )


def _say_start(taken: int, count: int, start: str) -> None:
    if taken < LEAST_TAKEN * count:
        raise DataError(
            f"--start: only {taken} of {count} variables of the generator fit {start}: it is of another width or kind."
        )
    print(f"{taken} of {count} variables of the generator are taken from {start}.")


def _set_rates(trainer: Trainer, settings: Settings) -> None:
    """A state holds the rates of its run; the flags' are wanted."""
    if isinstance(trainer, PhotographTrainer):
        trainer.optimizer.learning_rate = settings.learning_rate
        trainer.discriminator_optimizer.learning_rate = settings.discriminator_rate
