"""Heads: embeddings from maps, and classification with a margin."""

from __future__ import annotations

import math
import random
from typing import Any

import keras
from keras import layers, ops

from agetrans.recognition.backbones import BuiltByCalling, batch_norm

_LEAST_SQUARE = 1e-12


def unit(x: Any) -> Any:
    """Vectors `(..., D)` at length 1, however short they were; zero stays zero."""
    x = ops.cast(x, "float32")
    largest = ops.maximum(ops.max(ops.abs(x), axis=-1, keepdims=True), 1e-37)
    x = x / ops.stop_gradient(largest)
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=-1, keepdims=True), _LEAST_SQUARE))


class EmbeddingHead(BuiltByCalling, layers.Layer):
    """BN, flatten, dropout, linear, BN: a map to an embedding that is not normalised.

    Args:
        features: Length of the embedding.
        dropout: Share of the map that training drops.
        learned_scale: Whether the last norm's scale learns; IEFP and MTLFace's package fix it at 1, but the authors'
            programs do not keep to that, so their checkpoints may have another.
    """

    def __init__(self, features: int, dropout: float = 0.0, learned_scale: bool = True) -> None:
        super().__init__()
        self.norm = batch_norm()
        # Without a seed PyTorch's global random numbers would be drawn, which no checkpoint keeps.
        self.drop = layers.Dropout(dropout, seed=random.randrange(2**31))
        if dropout:
            # Keras does not save the state of a layer's random numbers; as a weight it goes on where a run stopped.
            self.draws = self.drop.seed_generator.state
        self.linear = layers.Dense(features, kernel_initializer="he_normal")
        self.last_norm = batch_norm(learned_scale=learned_scale)

    def call(self, x: Any, training: bool = False) -> Any:
        x = self.drop(self.norm(x, training=training), training=training)
        x = ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3]))
        return self.last_norm(self.linear(x), training=training)


class MarginHead(layers.Layer):
    """Base of the margin heads: cosines between embeddings and one vector a person.

    Args:
        classes: Number of people.
        scale: Factor of the cosines (s).
        margin: What the right person's cosine or angle must have left (m).

    Call arguments:
        x: embeddings `(B, D)`, of any length.
        labels: `(B,)` int, 0 to classes - 1.

    Returns:
        Logits `(B, classes)` float32 for a softmax cross-entropy.
    """

    def __init__(self, classes: int, scale: float, margin: float) -> None:
        super().__init__()
        self.classes, self.scale, self.margin = classes, scale, margin

    def build(self, input_shape: Any, *_: Any) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.classes),
            initializer="glorot_uniform",
            autocast=False,
        )

    def cosines(self, x: Any) -> Any:
        """Cosines `(B, classes)` in [-1, 1]; what an accuracy is counted from, without the margin."""
        kernel = ops.transpose(unit(ops.transpose(self.kernel)))
        return ops.clip(ops.matmul(unit(x), kernel), -1.0, 1.0)

    def call(self, x: Any, labels: Any) -> Any:
        cosines = self.cosines(x)
        right = ops.one_hot(labels, self.classes, dtype="float32")
        return self.scale * ops.where(right > 0, self.with_margin(cosines), cosines)

    def with_margin(self, cosines: Any) -> Any:
        """The right person's cosines after the margin."""
        raise NotImplementedError


class CosFace(MarginHead):
    """CosFace (Wang et al., CVPR 2018, equation 4): cos - m."""

    def __init__(self, classes: int, scale: float = 64.0, margin: float = 0.35) -> None:
        super().__init__(classes, scale, margin)

    def with_margin(self, cosines: Any) -> Any:
        """Cosines minus the margin."""
        return cosines - self.margin


class ArcFace(MarginHead):
    """ArcFace (Deng et al., CVPR 2019, equation 3): cos(angle + m), and a falling line beyond pi - m."""

    def __init__(self, classes: int, scale: float = 64.0, margin: float = 0.5) -> None:
        super().__init__(classes, scale, margin)

    def with_margin(self, cosines: Any) -> Any:
        """Cosines of the widened angles; gradients stay finite at 1 and -1, which acos' do not."""
        sines = ops.sqrt(ops.maximum(1.0 - ops.square(cosines), _LEAST_SQUARE))
        wider = cosines * math.cos(self.margin) - sines * math.sin(self.margin)
        return ops.where(
            cosines > -math.cos(self.margin), wider, cosines - self.margin * math.sin(self.margin)
        )


HEADS = {"cosface": CosFace, "arcface": ArcFace}


def make_head(name: str, classes: int, scale: float, margin: float) -> MarginHead:
    """A margin head by its exact name.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in HEADS:
        raise ValueError(f"There is no head {name!r}: there are {' and '.join(HEADS)}.")
    return HEADS[name](classes, scale, margin)


def identity_loss(logits: Any, labels: Any) -> Any:
    """Mean softmax cross-entropy of margin logits."""
    return ops.mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))


def accuracy(cosines: Any, labels: Any) -> Any:
    """Share of embeddings whose own person is nearest, without any margin."""
    nearest = ops.cast(ops.argmax(cosines, axis=-1), "int32")
    return ops.mean(ops.cast(ops.equal(nearest, ops.cast(labels, "int32")), "float32"))
