"""AgeTrans on families of synthetic people, with a discriminator that sees how the source was changed.

    python train.py --preset families_adversarial --families DIR --photos FILE.npz --critic FILE --start RUN

Hardware: two CPU cores, 0.85 s a step when they are free. It starts from a run of families_supervised; what it reaches
is in docs/training-log.md.
"""

from dataclasses import replace

from agetrans.training.presets.families_supervised import SETTINGS as SUPERVISED
from agetrans.training.weights import Weights

SETTINGS = replace(SUPERVISED, kimg=36.0, family_terms=Weights())
