"""AgeTrans on families of synthetic people, without a discriminator: how the default snapshot begins.

    python train.py --preset families_supervised --families DIR --photos FILE.npz --critic FILE

Hardware: two CPU cores, 0.37 s a step at 128 px when they are free. What it reaches is in docs/training-log.md. The
rate is as high as it may be: with 0.006 the pixel error stays a fifth higher until the rate falls.
"""

from agetrans.training.settings import Settings
from agetrans.training.weights import Weights

SETTINGS = Settings(
    model="agetrans",
    size=128,
    width=16,
    batch=9,
    pairs=8,
    kimg=31.5,
    learning_rate=2e-3,
    ema_kimg=0.9,
    tick_kimg=0.45,
    family_terms=Weights(pixel=4.0, adversarial=0.0),
)
