"""Weights of the losses: data alone, so that reading flags and presets imports no Keras."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """Training on families: weight of each term of the generator's loss, and of the discriminator's R1 penalty.

    Attributes:
        pixel: Of the absolute difference from the target, and of photographs that should stay from themselves.
        gradient: Of the absolute difference of slopes.
        adversarial: Of the logistic loss on the discriminator's scores.
        age_class: Of the discriminator's age classifier on what the generator makes.
        features: Of the absolute difference of the discriminator's features of it from those of the target.
        displacement: Of the absolute difference of the flow from the movement of the landmarks.
        mask: Of the cross-entropy of the mask and the head.
        own_age: Of the age that the generator's own head reads in its input.
        r1: Of the R1 penalty (gamma).
    """

    pixel: float = 2.0
    gradient: float = 1.0
    adversarial: float = 1.0
    age_class: float = 0.8
    features: float = 2.0
    displacement: float = 120.0
    mask: float = 1.0
    own_age: float = 0.02
    r1: float = 0.1


@dataclass(frozen=True)
class Terms:
    """Training on photographs: weight of each term; 0 switches a term off, with all that only it needs.

    The authors' weights are not known; the defaults are those of a public derivative of their code
    (docs/training.md). Their ablation table is repeated by setting `cycle`, `triplet`, `identity` and
    `recogniser` to 0 or not.

    Attributes:
        adversarial: Generator's loss on the discriminator's scores.
        age_class: Cross-entropy of the discriminator's age classifier on generated pictures.
        real_class: The same on real pictures, for the discriminator.
        reconstructed: Share of `adversarial` and `age_class` that reconstructions take too.
        cycle: L_cyc, absolute difference of a picture and its reconstruction.
        identity: L_id, absolute difference of the generator's own identity maps of input and result.
        recogniser: L_id^pre, squared difference of a recogniser's embeddings of input and result.
        triplet: L_t on the identity maps: the reconstruction must be nearer to the input than the result is.
        margin: Of the triplet term, m_t.
        pixel: Squared difference of input and result.
        gradient: Multi-scale difference of slopes of input and reconstruction.
        perceptual: Difference of the age critic's features of input and reconstruction.
        critic_age: Age that the critic reads in results.
        own_age: Age that `AgeTrans` reads in its input.
        identity_squared: Squared difference of the identity maps, MTLFace's term of L_FAS.
        path_length: Path length penalty of StyleGAN2, `AgeTransGAN` only.
        r1: R1 penalty (gamma).
        least_squares: Whether the game is LSGAN's, as in MTLFace's L_FAS, instead of the logistic one.
    """

    adversarial: float = 1.0
    age_class: float = 1.0
    real_class: float = 1.0
    reconstructed: float = 1.0
    cycle: float = 10.0
    identity: float = 1.0
    recogniser: float = 0.0
    triplet: float = 0.1
    margin: float = 0.5
    pixel: float = 10.0
    gradient: float = 0.0
    perceptual: float = 0.0
    critic_age: float = 0.0
    own_age: float = 0.0
    identity_squared: float = 0.0
    path_length: float = 0.0
    r1: float = 10.0
    least_squares: bool = False

    @property
    def reconstructs(self) -> bool:
        """Whether any term needs the reconstruction."""
        return any((self.reconstructed, self.cycle, self.triplet, self.gradient, self.perceptual))

    @property
    def reads_identity(self) -> bool:
        """Whether any term needs identity maps."""
        return any((self.identity, self.identity_squared, self.triplet))

    @property
    def needs_critic(self) -> bool:
        """Whether any term needs the age critic."""
        return any((self.perceptual, self.critic_age))
