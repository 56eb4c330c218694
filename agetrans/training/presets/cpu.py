"""AgeTrans on photographs, on a laptop.

    agetrans prepare PHOTOGRAPHS --size 128 --out data/prepared
    python train.py --group 10

Hardware: two CPU cores, 4 GB of memory: 1.1 s a step there, 7 hours in all, as `--dry_run` measured. Not run to its end
by us, so without figures to expect.
"""

from agetrans.training.settings import Settings
from agetrans.training.weights import Terms

SETTINGS = Settings(
    model="agetrans",
    size=128,
    width=16,
    batch=8,
    kimg=200.0,
    terms=Terms(adversarial=0.5, age_class=0.5, triplet=0.0, pixel=1.0, cycle=5.0, own_age=0.02, r1=1.0),
)
