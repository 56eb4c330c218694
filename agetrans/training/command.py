"""`python train.py`: flags to a run."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from agetrans.cli.console import CommandError, SentenceParser, check_out, check_same_run, in_sentences, shown
from agetrans.data.labelled import DataError, check_groups, describe_groups, parse_groups
from agetrans.training.settings import Settings, load_preset, loss_flag, presets, term_names
from agetrans.training.weights import Terms, Weights

DEFAULT_PRESET = "cpu"
SETTING_FLAGS = {
    "model": ("agetrans or agetransgan", str),
    "size": ("side of the generator's pictures in pixels", int),
    "width": ("half the channels of AgeTrans' finest level, or AgeTransGAN's base width", int),
    "group": ("age groups: 10, 4, or lower bounds in years such as 15,30,40,50", str),
    "batch": ("photographs a step, over all devices", int),
    "accumulate": ("parts of a device's batch that go one after the other, to save memory", int),
    "kimg": ("length of the run in thousands of photographs", float),
    "learning_rate": ("of the generator", float),
    "discriminator_rate": ("of the discriminator", float),
    "ema_kimg": ("half-life of the averaged generator, in thousands of photographs", float),
    "policy": ("float32 or mixed_bfloat16", str),
    "tick_kimg": ("thousands of photographs between two lines of the log", float),
    "sheet_kimg": ("thousands of photographs between two contact sheets", float),
    "checkpoint_minutes": ("minutes between two checkpoints", float),
}
"""Settings that a flag may change, each with its help and type."""
WITHOUT_EFFECT = {"families": ("levels", "jit_compile", "recogniser"), "photographs": ("families", "photos")}
"""Flags that one kind of training does not read."""


def parse(argv: list[str]) -> argparse.Namespace:
    """Flags of `train.py`; `argv[0]` is the program."""
    parser = SentenceParser(
        prog="train.py",
        description="Trains a generator. Run the same command again to go on with a run that was cut off.",
        epilog=f"presets: {', '.join(presets())}; each is a documented Python file in agetrans/training/presets",
    )
    add = parser.add_argument
    add(
        "--preset",
        default=DEFAULT_PRESET,
        metavar="NAME",
        help=f"a preset or a file (default: {DEFAULT_PRESET})",
    )
    add("--data", type=Path, default=Path("data/prepared"), metavar="DIR", help="shards of agetrans prepare")
    add("--families", type=Path, metavar="DIR", help="family shards, for the presets of families")
    add("--photos", type=Path, metavar="FILE", help="framed photographs (.npz), for the presets of families")
    add(
        "--critic",
        type=Path,
        metavar="FILE",
        help="weights of the age estimator, for families and where a loss needs it",
    )
    add(
        "--recogniser",
        type=Path,
        metavar="RUN",
        help="a run of agetrans train-recognition, or a converted checkpoint, for --recogniser_loss",
    )
    add("--out", type=Path, metavar="DIR", help="folder of the run (default: runs/PRESET_GROUP)")
    add("--start", metavar="RUN", help="a run, of any size, or a snapshot whose generator starts this one")
    add("--seed", type=int, metavar="N", help="of weights and data (default: 0)")
    add("--devices", type=int, metavar="N", help="devices to train on (default: all GPUs)")
    add("--dry_run", action="store_true", help="only say what would run: data, sizes, memory, time")
    add(
        "--levels",
        type=_levels,
        metavar="32,16,8,4",
        help="sides of the features that the discriminator judges",
    )
    add("--jit_compile", action="store_true", default=None, help="compile the step with XLA; slower on CPUs")
    for name, (text, kind) in SETTING_FLAGS.items():
        add(f"--{name}", type=kind, metavar=kind.__name__.upper(), help=text)
    losses = parser.add_argument_group(
        "losses (0 switches one off)",
        f"On families there are {', '.join(term_names(Weights()))}; on photographs all but "
        f"{', '.join(name for name in term_names(Weights()) if name not in term_names(Terms()))}.",
    )
    for name in dict.fromkeys((*term_names(Terms()), *term_names(Weights()))):
        if name == "least_squares":
            losses.add_argument("--least_squares", action="store_true", default=None, help="LSGAN's game")
        else:
            losses.add_argument(f"--{loss_flag(name)}", type=float, metavar="WEIGHT")
    return parser.parse_args(argv[1:])


def _levels(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def resolve(flags: argparse.Namespace) -> tuple[Settings, str]:
    """The preset's settings with the flags' changes, and the preset's docstring.

    Raises:
        DataError: A setting cannot be.
    """
    settings, text = load_preset(flags.preset)
    names = (*SETTING_FLAGS, "levels", "jit_compile")
    changes = {name: getattr(flags, name) for name in names if getattr(flags, name) is not None}
    seed = (settings.seed or 0) if flags.seed is None else flags.seed
    settings = _with_losses(replace(settings, **changes, seed=seed), flags)
    kind = "families" if settings.pairs else "photographs"
    for name in WITHOUT_EFFECT[kind]:
        if getattr(flags, name) is not None:
            raise DataError(f"--{name} has no effect in training on {kind}: leave it away.")
    if settings.model not in ("agetrans", "agetransgan"):
        raise DataError(f"--model: there is agetrans and agetransgan, not {settings.model}.")
    if settings.policy not in ("float32", "mixed_bfloat16"):
        raise DataError(f"--policy: there is float32 and mixed_bfloat16, not {settings.policy}.")
    for name in ("size", "width", "batch", "accumulate", "kimg", "tick_kimg", "ema_kimg"):
        if getattr(settings, name) <= 0:
            raise DataError(f"--{name} must be more than 0.")
    parse_groups(settings.group)
    if settings.pairs and settings.model != "agetrans":
        raise DataError(f"--model: families train agetrans, not {settings.model}.")
    if 0 < settings.batch <= settings.pairs:
        raise DataError(
            f"--batch must be more than {settings.pairs}, not {settings.batch}: {settings.pairs} of a batch are pairs "
            "of families, the others photographs."
        )
    return settings, text


def _with_losses(settings: Settings, flags: argparse.Namespace) -> Settings:
    """Settings whose weights of losses, those of the run's kind of training, are the flags'."""
    place, kind = ("family_terms", "families") if settings.pairs else ("terms", "photographs")
    losses = getattr(settings, place)
    given = {name: getattr(flags, loss_flag(name)) for name in (*term_names(Terms()), *term_names(Weights()))}
    changes = {name: value for name, value in given.items() if value is not None}
    for name in changes:
        if name not in term_names(losses):
            raise DataError(
                f"--{loss_flag(name)}: training on {kind} has no such loss; it has {', '.join(term_names(losses))}."
            )
    return replace(settings, **{place: replace(losses, **changes)})


def run(flags: argparse.Namespace) -> int:
    """Does what the flags say; returns the exit status."""
    try:
        return _run(flags)
    except DataError as error:
        raise CommandError(str(error)) from error


def _run(flags: argparse.Namespace) -> int:
    settings, text = resolve(flags)
    shards = None if settings.pairs else _photographs(flags, settings)
    if shards is not None:
        settings = replace(settings, data=shards.fingerprint)
        _check_networks(flags, settings.terms)
    for name in ("families", "photos", "critic") if settings.pairs else ():
        if getattr(flags, name) is None:
            raise CommandError(f"The preset {flags.preset} needs --{name}.")
    for name in ("families", "photos", "critic", "recogniser"):
        path = getattr(flags, name)
        if path is not None and not path.exists():
            raise CommandError(f"--{name}: there is no {path}.")
    out = flags.out or Path("runs") / f"{Path(flags.preset).stem}_{settings.group.replace(',', '-')}"
    _check_folder(out, settings)

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    _start(flags.devices or 1)
    from agetrans.training import session
    from agetrans.training.build import Sources

    sources = Sources(shards, flags.families, flags.photos, flags.critic, flags.recogniser)
    if flags.dry_run:
        return session.rehearse(settings, sources, flags.devices, text)
    assert settings.seed is not None
    return session.train(settings, sources, out, flags.start, settings.seed, flags.devices)


def _start(devices: int) -> None:
    """Starts Keras; before TensorFlow wakes its devices, where several are to be one."""
    from agetrans.startup import start_keras
    from agetrans.training.cluster import worker_of

    _, workers = worker_of(os.environ.get("TF_CONFIG", ""))
    if workers == 1 and devices == 1:
        start_keras()
        return
    from agetrans.training.distribution import split_cpu

    if workers == 1:
        split_cpu(devices)


def _photographs(flags: argparse.Namespace, settings: Settings) -> Any:
    from agetrans.data.shards import Shards

    shards = Shards(flags.data)
    age_groups = parse_groups(settings.group)
    years = shards.years.tolist()
    print(f"{len(years):,} faces of {shards.size} pixels in {shown(flags.data)}")
    print("\n".join(describe_groups(years, age_groups)))
    for sentence in check_groups(years, age_groups):
        print(f"Careful: {sentence}", file=sys.stderr)
    if settings.model == "agetransgan" and shards.size != settings.size:
        raise CommandError(
            f"AgeTransGAN of {settings.size} pixels needs faces of that size, not of {shards.size}: "
            f"prepare them with --size {settings.size}, or train with --size {shards.size}."
        )
    return shards


def _check_networks(flags: argparse.Namespace, terms: Terms) -> None:
    """Refuses losses without the frozen network that they need, and a network that no loss asks."""
    if terms.needs_critic and flags.critic is None:
        raise CommandError(
            "--perceptual_loss and --critic_age_loss need --critic, the weights of the age estimator: give it, or set "
            "them to 0."
        )
    if terms.recogniser and flags.recogniser is None:
        raise CommandError(
            "--recogniser_loss needs --recogniser, a run of agetrans train-recognition or a converted checkpoint."
        )
    for name, asked, losses in (
        ("critic", terms.needs_critic, "--perceptual_loss or --critic_age_loss"),
        ("recogniser", terms.recogniser, "--recogniser_loss"),
    ):
        if getattr(flags, name) is not None and not asked:
            raise CommandError(f"--{name} has no effect without {losses}: give that, or leave it away.")


def _check_folder(out: Path, settings: Settings) -> None:
    record = out / "settings.json"
    check_out(out)
    if not record.exists():
        return
    try:
        earlier = Settings.from_json(record.read_text(encoding="utf-8"))
    except (ValueError, TypeError, KeyError) as error:
        raise CommandError(f"{record} is not of a run of train.py: give another --out.") from error
    check_same_run(out, settings.differences(earlier))


def main(flags: argparse.Namespace) -> int:
    """What `train.py` does; failures become a sentence and an exit status."""
    return in_sentences(run, flags)
