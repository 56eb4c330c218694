"""Training on photographs alone: adversarial game, age, cycle, identity, as AgeTransGAN and MTLFace are trained."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from agetrans import losses
from agetrans.groups import AgeGroups
from agetrans.models.discriminator import LEVELS, Discriminator
from agetrans.models.generator import Generator
from agetrans.training.autodiff import apply_mean, input_gradient, mean_gradients
from agetrans.training.painting import (
    Painted,
    has_styles,
    identity_map,
    noise_of,
    paint,
    style_and_picture,
)
from agetrans.training.trainer import Trainer, resized, to_floats
from agetrans.training.weights import Terms

R1_INTERVAL, PATH_INTERVAL = 16, 4
"""The R1 and the path length penalty are taken every so many steps, times that number (StyleGAN2)."""
PATH_DECAY = 0.01
"""How fast the running mean of path lengths follows."""
CRITIC_SIZE = 256


class PhotographTrainer(Trainer):
    """A generator and the CMP discriminator, trained on photographs of other people at every age.

    A batch is a dict of B photographs, see `agetrans.data.facebatches.FaceBatches`: `image` `(B, S, S, 3)` uint8,
    `years` `(B,)`, `label` and `target` `(B, groups)`, and noise where the generator or the path length takes it.

    Args:
        generator: The network that is trained.
        age_groups: Its groups.
        size: Side of the pictures S.
        terms: Weights of the losses; without them the defaults.
        decay: Of the averaged generator, per step.
        pieces: Parts of a batch that go one after the other, to save memory.
        levels: Sides of the features that the discriminator judges.
        critic: Age estimator, not trained; for the terms that need one.
        recogniser: Keras model from pictures of the generator's size in [-1, 1] to embeddings, not trained.
        dtype: Policy of the discriminator.

    Raises:
        ValueError: A term needs a network that is not given, or cannot be taken of this generator.
    """

    def __init__(
        self,
        generator: Generator,
        age_groups: AgeGroups,
        size: int,
        terms: Terms | None = None,
        decay: float = 0.999,
        pieces: int = 1,
        levels: tuple[int, ...] = LEVELS,
        critic: keras.Model | None = None,
        recogniser: keras.Model | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(dtype=dtype)
        terms = terms or Terms()
        for needed, given, name in (
            (terms.needs_critic, critic, "perceptual and critic_age need an age critic"),
            (terms.recogniser, recogniser, "recogniser needs a recogniser"),
            (terms.path_length, has_styles(generator) or None, "path_length needs AgeTransGAN"),
        ):
            if needed and given is None:
                raise ValueError(f"The loss {name}.")
        self.generator, self.age_groups, self.size = generator, age_groups, size
        self.terms, self.pieces = terms, pieces
        self.judged_size = max(64, 1 << (size - 1).bit_length())
        self.discriminator = Discriminator(self.judged_size, age_groups.count, levels, dtype=dtype)
        self.critic: Any = critic
        self.recogniser: Any = recogniser
        for network in (critic, recogniser):
            if network is not None:
                network.trainable = False
        self.centres = np.asarray(age_groups.centres, np.float32)
        self.phases = {"generator": 1}
        if terms.path_length:
            self.phases["path_length"] = PATH_INTERVAL
        if terms.adversarial or terms.age_class:
            self.phases["discriminator"] = 1
            if terms.r1:
                self.phases["r1"] = R1_INTERVAL
        self._track(decay)
        self.mean_path = self.add_weight(
            shape=(),
            dtype="float32",
            initializer="zeros",
            trainable=False,
            name="mean_path",
            aggregation="mean",
        )
        self.built = True

    def compile(
        self,
        learning_rate: Any = 2e-3,
        discriminator_rate: Any = 2e-3,
        beta_1: float = 0.0,
        jit_compile: bool = False,
    ) -> None:
        """Makes the optimisers: Adam without momentum for both, as StyleGAN2 has them.

        Args:
            learning_rate: Of the generator, a number or a Keras schedule.
            discriminator_rate: Of the discriminator.
            beta_1: Momentum of both; MTLFace has 0.5.
            jit_compile: Whether XLA compiles the step. On a CPU that takes twice the time: docs/training-log.md.
        """
        super().compile(
            optimizer=keras.optimizers.Adam(learning_rate, beta_1, 0.99, epsilon=1e-8),
            jit_compile=jit_compile,
        )
        self.discriminator_optimizer = keras.optimizers.Adam(discriminator_rate, beta_1, 0.99, epsilon=1e-8)
        self.optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of all phases that are due.

        Args:
            data: A batch, see the class; or a tuple or list of one, as `fit` passes it.

        Returns:
            Each term before its weight; the penalties times their interval in the steps that take them and 0 in the
            others, so that their mean over steps is theirs.
        """
        batch = data if isinstance(data, dict) else data[0]
        made: list[tuple[Any, ...]] = []
        results, gradients = mean_gradients(
            lambda piece: self._generator_loss(self._piece(batch, piece)),
            self.pieces,
            self.generator.trainable_variables,
        )
        for _, pictures, _ in results:
            made.append(tuple(ops.stop_gradient(picture) for picture in pictures))
        logs = _means([terms for *_, terms in results])
        if self.terms.path_length:
            (logs["path_length"], moved), extra = self._lazy(
                "path_length", batch, self._path_loss, 2, self.generator
            )
            gradients = [a + b for a, b in zip(gradients, extra, strict=True)]
            # Out here, because tf.distribute gathers what replicas assign, and does not in a branch of a graph.
            self.mean_path.assign_add(moved)
        self.improve_generator(gradients)

        if "discriminator" in self.phases:
            logs |= self._improve_discriminator(batch, made)
        self.steps.assign_add(1)
        return {name: ops.stop_gradient(value) for name, value in logs.items()}

    def _improve_discriminator(self, batch: dict[str, Any], made: list[tuple[Any, ...]]) -> dict[str, Any]:
        """One step of the discriminator, on what the generator made of each piece; returns its terms."""
        variables = self.discriminator.trainable_variables
        results, gradients = mean_gradients(
            lambda piece: self._discriminator_loss(self._piece(batch, piece), made[piece]),
            self.pieces,
            variables,
        )
        logs = _means([terms for _, terms in results])
        if self.terms.r1:
            (logs["r1"],), extra = self._lazy("r1", batch, self._r1_loss, 1, self.discriminator)
            gradients = [a + b for a, b in zip(gradients, extra, strict=True)]
        apply_mean(self.discriminator_optimizer, gradients, variables)
        return logs

    def _piece(self, batch: dict[str, Any], piece: int) -> dict[str, Any]:
        size = ops.shape(batch["image"])[0] // self.pieces
        part = {name: value[piece * size : (piece + 1) * size] for name, value in batch.items()}
        part["image"] = to_floats(part["image"])
        return part

    def _lazy(
        self, phase: str, batch: dict[str, Any], loss: Any, count: int, network: Any
    ) -> tuple[list[Any], list[Any]]:
        """A lazy phase: the `count` numbers that its loss gives beside itself, and its gradients.

        The numbers are means over the pieces of the batch. All is 0 where the phase is not due.
        """
        variables = network.trainable_variables

        def take() -> tuple[Any, ...]:
            results, gradients = mean_gradients(
                lambda piece: loss(self._piece(batch, piece)), self.pieces, variables
            )
            _, *numbers = (sum(values) / self.pieces for values in zip(*results, strict=True))
            return *numbers, *gradients

        def leave() -> tuple[Any, ...]:
            zeros = (ops.zeros(()) for _ in range(count))
            return *zeros, *(ops.zeros_like(variable) for variable in variables)

        taken = ops.cond(self.due(phase), take, leave)
        return list(taken[:count]), list(taken[count:])

    def _generator_loss(self, batch: dict[str, Any]) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        """The generator's loss, the pictures that it made, and the loss's terms."""
        weights, noise = self.terms, noise_of(batch, self.generator)
        image, label, target = batch["image"], batch["label"], batch["target"]
        with_identity = weights.reads_identity
        result = paint(self.generator, image, label, target, noise, with_identity=with_identity)
        back = None
        if weights.reconstructs:
            back = paint(self.generator, result.picture, target, label, noise, with_identity=with_identity)
        terms = self._judged(result, back, label, target)
        if back is not None:
            terms["cycle"] = losses.feature_error(back.picture, image)
            terms["gradient"] = losses.gradient_error(back.picture, image, ops.ones_like(image[..., :1]))
        terms["pixel"] = losses.squared_error(result.picture, image)
        terms |= self._identity_terms(result, back, batch)
        terms |= self._critic_terms(result, back, image, target)
        if result.own_age is not None and weights.own_age:
            years, groups = result.own_age
            terms["own_age"] = ops.mean(losses.age_cross_entropy(years, batch["years"]))
            terms["own_age"] += losses.group_cross_entropy(groups, label)
        terms = {name: value for name, value in terms.items() if getattr(weights, name)}
        loss = sum(getattr(weights, name) * value for name, value in terms.items())
        pictures = (result.picture,) if back is None else (result.picture, back.picture)
        return loss, pictures, terms

    def _judged(self, result: Painted, back: Painted | None, label: Any, target: Any) -> dict[str, Any]:
        """What the discriminator says of results and, at a share, of reconstructions."""
        weights = self.terms
        terms = {"adversarial": ops.zeros(()), "age_class": ops.zeros(())}
        if not (weights.adversarial or weights.age_class):
            return terms
        judged = [(1.0, result.picture, target)]
        if back is not None and weights.reconstructed:
            judged.append((weights.reconstructed, back.picture, label))
        game = losses.generator_least_squares if weights.least_squares else losses.generator_logistic
        for share, picture, wanted in judged:
            score, groups = self.discriminator(resized(picture, self.judged_size), wanted)
            terms["adversarial"] += share * game(score)
            terms["age_class"] += share * losses.group_cross_entropy(groups, wanted)
        return terms

    def _identity_terms(self, result: Painted, back: Painted | None, batch: dict[str, Any]) -> dict[str, Any]:
        weights, terms = self.terms, {}
        if weights.reads_identity:
            own = result.identity
            # The reconstruction's pass starts from the result, so it has shown the result's identity.
            other = (
                identity_map(self.generator, result.picture, batch["target"])
                if back is None
                else back.identity
            )
            terms["identity"] = losses.feature_error(own, other)
            terms["identity_squared"] = losses.squared_error(own, other)
            if weights.triplet and back is not None:
                positive = identity_map(self.generator, back.picture, batch["label"])
                terms["triplet"] = losses.triplet(own, positive, other, weights.margin)
        if weights.recogniser:
            embeddings = [
                self.recogniser(picture, training=False) for picture in (batch["image"], result.picture)
            ]
            terms["recogniser"] = losses.squared_error(*embeddings)
        return terms

    def _critic_terms(self, result: Painted, back: Painted | None, image: Any, target: Any) -> dict[str, Any]:
        weights, terms = self.terms, {}
        if weights.critic_age:
            reading = self.critic(resized(result.picture, CRITIC_SIZE), training=False)
            years = ops.matmul(target, self.centres[:, None])[:, 0]
            terms["critic_age"] = ops.mean(losses.age_cross_entropy(reading["logits"], years))
        if weights.perceptual and back is not None:
            seen = [
                self.critic(resized(picture, CRITIC_SIZE), training=False)["features"][:2]
                for picture in (back.picture, image)
            ]
            terms["perceptual"] = sum(losses.feature_error(a, b) for a, b in zip(*seen, strict=True))
        return terms

    def _discriminator_loss(self, batch: dict[str, Any], made: tuple[Any, ...]) -> tuple[Any, dict[str, Any]]:
        """The discriminator's loss on real pictures, results and reconstructions, and its terms."""
        weights = self.terms
        real, groups = self.discriminator(resized(batch["image"], self.judged_size), batch["label"])
        game = losses.discriminator_least_squares if weights.least_squares else losses.discriminator_logistic
        loss = ops.zeros(())
        shares = (1.0, weights.reconstructed)
        for share, picture, label in zip(shares, made, (batch["target"], batch["label"]), strict=False):
            if share:
                fake, _ = self.discriminator(resized(picture, self.judged_size), label)
                loss = loss + share * game(real, fake)
        real_class = losses.group_cross_entropy(groups, batch["label"])
        total = loss + weights.real_class * real_class
        return total, {"discriminator": loss, "real_class": real_class, "real_score": ops.mean(real)}

    def _r1_loss(self, batch: dict[str, Any]) -> tuple[Any, Any]:
        real, label = resized(batch["image"], self.judged_size), batch["label"]
        gradient = input_gradient(lambda x: ops.mean(self.discriminator(x, label)[0], axis=-1), real)
        penalty = R1_INTERVAL * losses.r1_penalty(gradient)
        return self.terms.r1 * penalty, penalty

    def _path_loss(self, batch: dict[str, Any]) -> tuple[Any, Any, Any]:
        """The loss, the penalty, and how far the running mean of path lengths moves."""
        identity, w = style_and_picture(self.generator, batch["image"], batch["target"])
        noise = batch["picture_noise"] / self.size

        def projected(style: Any) -> Any:
            picture = self.generator.synthesis(identity, style, noise_of(batch, self.generator))
            return ops.sum(picture * noise, axis=(1, 2, 3))

        lengths = losses.path_lengths(input_gradient(projected, w))
        moved = PATH_DECAY * (ops.mean(ops.stop_gradient(lengths)) - self.mean_path)
        penalty = PATH_INTERVAL * losses.path_length_penalty(lengths, self.mean_path + moved)
        return self.terms.path_length * penalty, penalty, moved


def _means(logs: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: sum(log[name] for log in logs) / len(logs) for name in logs[0]}
