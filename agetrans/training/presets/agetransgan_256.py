"""AgeTransGAN on MORPH or CACD at 256 px with four groups of adults.

    agetrans prepare MORPH --framing agetransgan --size 256 --format png --out data/prepared
    python train.py --preset agetransgan_256

Hardware: its authors give 1 day 12 hours (MORPH) and 4 days (CACD) on Titan RTX cards, of a number not known.
Not run by us: `--dry_run` measures a step and says the hours. Figures to expect: we know none of the authors
for these sets; those of FFHQ-Aging are in docs/training.md. Age groups, loss weights and rates are ours or those
of a public derivative, because the authors have not published theirs.
"""

from dataclasses import replace

from agetrans.training.presets.agetransgan_1024_10group import SETTINGS as TEN_GROUPS

SETTINGS = replace(TEN_GROUPS, size=256, group="0,31,41,51", batch=32, accumulate=1, kimg=12000.0)
