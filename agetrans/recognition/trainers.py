"""The four methods as Keras models whose `train_step` improves a recogniser."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from agetrans.recognition.ages import CUTS, AgeHead, age_group, age_loss, group_loss, reverse_gradient
from agetrans.recognition.encoders import (
    BaselineEncoder,
    DALEncoder,
    FaceEncoder,
    IEFPEncoder,
    MTLFaceEncoder,
)
from agetrans.recognition.heads import accuracy, identity_loss, make_head
from agetrans.recognition.information import SampledBound
from agetrans.recognition.optimisers import RestingSGD, StepSchedule, clipped, decayed
from agetrans.recognition.settings import RecognitionSettings
from agetrans.recognition.synthesis import PatchDiscriminator, make_face_synthesis
from agetrans.training.autodiff import apply_mean, value_and_gradients
from agetrans.training.trainer import Trainer, to_floats

MAXIMISING, CYCLE = 20, 70
"""DAL: of every 70 steps, counted over the whole run, the first 20 look for the correlation."""
LIKELIHOOD_WEIGHT = 0.1


class RecognitionTrainer(Trainer):
    """Base: a recogniser, a margin head, SGD with the schedule. Itself it trains the baseline.

    Args:
        encoder: The recogniser; as `Trainer.generator` it is what checkpoints keep.
        settings: The run.
        classes: Number of people.
        pictures: Number of pictures, for schedules in epochs.

    A batch is a dict of `image` `(B, H, W, 3)` uint8, `identity` `(B,)` int32, and, where ages are used, `years`
    `(B,)` float32.
    """

    def __init__(
        self, encoder: FaceEncoder, settings: RecognitionSettings, classes: int, pictures: int
    ) -> None:
        super().__init__()
        self.generator = encoder
        self.settings = settings
        self.cuts = CUTS[settings.groups]
        self.phases = {"recognition": 1}
        self.margin_head = make_head(settings.head, classes, settings.scale, settings.margin)
        self.margin_head.build((None, encoder.features))
        self.rate = StepSchedule(
            settings.learning_rate,
            settings.warmup,
            settings.milestone_steps(pictures),
            settings.gamma,
            settings.least_rate,
        )
        self._track(0.0)
        self._prepare()
        self.built = True
        optimizer = self._main_optimizer()
        self.compile(optimizer=optimizer, jit_compile=settings.jit_compile)
        self.optimizer.build(self.main_variables())

    def _prepare(self) -> None:
        """Makes what a method has beside the recogniser and the margin head."""

    def _main_optimizer(self) -> keras.optimizers.Optimizer:
        return keras.optimizers.SGD(self.rate, momentum=self.settings.momentum)

    def main_variables(self) -> list[Any]:
        """What the main optimiser moves."""
        return [*self.generator.trainable_variables, *self.margin_head.trainable_variables]

    def improve(self, gradients: list[Any]) -> None:
        """Decay, clipping, a step of the main optimiser, and the copy that is saved."""
        variables = self.main_variables()
        gradients = clipped(decayed(gradients, variables, self.settings.weight_decay), self.settings.clip)
        apply_mean(self.optimizer, gradients, variables)
        for average, variable in zip(self.average, self.generator.trainable_variables, strict=True):
            average.assign(ops.cast(variable, "float32"))

    def objective(self, batch: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The loss of a batch in training mode, and its terms."""
        return self.identity_terms(self.generator(batch["image"], training=True), batch)

    def identity_terms(self, embedding: Any, batch: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The margin loss, and the accuracy that is counted without the margin."""
        loss = identity_loss(self.margin_head(embedding, batch["identity"]), batch["identity"])
        right = accuracy(self.margin_head.cosines(embedding), batch["identity"])
        return loss, {"identity": loss, "accuracy": right}

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step on a batch, see the class; a tuple or list of one is taken too, as `fit` passes it."""
        batch = dict(data if isinstance(data, dict) else data[0])
        batch["image"] = to_floats(batch["image"])
        logs = self.step(batch)
        self.steps.assign_add(1)
        return {name: ops.stop_gradient(value) for name, value in logs.items()}

    def step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """What a method does with a batch."""
        (_, terms), gradients = value_and_gradients(lambda: self.objective(batch), self.main_variables())
        self.improve(gradients)
        return terms


class MTLFaceTrainer(RecognitionTrainer):
    """MTLFace (Huang, Zhang and Shan, CVPR 2021): recognition, synthesis, or both with the same encoder.

    Recognition: margin loss + age loss on the age part + age loss behind a gradient reversal on the identity part.
    Synthesis: the encoder and its age head stay as they are, weights and batch statistics; a batch then also has
    `target_image` `(B, H, W, 3)` uint8, faces of other people in the wanted groups, and `target_group` `(B,)` int32.
    Beside the authors' two terms the discriminator sees real faces under a wrong label, so that it reads the label.
    """

    generator: MTLFaceEncoder

    def _prepare(self) -> None:
        settings = self.settings
        zeros = ops.zeros((1, *settings.size, 3))
        self.domain_head = AgeHead(settings.groups, settings.features)
        self.domain_head(self.generator.parts(zeros)[0])
        if not settings.synthesise:
            return
        self.synthesis = make_face_synthesis(settings.size, settings.width, settings.groups)
        self.discriminator = PatchDiscriminator(settings.width)
        self.discriminator(zeros, ops.zeros((1, settings.groups)))
        self.synthesis_optimizer, self.discriminator_optimizer = (
            keras.optimizers.Adam(settings.synthesis_rate, beta_1=0.5, beta_2=0.99) for _ in range(2)
        )
        self.synthesis_optimizer.build(self.synthesis.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def main_variables(self) -> list[Any]:
        return [*super().main_variables(), *self.domain_head.trainable_variables]

    def objective(self, batch: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        identity, age, _ = self.generator.parts(batch["image"], training=True)
        loss, terms = self.identity_terms(self.generator.head(identity, training=True), batch)
        terms["age"] = age_loss(self.generator.age_head(age, training=True), batch["years"], self.cuts)
        reversed_age = self.domain_head(reverse_gradient(identity), training=True)
        terms["age_in_identity"] = age_loss(reversed_age, batch["years"], self.cuts)
        loss = loss + self.settings.age_weight * terms["age"]
        return loss + self.settings.disentangling_weight * terms["age_in_identity"], terms

    def step(self, batch: dict[str, Any]) -> dict[str, Any]:
        logs = super().step(batch) if self.settings.recognise else {}
        return logs | self.synthesise(batch) if self.settings.synthesise else logs

    def synthesise(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A step of the generator, then one of the discriminator, on the very pictures that the generator made.

        One pass of the generator a batch: its batch statistics move once, and both see it as it is in training.
        """
        settings = self.settings
        target = batch["target_group"]
        label = ops.one_hot(target, settings.groups, dtype="float32")
        wrong = ops.one_hot((target + 1) % settings.groups, settings.groups, dtype="float32")
        real = to_floats(batch["target_image"])
        identity, _, maps = self.generator.parts(batch["image"], training=False)
        identity, maps = ops.stop_gradient(identity), [ops.stop_gradient(m) for m in maps]

        def scores(picture: Any, label: Any, training: bool = False) -> Any:
            return ops.cast(self.discriminator(picture, label, training=training), "float32")

        def deceive() -> tuple[Any, dict[str, Any], Any]:
            picture = self.synthesis(batch["image"], identity, maps, label, training=True)
            kept, age, _ = self.generator.parts(picture, training=False)
            terms = {
                "synthesis_gan": 0.5 * ops.mean(ops.square(scores(picture, label) - 1.0)),
                "synthesis_identity": ops.mean(ops.square(ops.cast(kept - identity, "float32"))),
                "synthesis_age": group_loss(self.generator.age_head(age, training=False)[1], target),
            }
            loss = settings.gan_weight * terms["synthesis_gan"]
            loss += settings.fas_identity_weight * terms["synthesis_identity"]
            return loss + settings.fas_age_weight * terms["synthesis_age"], terms, picture

        (_, terms, made), gradients = value_and_gradients(deceive, self.synthesis.trainable_variables)
        made = ops.stop_gradient(made)

        def judge() -> Any:
            right = ops.mean(ops.square(scores(real, label, training=True) - 1.0))
            fake = ops.mean(ops.square(scores(made, label)))
            mislabelled = ops.mean(ops.square(scores(real, wrong)))
            return 0.5 * (right + 0.5 * (fake + mislabelled))

        critic, critic_gradients = value_and_gradients(judge, self.discriminator.trainable_variables)
        for network, optimizer, found in (
            (self.synthesis, self.synthesis_optimizer, gradients),
            (self.discriminator, self.discriminator_optimizer, critic_gradients),
        ):
            variables = network.trainable_variables
            apply_mean(optimizer, decayed(found, variables, 0.0), variables)
        return {**terms, "synthesis_critic": critic}


class DALTrainer(RecognitionTrainer):
    """DAL (Wang et al., CVPR 2019): 20 steps look for the correlation of age and identity, 50 lessen it.

    While the two canonical vectors learn, everything else rests, batch statistics included; and the other way.
    """

    generator: DALEncoder

    def _prepare(self) -> None:
        settings = self.settings
        hidden = [layers.Dense(settings.features, activation="relu") for _ in range(2)]
        self.age_classifier = keras.Sequential([*hidden, layers.Dense(settings.groups)])
        self.age_classifier.build((None, settings.features))
        self.vectors = [
            self.add_weight(shape=(settings.features,), initializer=_canonical(seed), name=f"canonical{seed}")
            for seed in range(2)
        ]
        self.vectors_optimizer = RestingSGD(self.rate, settings.momentum, self.maximising)
        self.vectors_optimizer.build(self.vectors)

    def _main_optimizer(self) -> keras.optimizers.Optimizer:
        return RestingSGD(self.rate, self.settings.momentum, lambda: ops.logical_not(self.maximising()))

    def maximising(self) -> Any:
        """Whether this step looks for the correlation: by the steps of the whole run, not of an epoch."""
        return self.steps % CYCLE < MAXIMISING

    def main_variables(self) -> list[Any]:
        return [*super().main_variables(), *self.age_classifier.trainable_variables]

    def correlation(self, identity: Any, age: Any) -> Any:
        """The squared correlation of the two parts, each seen along its canonical vector."""
        age_vector, identity_vector = self.vectors
        return squared_correlation(
            ops.sum(ops.cast(age, "float32") * age_vector, axis=-1),
            ops.sum(ops.cast(identity, "float32") * identity_vector, axis=-1),
        )

    def objective(self, batch: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        identity, age = self.generator.factors(batch["image"], training=True)
        loss, terms = self.identity_terms(identity, batch)
        terms["age"] = group_loss(self.age_classifier(age), age_group(batch["years"], self.cuts))
        terms["correlation"] = self.correlation(identity, age)
        loss = loss + self.settings.age_weight * terms["age"]
        return loss + self.settings.disentangling_weight * terms["correlation"], terms

    def step(self, batch: dict[str, Any]) -> dict[str, Any]:
        variables = self.main_variables()

        def minimise() -> tuple[Any, ...]:
            (_, terms), gradients = value_and_gradients(lambda: self.objective(batch), variables)
            gradients = decayed(gradients, variables, 0.0)
            return (*terms.values(), *gradients, *(ops.zeros_like(vector) for vector in self.vectors))

        def maximise() -> tuple[Any, ...]:
            identity, age = self.generator.factors(batch["image"], training=False)
            identity, age = ops.stop_gradient(identity), ops.stop_gradient(age)
            _, terms = self.identity_terms(identity, batch)
            terms["age"] = group_loss(self.age_classifier(age), age_group(batch["years"], self.cuts))

            def climb() -> tuple[Any, Any]:
                correlation = self.correlation(identity, age)
                return -self.settings.disentangling_weight * correlation, correlation

            (_, terms["correlation"]), gradients = value_and_gradients(climb, self.vectors)
            return (*terms.values(), *(ops.zeros_like(v) for v in variables), *gradients)

        results = ops.cond(self.maximising(), maximise, minimise)
        names = ("identity", "accuracy", "age", "correlation")
        self.improve(list(results[len(names) : -2]))
        apply_mean(self.vectors_optimizer, list(results[-2:]), self.vectors)
        return dict(zip(names, results[: len(names)], strict=True))


class AgeBranchTrainer(RecognitionTrainer):
    """IEFP's age branch, before IEFP itself: a network of the same kind that tells age groups."""

    generator: IEFPEncoder

    def _prepare(self) -> None:
        self.age_layer = layers.Dense(self.settings.groups)
        self.age_layer.build((None, self.settings.features))

    def main_variables(self) -> list[Any]:
        return [*self.generator.trainable_variables, *self.age_layer.trainable_variables]

    def objective(self, batch: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        logits = self.age_layer(self.generator(batch["image"], training=True))
        groups = age_group(batch["years"], self.cuts)
        loss = group_loss(logits, groups)
        return self.settings.age_weight * loss, {"age": loss, "age_accuracy": accuracy(logits, groups)}


class IEFPTrainer(RecognitionTrainer):
    """IEFP (Xie, Pun and Lam, TIFS 2022): purification, and a bound on what the identity says of the age.

    The age branch is frozen, weights and batch statistics. One pass of the identity branch a batch: first its own step,
    with the bound's estimator frozen likewise; then the estimator learns from the same embeddings.
    """

    generator: IEFPEncoder

    def _prepare(self) -> None:
        settings = self.settings
        self.age_branch = make_encoder(settings)
        self.age_branch.trainable = False
        self.estimator = SampledBound(settings.features)
        self.estimator.build_all()
        self.estimator_optimizer = keras.optimizers.SGD(self.rate, momentum=settings.momentum)
        self.estimator_optimizer.build(self.estimator.trainable_variables)

    def step(self, batch: dict[str, Any]) -> dict[str, Any]:
        settings = self.settings
        age = ops.stop_gradient(self.age_branch(batch["image"], training=False))

        def purify() -> tuple[Any, dict[str, Any], Any]:
            identity = self.generator(batch["image"], training=True)
            loss, terms = self.identity_terms(identity, batch)
            terms["bound"] = self.estimator.bound(age, identity, self.steps)
            return loss + settings.disentangling_weight * terms["bound"], terms, identity

        (_, terms, identity), gradients = value_and_gradients(purify, self.main_variables())
        self.improve(gradients)
        identity = ops.stop_gradient(identity)

        def fit() -> Any:
            return -LIKELIHOOD_WEIGHT * self.estimator.likelihood(age, identity, training=True)

        value, gradients = value_and_gradients(fit, self.estimator.trainable_variables)
        variables = self.estimator.trainable_variables
        gradients = clipped(decayed(gradients, variables, settings.weight_decay), settings.clip)
        apply_mean(self.estimator_optimizer, gradients, variables)
        return {**terms, "likelihood": value / -LIKELIHOOD_WEIGHT}


def squared_correlation(a: Any, b: Any) -> Any:
    """Squared correlation of two `(B,)`, in [0, 1], whatever their scale; 0 where one is constant."""
    a, b = (ops.subtract(x, ops.mean(x)) for x in (a, b))
    a, b = (x / ops.stop_gradient(ops.maximum(ops.max(ops.abs(x)), 1e-30)) for x in (a, b))
    covariance = ops.mean(a * b)
    return ops.square(covariance) / ops.maximum(ops.mean(a * a) * ops.mean(b * b), 1e-12)


def _canonical(seed: int) -> Any:
    return keras.initializers.RandomNormal(stddev=0.05, seed=seed)


TRAINERS: dict[str, type[RecognitionTrainer]] = {
    "baseline": RecognitionTrainer,
    "mtlface": MTLFaceTrainer,
    "dal": DALTrainer,
    "iefp-age": AgeBranchTrainer,
    "iefp": IEFPTrainer,
}


def make_encoder(settings: RecognitionSettings) -> Any:
    """The recogniser of a method, with random weights."""
    common = (settings.backbone, settings.size, settings.width, settings.features)
    if settings.method == "mtlface":
        return MTLFaceEncoder(*common, settings.groups, settings.package)
    if settings.method in ("iefp", "iefp-age"):
        return IEFPEncoder(*common, settings.purification)
    return {"baseline": BaselineEncoder, "dal": DALEncoder}[settings.method](*common)


def make_trainer(settings: RecognitionSettings, classes: int, pictures: int) -> Any:
    """The trainer of a method, with a new recogniser."""
    return TRAINERS[settings.method](make_encoder(settings), settings, classes, pictures)
