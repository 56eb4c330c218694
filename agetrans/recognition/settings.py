"""What a training run of a recogniser is; presets state it, flags change it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from agetrans.data.labelled import DataError, Photograph

METHODS = ("baseline", "mtlface", "dal", "iefp-age", "iefp")
POLICIES = ("float32", "mixed_bfloat16")
SETTINGS = "settings.json"
"""In the folder of a run."""


@dataclass(frozen=True)
class RecognitionSettings:
    """A run.

    Attributes:
        method: One of `METHODS`.
        backbone: See `agetrans.recognition.backbones.make_backbone`.
        size: Height and width of the pictures.
        width: Channels of the backbone's first level.
        features: Length of the embedding.
        head: "cosface" or "arcface".
        scale: Factor of the cosines.
        margin: Of the head.
        groups: Number of age groups.
        batch: Pictures a step, over all devices.
        steps: Length of the run; 0 where `epochs` says it.
        epochs: Length in passes over the data; then `milestones` are epochs too.
        learning_rate: Of SGD, after the warm-up.
        momentum: Of SGD.
        weight_decay: Added to the gradients of kernels, slopes and the class matrix; never of biases and norms.
        warmup: Steps over which the rate rises.
        milestones: Steps (or epochs) behind which the rate is multiplied by `gamma`.
        gamma: See `milestones`.
        least_rate: What milestones do not bring the rate below.
        clip: Largest norm of all gradients together, 0 for none.
        age_weight: Weight of the age loss; 0 where nothing trained the age head, as in a checkpoint without one.
        disentangling_weight: Of what drives age out of the identity: MTLFace's reversed age loss, DAL's correlation,
            IEFP's bound.
        recognise: MTLFace: train recognition (`--train_fr`).
        synthesise: MTLFace: train synthesis (`--train_fas`).
        purification: IEFP: stages of the purification unit, see `IEFPEncoder`.
        package: MTLFace: the released package's network instead of the training code's.
        gan_weight: MTLFace's synthesis: of the adversarial loss.
        fas_age_weight: Of the age loss on synthetic faces.
        fas_identity_weight: Of the identity loss on synthetic faces.
        synthesis_rate: Of Adam, for generator and discriminator.
        policy: Keras dtype policy.
        jit_compile: Whether XLA compiles the step.
        tick: Steps between two lines of the log.
        checkpoint_minutes: Minutes between two checkpoints.
    """

    method: str = "baseline"
    backbone: str = "ir50"
    size: tuple[int, int] = (112, 112)
    width: int = 64
    features: int = 512
    head: str = "cosface"
    scale: float = 64.0
    margin: float = 0.35
    groups: int = 7
    batch: int = 128
    steps: int = 0
    epochs: float = 0.0
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: int = 0
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    least_rate: float = 0.0
    clip: float = 0.0
    age_weight: float = 0.0
    disentangling_weight: float = 0.0
    recognise: bool = True
    synthesise: bool = False
    package: bool = False
    purification: int = 1
    gan_weight: float = 75.0
    fas_age_weight: float = 10.0
    fas_identity_weight: float = 0.002
    synthesis_rate: float = 1e-4
    policy: str = "float32"
    jit_compile: bool = False
    tick: int = 100
    checkpoint_minutes: float = 5.0

    def total_steps(self, pictures: int) -> int:
        """Steps of the run over so many pictures."""
        return self.steps or max(1, math.ceil(self.epochs * pictures / self.batch))

    def milestone_steps(self, pictures: int) -> tuple[float, ...]:
        """Milestones in steps."""
        if self.steps:
            return self.milestones
        return tuple(round(epoch * pictures / self.batch) for epoch in self.milestones)

    def check(self) -> None:
        """Refuses what cannot be trained.

        Raises:
            DataError: Says what and why.
        """
        from agetrans.recognition.ages import CUTS
        from agetrans.recognition.backbones import backbone_names
        from agetrans.recognition.heads import HEADS

        known = {
            "method": METHODS,
            "backbone": backbone_names(),
            "head": tuple(HEADS),
            "groups": tuple(CUTS),
            "policy": POLICIES,
        }
        for name, names in known.items():
            if getattr(self, name) not in names:
                raise DataError(
                    f"--{name}: there is {', '.join(map(str, names))}, not {getattr(self, name)}."
                )
        for name in ("width", "features", "tick", "learning_rate", "synthesis_rate"):
            if getattr(self, name) <= 0:
                raise DataError(f"--{name} must be more than 0, not {getattr(self, name)}.")
        for name in ("steps", "epochs", "warmup", "weight_decay", "clip"):
            if getattr(self, name) < 0:
                raise DataError(f"--{name} must be 0 or more, not {getattr(self, name)}.")
        if not 0 < self.momentum < 1:
            raise DataError(f"--momentum must lie between 0 and 1, not {self.momentum}.")
        if self.batch < 2:
            raise DataError(
                "--batch must be 2 or more: a single picture has neither statistics nor correlation."
            )
        if not self.steps and not self.epochs:
            raise DataError("A run needs --steps or --epochs.")
        if min(self.size) < 16 or self.size[0] % 16 or self.size[1] % 16:
            raise DataError(f"--size: sides are multiples of 16, not {self.size[0]}x{self.size[1]}.")
        if self.synthesise and self.method != "mtlface":
            raise DataError("--train_fas belongs to --method mtlface.")
        if self.synthesise and min(self.size) < 48:
            raise DataError(
                "--train_fas needs pictures of 48 pixels and more: its discriminator halves them often."
            )
        if self.synthesise and self.recognise and not self.age_weight:
            raise DataError(
                "--train_fas asks the age head: --age_weight must be more than 0, or it never learns."
            )
        if self.purification not in (0, 1, 2):
            raise DataError(f"--purification: there is 0, 1 and 2, not {self.purification}.")
        if not self.recognise and not self.synthesise:
            raise DataError("Nothing is trained: give --train_fr, --train_fas or both.")

    def check_ages(self, photographs: Sequence[Photograph]) -> None:
        """Refuses photographs without an age where the method asks for it; the baseline does not.

        Raises:
            DataError: Says which, and what can be done.
        """
        unknown = [photograph.path for photograph in photographs if math.isnan(photograph.years)]
        if unknown and self.method != "baseline":
            raise DataError(
                f"--method {self.method} needs ages, and nothing says how old {unknown[0]} is: write a CSV with the "
                "columns file, age and identity and name it with --labels, or train --method baseline."
            )

    def to_json(self) -> str:
        """A text that `from_json` reads."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RecognitionSettings:
        """What `to_json` wrote.

        Raises:
            DataError: The text is something else.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            for name in ("size", "milestones"):
                values[name] = tuple(values[name])
            return cls(**values)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"The settings in the folder are those of another program, not of train-recognition ({error})."
            ) from None

    def differences(self, other: RecognitionSettings) -> list[str]:
        """Names of the settings that make another run: all but its length, its rates and what it writes down."""
        free = ("steps", "epochs", "milestones", "tick", "checkpoint_minutes", "learning_rate", "least_rate")
        return [
            item.name
            for item in fields(self)
            if item.name not in free and getattr(self, item.name) != getattr(other, item.name)
        ]


def read_settings(run: Path) -> RecognitionSettings:
    """The settings of a run.

    Args:
        run: Its folder, or a file of weights in it.

    Raises:
        DataError: The folder holds none, or another program's.
    """
    folder = run.parent if run.is_file() else run
    settings = folder / SETTINGS
    if not settings.is_file():
        raise DataError(f"{folder} is no run of train-recognition: it has no {SETTINGS}.")
    return RecognitionSettings.from_json(settings.read_text(encoding="utf-8"))


_MTLFACE = RecognitionSettings(
    method="mtlface",
    batch=512,
    steps=36000,
    warmup=1000,
    milestones=(20000, 23000),
    least_rate=1e-4,
    age_weight=0.001,
    disentangling_weight=0.002,
)
_DAL = RecognitionSettings(
    method="dal",
    backbone="oecnn",
    size=(112, 96),
    groups=8,
    batch=128,
    epochs=20,
    learning_rate=0.01,
    weight_decay=0.0,
    age_weight=0.1,
    disentangling_weight=0.1,
)
_IEFP = RecognitionSettings(
    method="iefp",
    backbone="iresnet50",
    groups=8,
    batch=512,
    epochs=25,
    weight_decay=1e-4,
    milestones=(10, 18, 22),
    clip=5.0,
    disentangling_weight=0.001,
)
_IEFP_AGE = replace(_IEFP, method="iefp-age", age_weight=1.0, disentangling_weight=0.0)
_BASELINE = replace(_MTLFACE, method="baseline", age_weight=0.0, disentangling_weight=0.0)
AUTHORS = {settings.method: settings for settings in (_BASELINE, _MTLFACE, _DAL, _IEFP_AGE, _IEFP)}
"""The authors' settings by method. DAL's leave the number of epochs to the user; the baseline's are MTLFace's."""


def preset(method: str, name: str) -> RecognitionSettings:
    """A method's settings.

    Args:
        method: One of `METHODS`.
        name: "authors"; "gpu" for one GPU (batches of 128 at most, bfloat16); "cpu" for a laptop (small network and
            pictures, the same recipe).

    Raises:
        DataError: There is no such method or preset.
    """
    if method not in AUTHORS:
        raise DataError(f"--method: there is {', '.join(METHODS)}, not {method}.")
    settings = AUTHORS[method]
    if name == "authors":
        return settings
    if name == "gpu":
        batch = min(settings.batch, 128)
        share = batch / settings.batch
        return replace(
            settings,
            batch=batch,
            learning_rate=settings.learning_rate * share,
            steps=round(settings.steps / share),
            milestones=tuple(m / share for m in settings.milestones)
            if settings.steps
            else settings.milestones,
            warmup=round(settings.warmup / share),
            policy="mixed_bfloat16",
        )
    if name == "cpu":
        small = {"ir50": "ir18", "iresnet50": "iresnet18"}.get(settings.backbone, settings.backbone)
        return replace(
            settings,
            backbone="ir18" if small == "oecnn" else small,
            size=(64, 64) if settings.size[0] == settings.size[1] else (64, 48),
            width=16,
            features=128,
            scale=32.0,
            margin=0.2,
            batch=64,
            steps=4000,
            epochs=0.0,
            warmup=200,
            milestones=(2500, 3500),
            learning_rate=0.05 if settings.method != "dal" else 0.02,
            tick=50,
        )
    raise DataError(f"--preset: there is authors, gpu and cpu, not {name}.")
