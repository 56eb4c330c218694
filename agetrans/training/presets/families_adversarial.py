"""AgeTrans on families of synthetic people, with a discriminator that sees how the source was changed.

    python train.py --preset families_adversarial --families DIR --photos FILE.npz --critic FILE --start RUN

Hardware: two CPU cores, 0.85 s a step of 8 pairs, 80 minutes in all. It starts from a run of families_supervised; from
an earlier run of this preset it took 70+ from 49 to 58 judged years and 0-2 stayed at 6 (docs/training-log.md).
"""

from dataclasses import replace

from agetrans.training.presets.families_supervised import SETTINGS as SUPERVISED
from agetrans.training.weights import Weights

SETTINGS = replace(SUPERVISED, kimg=49.5, family_terms=Weights())
