"""Face age synthesis at 112 px with the losses of MTLFace's synthesis task (L_FAS), on a GPU or a CPU.

    agetrans prepare SCAF --layout mtlface --size 112 --out data/prepared
    python train.py --preset fas_112

Hardware: a CPU for a trial, a GPU for a result. Not run to its end by us: MTLFace gives 36,000 steps of 512
on 8 GPUs for recognition and synthesis together, and no figures for synthesis. The generator is AgeTrans with
a core of 128 px; it has MTLFace's attention decomposition, identity conditional module and sharing of an
eighth, seven groups, LSGAN with weight 75, age 10, identity 0.002, Adam 1e-4 with betas 0.5 and 0.99. Ours is
own_age 1: AgeTrans reads the age of its input with a head of its own, in the place of MTLFace's age estimator.
"""

from agetrans.training.settings import Settings
from agetrans.training.weights import Terms

SETTINGS = Settings(
    model="agetrans",
    size=128,
    width=16,
    group="0,11,21,31,41,51,61",
    batch=64,
    kimg=2300.0,
    learning_rate=1e-4,
    discriminator_rate=1e-4,
    beta_1=0.5,
    tick_kimg=3.2,
    sheet_kimg=64.0,
    terms=Terms(
        adversarial=75.0,
        age_class=10.0,
        reconstructed=0.0,
        cycle=0.0,
        identity=0.0,
        identity_squared=0.002,
        triplet=0.0,
        pixel=0.0,
        own_age=1.0,
        r1=0.0,
        least_squares=True,
    ),
)
