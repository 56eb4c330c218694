"""AgeTransGAN on FFHQ-Aging at 1024 px with 4 groups.

    agetrans prepare FFHQ --framing none --size 1024 --format png --out data/prepared
    python train.py --preset agetransgan_1024_4group

Hardware: its authors give 24 days on Titan RTX cards, of a number not known. Not run by us: `--dry_run`
measures a step and says the hours. 16 photographs a step in 4 pieces are for 1, 2 or 4 GPUs: eight take
`--batch 32 --accumulate 1`, which are 4 photographs a GPU, and `--accumulate 1` is enough for four. Figures to
expect: there are none of the authors for 4 groups; those of 10 are in docs/training.md. Loss weights and rates
are those of a public derivative, because the authors have not published theirs.
"""

from dataclasses import replace

from agetrans.training.presets.agetransgan_1024_10group import SETTINGS as TEN_GROUPS

SETTINGS = replace(TEN_GROUPS, group="4", kimg=12000.0)
