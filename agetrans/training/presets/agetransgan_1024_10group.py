"""AgeTransGAN on FFHQ-Aging at 1024 px with 10 groups.

    agetrans prepare FFHQ --framing none --size 1024 --format png --out data/prepared
    python train.py --preset agetransgan_1024_10group

Hardware: its authors give 31 days on Titan RTX cards, of a number not known. Not run by us: `--dry_run`
measures a step and says the hours. 16 photographs a step in 4 pieces are for 1, 2 or 4 GPUs: eight take
`--batch 32 --accumulate 1`, which are 4 photographs a GPU, and `--accumulate 1` is enough for four. Figures to
expect: those of the authors, docs/training.md. Loss weights and rates are those of a public derivative, because
the authors have not published theirs.
"""

from agetrans.training.settings import Settings
from agetrans.training.weights import Terms

SETTINGS = Settings(
    model="agetransgan",
    size=1024,
    width=512,
    group="10",
    batch=16,
    accumulate=4,
    kimg=13000.0,
    learning_rate=2e-4,
    discriminator_rate=2e-4,
    ema_kimg=10.0,
    tick_kimg=4.0,
    sheet_kimg=100.0,
    terms=Terms(path_length=2.0),
)
