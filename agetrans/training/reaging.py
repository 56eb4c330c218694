"""Training of `AgeTrans` on synthetic families and photographs, as a Keras model with its own `train_step`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from agetrans import losses
from agetrans.data.batches import SIZE
from agetrans.groups import AgeGroups
from agetrans.models.agetrans import AgeTrans
from agetrans.models.discriminator import Discriminator
from agetrans.training.autodiff import apply_mean, input_gradient, mean_gradients, value_and_gradients
from agetrans.training.trainer import Trainer, resized, to_floats
from agetrans.training.weights import Weights

R1_INTERVAL = 16
"""The R1 penalty is taken every so many steps, times that number (lazy regularisation, StyleGAN2)."""
HEAD_WEIGHT = 3.0
"""Weight of the pixels inside the head, over that of those outside."""
STAYING_WEIGHT = 0.1
"""Weight of the pixels of a photograph that is asked for its own age. With 2, a batch with one photograph taught the
generator to change nothing: docs/training-log.md."""
SAME_AGE = 0.5
"""Years within which a photograph is asked for its own age."""
REAL_GROUP_WEIGHT = 0.2
"""Weight of the discriminator's age classifier on real pictures."""


class ReAging(Trainer):
    """Generator and discriminator, trained together.

    A batch is a dict of S synthetic pairs and P photographs, RGB, of any side C that the generator's size and the
    output size divide:
        `source`, `target` `(S, C, C, 3)` uint8: the pair; the target is the source outside the head.
        `years`, `source_years` `(S,)`: ages of target and source.
        `head` `(S, 64, 64, 1)` in [0, 1]: the soft region that may change.
        `flow`, `flow_weight` `(S, 32, 32, 2)` and `(S, 32, 32, 1)`: displacement of the landmarks in fractions of the
            width, and where it is known.
        `photo` `(P, C, C, 3)` uint8, `photo_years` `(P,)` as labelled, `photo_target` `(P,)` as wanted.

    Args:
        generator: The network that is trained.
        age_groups: Groups of the generator.
        output_size: Side at which pictures are compared, a power of two from 64 to 256: the core size, or half of it
            for the first phase, which leaves the generator's finest details untrained and makes every loss four times
            as cheap.
        weights: Weights of the losses; without them the defaults.
        ema_half_life: Half-life of the averaged generator, in steps.
        dtype: Policy of the discriminator.
    """

    def __init__(
        self,
        generator: AgeTrans,
        age_groups: AgeGroups,
        output_size: int = 256,
        weights: Weights | None = None,
        ema_half_life: float = 100.0,
        dtype: str | None = None,
    ) -> None:
        super().__init__(dtype=dtype)
        if generator.size % output_size or SIZE % output_size:
            raise ValueError(
                f"The output size must divide {SIZE} and the generator's {generator.size} pixels. "
                f"Received: output_size={output_size}"
            )
        self.generator = generator
        self.discriminator = Discriminator(output_size, age_groups.count, paired=True, dtype=dtype)
        self.centres = np.array(age_groups.centres, np.float32)
        self.output_size = output_size
        self.terms = weights or Weights()
        self.phases = {"generator": 1}
        if self.terms.adversarial:
            self.phases["discriminator"] = 1
            if self.terms.r1:
                self.phases["r1"] = R1_INTERVAL
        self._track(float(0.5 ** (1 / ema_half_life)))
        self.built = True

    def compile(self, learning_rate: Any = 4e-3, discriminator_rate: float = 3e-3) -> None:
        """Makes the optimisers: Adam with the momentum and memory that suit each network.

        Args:
            learning_rate: Of the generator, a number or a Keras schedule.
            discriminator_rate: Of the discriminator.
        """
        # On a CPU, XLA takes twice the time: docs/training-log.md.
        super().compile(
            optimizer=keras.optimizers.Adam(learning_rate, beta_1=0.9, beta_2=0.99, epsilon=1e-8),
            jit_compile=False,
        )
        self.discriminator_optimizer = keras.optimizers.Adam(
            discriminator_rate, beta_1=0.5, beta_2=0.99, epsilon=1e-8
        )
        self.optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def labels(self, years: Any) -> Any:
        """`AgeGroups.soft_label` on tensors: labels `(B, groups)` of ages `(B,)`."""
        years = ops.expand_dims(ops.cast(years, "float32"), -1)
        low, high = self.centres[:-1], self.centres[1:]
        share = ops.clip((years - low) / (high - low), 0.0, 1.0)
        ones = ops.ones_like(share[:, :1])
        reached = ops.concatenate([ones, share], axis=-1)
        return reached - ops.concatenate([share, 0.0 * ones], axis=-1)

    def shrink(self, picture: Any) -> Any:
        """A picture or a change at the output size, averaged."""
        return resized(picture, self.output_size)

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of the generator, the discriminator and the averaged generator.

        Args:
            data: A batch, see the class; or a tuple or list of one, as `fit` passes it.

        Returns:
            Each term of the generator's loss before its weight, the discriminator's loss, and `r1`, the penalty times
            its interval in the steps that take it and 0 in the others: its mean over steps is the penalty's.
        """
        batch = data if isinstance(data, dict) else data[0]
        pairs = ops.shape(batch["source"])[0]
        image = to_floats(ops.concatenate([batch["source"], batch["photo"]], axis=0))
        label = self.labels(ops.concatenate([batch["years"], batch["photo_target"]], axis=0))
        small, target = self.shrink(image), self.shrink(to_floats(batch["target"]))

        ((_, result, logs),), gradients = mean_gradients(
            lambda _: self._generator_loss(batch, image, small, label, target),
            1,
            self.generator.trainable_variables,
        )
        self.improve_generator(gradients)

        if self.terms.adversarial:
            logs["discriminator"], logs["r1"] = self._improve_discriminator(
                small[:pairs], target, ops.stop_gradient(result[:pairs]), label[:pairs]
            )
        self.steps.assign_add(1)
        return {name: ops.stop_gradient(value) for name, value in logs.items()}

    def _generator_loss(
        self, batch: dict[str, Any], image: Any, small: Any, label: Any, target: Any
    ) -> tuple[Any, Any, dict[str, Any]]:
        """The generator's loss, what it made `(S + P, output size, output size, 3)`, and the loss's terms."""
        pairs = ops.shape(target)[0]
        known = ops.concatenate([batch["source_years"], batch["photo_years"]], axis=0)

        core = resized(image, self.generator.size)
        codes, (own_years, own_groups) = self.generator.encode_and_read_age(core)
        change = self.shrink(self.generator.decode(codes, label))
        # The mask learns the head and nothing else: left to the other losses it hedges, and the old face shows through.
        decided = ops.concatenate([change[..., :5], ops.stop_gradient(change[..., 5:])], axis=-1)
        result = self.generator.compose(small, decided)
        made, kept = result[:pairs], result[pairs:]
        head = ops.image.resize(batch["head"], (self.output_size,) * 2, data_format="channels_last")
        weight = 1.0 + (HEAD_WEIGHT - 1.0) * head
        # A photograph asked for its own age must stay as it is; the others have no target.
        stays = ops.abs(batch["photo_years"] - batch["photo_target"]) < SAME_AGE
        stays = ops.broadcast_to(ops.cast(stays, "float32")[:, None, None, None], ops.shape(kept[..., :1]))
        terms = {
            "pixel": losses.weighted_error(made, target, weight)
            + losses.weighted_error(kept, small[pairs:], STAYING_WEIGHT * stays),
            "gradient": losses.gradient_error(made, target, weight),
            "displacement": losses.displacement_error(
                change[:pairs, ..., :2], batch["flow"], batch["flow_weight"]
            ),
            "mask": losses.mask_cross_entropy(change[:pairs, ..., 5:], batch["head"]),
            "own_age": ops.mean(losses.age_cross_entropy(own_years, known))
            + losses.group_cross_entropy(own_groups, self.labels(known)),
        }
        if self.terms.adversarial:
            terms |= self._judged(made, target, small[:pairs], label[:pairs])
        loss = sum(getattr(self.terms, name) * value for name, value in terms.items())
        return loss, result, terms

    def _judged(self, made: Any, target: Any, source: Any, label: Any) -> dict[str, Any]:
        """What the discriminator says of results, and how far its features of them are from those of the targets."""
        features = self.discriminator.features(made, source)
        wanted = self.discriminator.features(target, source)
        score, group_logits = self.discriminator.judge(features, label)
        return {
            "adversarial": losses.generator_logistic(score),
            "age_class": losses.group_cross_entropy(group_logits, label),
            "features": sum(losses.feature_error(a, b) for a, b in zip(features, wanted, strict=True)),
        }

    def _improve_discriminator(self, source: Any, real: Any, fake: Any, label: Any) -> tuple[Any, Any]:
        """One step of the discriminator; returns its loss, and the R1 penalty as `train_step` does."""
        variables = self.discriminator.trainable_variables

        def differentiate(with_r1: bool) -> tuple[Any, ...]:
            (loss, r1), gradients = value_and_gradients(
                lambda: self._discriminator_loss(source, real, fake, label, with_r1=with_r1), variables
            )
            return loss, r1, *gradients

        if "r1" in self.phases:
            loss, r1, *gradients = ops.cond(
                self.due("r1"), lambda: differentiate(True), lambda: differentiate(False)
            )
        else:
            loss, r1, *gradients = differentiate(False)
        apply_mean(self.discriminator_optimizer, gradients, variables)
        return loss, r1

    def _discriminator_loss(
        self, source: Any, real: Any, fake: Any, label: Any, *, with_r1: bool
    ) -> tuple[Any, Any]:
        real_score, real_groups = self.discriminator(real, label, source)
        fake_score, _ = self.discriminator(fake, label, source)
        loss = losses.discriminator_logistic(real_score, fake_score)
        loss = loss + REAL_GROUP_WEIGHT * losses.group_cross_entropy(real_groups, label)
        if not with_r1:
            return loss, ops.zeros(())
        gradient = input_gradient(lambda x: ops.mean(self.discriminator(x, label, source)[0], axis=-1), real)
        r1 = R1_INTERVAL * losses.r1_penalty(gradient)
        return loss + self.terms.r1 * r1, r1
