"""What an evaluation raises."""

from __future__ import annotations


class EvaluationError(ValueError):
    """An evaluation cannot be made. The message is one sentence."""
