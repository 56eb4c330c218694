"""The learning rate's schedule, weight decay that loss scaling cannot lose, and SGD that rests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

_UNDECAYED = ("bias", "gamma", "beta")


@keras.saving.register_keras_serializable("agetrans")
class StepSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A straight rise, then a factor behind each milestone, and for MTLFace a least rate.

    Args:
        rate: After the rise.
        warmup: Steps of the rise: step n of them has `rate * n / warmup`; steps count from 1.
        milestones: Steps behind which the rate is multiplied.
        gamma: The factor.
        least: What milestones do not fall below; `rate` itself may.
    """

    def __init__(
        self,
        rate: float,
        warmup: int = 0,
        milestones: Sequence[float] = (),
        gamma: float = 0.1,
        least: float = 0.0,
    ) -> None:
        super().__init__()
        self.rate, self.warmup, self.milestones, self.gamma = rate, warmup, tuple(milestones), gamma
        self.least = least

    def __call__(self, step: Any) -> Any:
        """The rate of the step that follows `step` earlier ones."""
        number = ops.cast(step, "float32") + 1.0
        passed = sum((ops.cast(number > m, "float32") for m in self.milestones), ops.zeros(()))
        later = ops.maximum(self.rate * ops.power(self.gamma, passed), min(self.least, self.rate))
        if not self.warmup:
            return later
        return ops.where(number <= self.warmup, self.rate * number / self.warmup, later)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {
            "rate": self.rate,
            "warmup": self.warmup,
            "milestones": self.milestones,
            "gamma": self.gamma,
            "least": self.least,
        }


class RestingSGD(keras.optimizers.SGD):
    """SGD with momentum that leaves variables and momenta alone while it rests.

    A gradient of zero is no rest: the momentum would go on moving the variables.

    Args:
        rate: Learning rate or schedule.
        momentum: More than 0.
        working: Whether it works in this step: a boolean scalar.
    """

    def __init__(self, rate: Any, momentum: float, working: Callable[[], Any]) -> None:
        super().__init__(rate, momentum=momentum)
        self.working = working

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's update."""
        velocity = self.momentums[self._get_variable_index(variable)]
        on = ops.cast(self.working(), variable.dtype)
        step = ops.cast(learning_rate, variable.dtype) * ops.cast(gradient, variable.dtype)
        fresh = self.momentum * velocity - step
        self.assign(velocity, on * fresh + (1 - on) * velocity)
        self.assign_add(variable, on * fresh)


def decayed(gradients: Sequence[Any], variables: Sequence[Any], decay: float) -> list[Any]:
    """Gradients with `decay` times the weight added, for kernels, slopes and class matrices alone.

    Args:
        gradients: One a variable; None counts as zero.
        variables: Trainable variables.
        decay: Factor.
    """
    result = []
    for gradient, variable in zip(gradients, variables, strict=True):
        gradient = ops.zeros_like(variable) if gradient is None else gradient
        if decay and variable.name not in _UNDECAYED:
            gradient = gradient + decay * ops.cast(variable, gradient.dtype)
        result.append(gradient)
    return result


def clipped(gradients: Sequence[Any], largest: float) -> list[Any]:
    """Gradients scaled so that the norm of all together is at most `largest`; 0 leaves them as they are."""
    if not largest:
        return list(gradients)
    norm = ops.sqrt(sum(ops.sum(ops.square(ops.cast(gradient, "float32"))) for gradient in gradients))
    factor = ops.minimum(1.0, largest / ops.maximum(norm, 1e-12))
    return [ops.multiply(gradient, ops.cast(factor, gradient.dtype)) for gradient in gradients]
