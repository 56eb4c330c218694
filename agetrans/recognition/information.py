"""An upper bound on mutual information, sampled: what an identity embedding says of an age embedding."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from agetrans.recognition.backbones import BuiltByCalling, batch_norm


class _Network(BuiltByCalling, layers.Layer):
    """BN, linear, ReLU, BN, linear."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.norms = [batch_norm(), batch_norm()]
        self.linears = [layers.Dense(features, kernel_initializer=_normal()) for _ in range(2)]

    def call(self, x: Any, training: bool = False) -> Any:
        x = ops.relu(self.linears[0](self.norms[0](x, training=training)))
        return self.linears[1](self.norms[1](x, training=training))


class SampledBound(keras.Model):
    """CLUB, sampled (Cheng et al., ICML 2020, section 3.3), as IEFP has it: q(identity | age) is a normal distribution.

    Args:
        features: Length of both embeddings.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.mean, self.log_variance = _Network(features), _Network(features)

    def build_all(self) -> None:
        """Makes all variables."""
        zeros = ops.zeros((2, self.features))
        self.likelihood(zeros, zeros)
        self.built = True

    def _normal_of(self, age: Any, training: bool) -> tuple[Any, Any]:
        """Mean and log variance, float32; the latter in [-1, 1]."""
        mean, log_variance = (
            ops.cast(network(age, training=training), "float32") for network in (self.mean, self.log_variance)
        )
        return mean, ops.tanh(log_variance)

    def likelihood(self, age: Any, identity: Any, training: bool = False) -> Any:
        """Mean log-likelihood of identities `(B, D)` given ages `(B, D)`, without its constants."""
        mean, log_variance = self._normal_of(age, training)
        identity = ops.cast(identity, "float32")
        terms = -ops.square(mean - identity) / ops.exp(log_variance) - log_variance
        return ops.mean(ops.sum(terms, axis=-1))

    def bound(self, age: Any, identity: Any, step: Any) -> Any:
        """The sampled upper bound; every other identity of the batch is met in turn, none its own.

        Args:
            age: `(B, D)`.
            identity: `(B, D)`.
            step: Number of the step, which chooses the others; the same number gives the same bound.
        """
        mean, log_variance = self._normal_of(age, False)
        identity = ops.cast(identity, "float32")
        count = ops.shape(identity)[0]
        places = (ops.arange(count) + 1 + ops.cast(step, "int32") % ops.maximum(count - 1, 1)) % count
        others = ops.take(identity, places, axis=0)
        variance = ops.exp(log_variance)
        terms = ops.square(mean - others) / variance - ops.square(mean - identity) / variance
        return ops.mean(ops.sum(terms, axis=-1)) / 2.0


def _normal() -> Any:
    return keras.initializers.RandomNormal(stddev=0.01)
