"""AgeTrans on families of synthetic people, with a discriminator that sees how the source was changed.

    python train.py --preset families_adversarial --families DIR --photos FILE.npz --critic FILE --start RUN

Hardware: two CPU cores, about 1 s a step when they are free. It starts from a run of families_supervised; what it
reaches is in docs/training-log.md.
"""

from agetrans.training.settings import Settings

SETTINGS = Settings(
    model="agetrans",
    size=128,
    width=16,
    batch=9,
    pairs=8,
    kimg=72.0,
    learning_rate=3e-3,
    discriminator_rate=3e-3,
    ema_kimg=0.9,
    tick_kimg=0.45,
)
