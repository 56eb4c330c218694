"""Training of `AgeTrans` on synthetic families and photographs, as a Keras model with its own `train_step`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from agetrans import losses
from agetrans.groups import AgeGroups
from agetrans.models.age_estimator import AgeEstimator
from agetrans.models.agetrans import AgeTrans
from agetrans.models.discriminator import Discriminator
from agetrans.training.autodiff import value_and_gradients


@dataclass(frozen=True)
class Weights:
    """Weight of each term of the generator's loss."""

    pixel: float = 4.0
    gradient: float = 6.0
    adversarial: float = 0.3
    age_class: float = 0.05
    critic_age: float = 0.05
    critic_features: float = 0.5
    displacement: float = 20.0
    mask: float = 0.2
    own_age: float = 0.02
    r1: float = 1.0


R1_INTERVAL = 16
"""The R1 penalty is taken every so many steps, times that number (lazy regularisation, StyleGAN2)."""
HEAD_WEIGHT = 3.0
"""Weight of the pixels inside the head, over that of those outside."""


class ReAging(keras.Model):
    """Generator, discriminator and a frozen age critic, trained together.

    A batch is a dict of S synthetic pairs and P photographs:
        `source`, `target` (S, 256, 256, 3) uint8: the pair; the target is the source outside the head.
        `years`, `source_years` (S,): ages of target and source.
        `head` (S, 64, 64, 1): soft region that may change.
        `flow`, `flow_weight` (S, 32, 32, 2 and 1): displacement of the landmarks, and where it is known.
        `photo` (P, 256, 256, 3) uint8, `photo_years` (P,) labelled, `photo_target` (P,) wanted.

    Args:
        generator: the network that is trained.
        critic: age estimator, not trained.
        age_groups: groups of the generator.
        critic_centres: what the critic reads of real people at each group's centre, `(groups,)` years.
        output_size: side at which pictures are compared: the core size, or half of it for the first phase, which
            leaves the generator's finest detail layer untrained and costs a quarter in every loss.
        ema_half_life: half-life of the averaged generator, in steps.
    """

    def __init__(
        self,
        generator: AgeTrans,
        critic: AgeEstimator,
        age_groups: AgeGroups,
        critic_centres: np.ndarray,
        output_size: int = 256,
        weights: Weights = Weights(),
        ema_half_life: float = 100.0,
        dtype: str | None = None,
    ) -> None:
        super().__init__(dtype=dtype)
        self.generator = generator
        self.critic = critic
        self.critic.trainable = False
        self.discriminator = Discriminator(output_size, age_groups.count, dtype=dtype)
        self.centres = np.array(age_groups.centres, np.float32)
        self.critic_centres = np.asarray(critic_centres, np.float32)
        self.output_size = output_size
        self.terms = weights
        self.decay = float(0.5 ** (1 / ema_half_life))
        self.average = [
            self.add_weight(shape=v.shape, dtype="float32", trainable=False, name=f"average{i}")
            for i, v in enumerate(generator.trainable_variables)
        ]
        self.restart_average()
        self.steps = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="steps")
        self.built = True

    def compile(self, learning_rate: Any = 2e-3, discriminator_rate: float = 4e-3) -> None:  # type: ignore[override]
        super().compile(optimizer=keras.optimizers.Adam(learning_rate, beta_1=0.8, beta_2=0.99))
        self.discriminator_optimizer = keras.optimizers.Adam(discriminator_rate, beta_1=0.0, beta_2=0.99)
        self.optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def restart_average(self) -> None:
        """Sets the averaged generator to the generator as it is."""
        for average, variable in zip(self.average, self.generator.trainable_variables, strict=True):
            average.assign(variable)

    def labels(self, years: Any) -> Any:
        """Soft labels `(B, groups)` of ages `(B,)`, mixed between neighbouring centres."""
        years = ops.expand_dims(ops.cast(years, "float32"), -1)
        low, high = self.centres[:-1], self.centres[1:]
        share = ops.clip((years - low) / (high - low), 0.0, 1.0)
        ones = ops.ones_like(share[:, :1])
        reached = ops.concatenate([ones, share], axis=-1)
        return reached - ops.concatenate([share, 0.0 * ones], axis=-1)

    def to_floats(self, picture: Any) -> Any:
        """uint8 to [-1, 1]."""
        return ops.cast(picture, "float32") / 127.5 - 1.0

    def shrink(self, picture: Any) -> Any:
        """A core-size picture at the output size."""
        factor = picture.shape[1] // self.output_size
        return picture if factor == 1 else ops.average_pool(picture, factor, data_format="channels_last")

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        if isinstance(batch, tuple):
            batch = batch[0]
        pairs = ops.shape(batch["source"])[0]
        image = self.to_floats(ops.concatenate([batch["source"], batch["photo"]], axis=0))
        wanted = ops.concatenate([batch["years"], batch["photo_target"]], axis=0)
        known = ops.concatenate([batch["source_years"], batch["photo_years"]], axis=0)
        label, target = self.labels(wanted), self.shrink(self.to_floats(batch["target"]))
        small = self.shrink(image)
        head = ops.image.resize(batch["head"], (self.output_size,) * 2, data_format="channels_last")
        weight = 1.0 + (HEAD_WEIGHT - 1.0) * head
        # A photograph asked for its own age must stay as it is; the others have no target.
        stays = ops.cast(ops.abs(batch["photo_years"] - batch["photo_target"]) < 0.5, "float32")[:, None, None, None]
        real = ops.concatenate([target, small[pairs:]], axis=0)
        real_label = ops.concatenate([label[:pairs], self.labels(batch["photo_years"])], axis=0)

        def generator_loss() -> tuple[Any, Any, dict[str, Any]]:
            *skips, features = self.generator.encoder(image)
            identity, age = self.generator.afd(features)
            own_years, own_groups = self.generator.read_age(age)
            change = self.generator.decode((*skips, identity, self.generator.icm(identity)), label)
            change = self.shrink(change)
            result = self.generator.compose(small, change)
            made, kept = result[:pairs], result[pairs:]
            score, group_logits = self.discriminator(result, label)
            ruler = self.critic(self._enlarge(result), training=False)
            wanted_ruler = self.critic(self._enlarge(target), training=False)
            stay_weight = ops.broadcast_to(stays, ops.shape(kept[..., :1]))
            parts = {
                "pixel": losses.weighted_error(made, target, weight)
                + losses.weighted_error(kept, small[pairs:], 2.0 * stay_weight),
                "gradient": losses.gradient_error(made, target, weight),
                "adversarial": losses.generator_logistic(score),
                "age_class": -ops.mean(ops.sum(label * ops.log_softmax(group_logits), axis=-1)),
                "critic_age": ops.mean(
                    losses.age_cross_entropy(ruler["logits"], ops.matmul(label, self.critic_centres[:, None])[:, 0])
                ),
                "critic_features": sum(
                    ops.mean(ops.abs(ops.cast(a[:pairs], "float32") - ops.cast(b, "float32")))
                    for a, b in zip(ruler["features"][:2], wanted_ruler["features"][:2], strict=True)
                ),
                "displacement": losses.displacement_error(change[:pairs, ..., :2], batch["flow"], batch["flow_weight"]),
                "mask": losses.mask_cross_entropy(change[:pairs, ..., 5:], batch["head"]),
                "own_age": ops.mean(losses.age_cross_entropy(own_years, known))
                - ops.mean(ops.sum(self.labels(known) * ops.log_softmax(own_groups), axis=-1)),
            }
            loss = sum(getattr(self.terms, name) * value for name, value in parts.items())
            return loss, result, parts

        (_, result, parts), gradients = value_and_gradients(generator_loss, self.generator.trainable_variables)
        gradients = [
            ops.zeros_like(v) if g is None else g
            for g, v in zip(gradients, self.generator.trainable_variables, strict=True)
        ]
        self.optimizer.apply(gradients, self.generator.trainable_variables)
        fake = ops.stop_gradient(result)
        parts["discriminator"], parts["r1"] = self._judge(real, real_label, fake, label)
        for average, variable in zip(self.average, self.generator.trainable_variables, strict=True):
            average.assign(self.decay * average + (1 - self.decay) * ops.cast(variable, "float32"))
        self.steps.assign_add(1)
        return parts

    def _enlarge(self, picture: Any) -> Any:
        """An output-size picture at the critic's 256 pixels."""
        factor = 256 // self.output_size
        return picture if factor == 1 else ops.repeat(ops.repeat(picture, factor, axis=1), factor, axis=2)

    def _judge(self, real: Any, real_label: Any, fake: Any, label: Any) -> tuple[Any, Any]:
        """One step of the discriminator; returns its loss and the R1 penalty (0 in the steps without one)."""

        def loss(with_r1: bool) -> tuple[Any, Any]:
            real_score, real_groups = self.discriminator(real, real_label)
            fake_score, _ = self.discriminator(fake, label)
            value = losses.discriminator_logistic(real_score, fake_score)
            value = value - 0.2 * ops.mean(ops.sum(real_label * ops.log_softmax(real_groups), axis=-1))
            penalty = ops.zeros(())
            if with_r1:
                penalty = losses.r1_penalty(lambda x: ops.mean(self.discriminator(x, real_label)[0], axis=-1), real)
                value = value + self.terms.r1 * R1_INTERVAL * penalty
            return value, penalty

        def update(with_r1: bool) -> tuple[Any, Any]:
            (value, penalty), gradients = value_and_gradients(
                lambda: loss(with_r1), self.discriminator.trainable_variables
            )
            return value, penalty, gradients

        variables = self.discriminator.trainable_variables
        value, penalty, *gradients = ops.cond(
            ops.equal(self.steps % R1_INTERVAL, 0),
            lambda: _flat(update(True)),
            lambda: _flat(update(False)),
        )
        self.discriminator_optimizer.apply(gradients, variables)
        return value, penalty

    def averaged(self) -> list[np.ndarray]:
        """The EMA of the generator's trainable variables, in their order."""
        return [ops.convert_to_numpy(average) for average in self.average]


def _flat(result: tuple[Any, Any, list[Any]]) -> tuple[Any, ...]:
    value, penalty, gradients = result
    return (value, penalty, *gradients)
