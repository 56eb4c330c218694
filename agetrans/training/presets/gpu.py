"""AgeTrans on photographs, on one GPU or all GPUs of a machine.

    agetrans prepare PHOTOGRAPHS --size 256 --out data/prepared
    python train.py --preset gpu --group 10
    KERAS_BACKEND=torch python train.py --preset gpu --group 10     (one GPU, without TensorFlow)

Hardware: a GPU of 24 GB or more. Not run yet: `--dry_run` measures a step and says the hours.
"""

from agetrans.training.settings import Settings
from agetrans.training.weights import Terms

SETTINGS = Settings(
    model="agetrans",
    size=256,
    width=32,
    batch=32,
    kimg=5000.0,
    ema_kimg=10.0,
    tick_kimg=4.0,
    sheet_kimg=100.0,
    terms=Terms(adversarial=0.5, age_class=0.5, triplet=0.0, pixel=1.0, cycle=5.0, own_age=0.02, r1=1.0),
)
