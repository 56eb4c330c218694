"""What a run is: everything that a preset states and a flag may change."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from agetrans.data.labelled import DataError
from agetrans.training.weights import Terms, Weights

PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class Settings:
    """A run.

    Attributes:
        model: "agetrans" or "agetransgan".
        size: Side of the generator's pictures: the core size of AgeTrans.
        width: Half the channels of AgeTrans' finest level, or AgeTransGAN's base width.
        pairs: Of a batch, how many are pairs of synthetic families (`ReAging`); 0 trains on photographs alone.
        output_size: Side at which pictures of families are compared.
        group: Age groups: "10", "4", or lower bounds in years.
        batch: Photographs a step, over all devices.
        accumulate: Parts of a device's share of the batch that go one after the other.
        kimg: Length of the run in thousands of photographs.
        learning_rate: Of the generator.
        discriminator_rate: Of the discriminator.
        beta_1: Momentum of Adam, for both.
        ema_kimg: Half-life of the averaged generator, in thousands of photographs.
        levels: Sides of the features that the discriminator judges.
        policy: Keras dtype policy.
        jit_compile: Whether XLA compiles the step.
        tick_kimg: Thousands of photographs between two lines of the log.
        sheet_kimg: Between two contact sheets and snapshots of the averaged generator.
        checkpoint_minutes: Minutes between two checkpoints.
        terms: Weights of the losses on photographs.
        family_terms: Weights of the losses on families.
        seed: Of weights and data; None where a run is older than this.
        data: Fingerprint of the photographs, `agetrans.data.shards.Shards.fingerprint`; None where there are none, or
            a run is older than this.
    """

    model: str = "agetrans"
    size: int = 128
    width: int = 16
    pairs: int = 0
    output_size: int = 128
    group: str = "10"
    batch: int = 8
    accumulate: int = 1
    kimg: float = 200.0
    learning_rate: float = 2e-3
    discriminator_rate: float = 2e-3
    beta_1: float = 0.0
    ema_kimg: float = 2.0
    levels: tuple[int, ...] = (32, 16, 8, 4)
    policy: str = "mixed_bfloat16"
    jit_compile: bool = False
    tick_kimg: float = 0.4
    sheet_kimg: float = 10.0
    checkpoint_minutes: float = 5.0
    terms: Terms = field(default_factory=Terms)
    family_terms: Weights = field(default_factory=Weights)
    seed: int | None = None
    data: str | None = None

    def to_json(self) -> str:
        """All settings as text, for the folder of a run."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """What `to_json` wrote."""
        values = json.loads(text)
        values["levels"] = tuple(values["levels"])
        values["terms"] = Terms(**values["terms"])
        values["family_terms"] = Weights(**values["family_terms"])
        return cls(**values)

    def differences(self, other: Settings) -> list[str]:
        """Names of the settings that make another run: all but its length, its rates and what it writes down."""
        free = [
            "kimg",
            "tick_kimg",
            "sheet_kimg",
            "checkpoint_minutes",
            "learning_rate",
            "discriminator_rate",
        ]
        free += ["terms", "levels"] if self.pairs else ["family_terms", "output_size"]
        free += [name for name in ("seed", "data") if None in (getattr(self, name), getattr(other, name))]
        return [
            item.name
            for item in fields(self)
            if item.name not in free and getattr(self, item.name) != getattr(other, item.name)
        ]


def presets() -> dict[str, Path]:
    """Names and files of the presets that ship."""
    return {path.stem: path for path in sorted(PRESETS.glob("[a-z]*.py"))}


def load_preset(name: str) -> tuple[Settings, str]:
    """A preset's `SETTINGS` and its docstring.

    Args:
        name: Of one that ships, or the path of a Python file like these.

    Raises:
        DataError: There is none, or it defines no settings.
    """
    path = presets().get(name, Path(name))
    if path.suffix != ".py" or not path.is_file():
        raise DataError(
            f"There is no preset {name}: there are {', '.join(presets())}, or give a Python file."
        )
    spec = importlib.util.spec_from_file_location(f"preset_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    settings = getattr(module, "SETTINGS", None)
    if not isinstance(settings, Settings):
        raise DataError(f"{path} defines no SETTINGS of agetrans.training.settings.Settings.")
    return settings, (module.__doc__ or "").strip()


def term_names(losses: Terms | Weights) -> list[str]:
    """Names of the losses' weights on photographs or on families."""
    return [item.name for item in fields(losses)]


def loss_flag(name: str) -> str:
    """What the flag of a loss's weight is called, without the dashes."""
    return name if name == "least_squares" else f"{name}_loss"
