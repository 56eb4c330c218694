"""AgeTrans on families of synthetic people, without a discriminator: how the default snapshot begins.

    python train.py --preset families_supervised --families DIR --photos FILE.npz --critic FILE

Hardware: two CPU cores. 0.3 s a step at 128 px when the cores are free: 2,400 steps (22 kimg) in 20 minutes, in which
the displacement error falls from 0.014 to 0.006 and the pixel error from 0.81 to 0.58 (docs/training-log.md).
"""

from agetrans.training.settings import Settings
from agetrans.training.weights import Weights

SETTINGS = Settings(
    model="agetrans",
    size=128,
    width=16,
    batch=9,
    pairs=8,
    kimg=36.0,
    learning_rate=4e-3,
    ema_kimg=0.9,
    tick_kimg=0.45,
    family_terms=Weights(gradient=6.0, displacement=60.0, adversarial=0.0, age_class=0.0, features=0.0),
)
