"""A run from its settings to its end, and the rehearsal that `--dry_run` is."""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path

import keras

from agetrans.cli.console import DONE, FAILED, shown
from agetrans.data.batches import Families
from agetrans.data.labelled import DataError, parse_groups
from agetrans.files import write_text
from agetrans.training import build, estimate
from agetrans.training.autodiff import BACKEND
from agetrans.training.distribution import Devices, WorkerLost
from agetrans.training.photographs import PhotographTrainer
from agetrans.training.record import NotFinite, Record, duration, restore
from agetrans.training.settings import Settings
from agetrans.training.sheet import fixed_sample
from agetrans.training.trainer import Trainer


def train(
    settings: Settings, sources: build.Sources, out: Path, start: str | None, seed: int, devices: int | None
) -> int:
    """Trains, from the state in `out` where there is one; returns the exit status."""
    keras.utils.set_random_seed(seed)
    machine = Devices(devices)
    writes = machine.worker == 0
    parts = machine.replicas * settings.accumulate
    _check_batch(settings, parts)
    total = _steps(settings.kimg, settings)
    with machine.scope():
        trainer, ruler = build.build_trainer(settings, sources, total)
        done = restore(trainer, out)
        if done:
            _set_rates(trainer, settings)
        else:
            build.start_generator(trainer.generator, start)
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
    _check_batch(settings, machine.replicas * settings.accumulate)
    trainer, _ = build.build_trainer(settings, sources, _steps(settings.kimg, settings))
    networks = {"generator": trainer.generator, "discriminator": trainer.discriminator}
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
    if isinstance(trainer, PhotographTrainer):
        _print_cost(settings, sources, machine)
    return DONE


def _print_cost(settings: Settings, sources: build.Sources, machine: Devices) -> None:
    assert sources.shards is not None
    size = sources.shards.size
    trial, side = estimate.trial_settings(settings, size)
    trainer, _ = build.build_trainer(trial, sources, 1, side)
    batches = build.photograph_batches(trial, sources.shards, trainer.generator, 0, 1, (0, 1))
    cost = estimate.measure(settings, trainer, batches, size, side)
    step = cost.seconds_a_step / machine.replicas
    steps = _steps(settings.kimg, settings)
    print(f"memory on a device: about {cost.memory / machine.replicas / 2**30:.1f} GiB")
    print(
        f"time: about {step:.1f} s a step, {settings.batch / step:.1f} photographs a second, {duration(step * steps)} "
        f"in all ({cost.how})"
    )


def _steps(kimg: float, settings: Settings) -> int:
    return max(1, round(1000 * kimg / settings.batch))


def _check_batch(settings: Settings, parts: int) -> None:
    if settings.batch % parts or (settings.pairs and settings.pairs % parts):
        raise DataError(
            f"A batch of {settings.batch} cannot be cut into {parts} equal parts (devices times --accumulate): change "
            "--batch."
        )
    if settings.pairs and settings.accumulate > 1:
        raise DataError("Training on families takes its batch in one piece: leave --accumulate away.")


def _set_rates(trainer: Trainer, settings: Settings) -> None:
    """A state holds the rates of its run; the flags' are wanted."""
    if isinstance(trainer, PhotographTrainer):
        trainer.optimizer.learning_rate = settings.learning_rate
        trainer.discriminator_optimizer.learning_rate = settings.discriminator_rate
