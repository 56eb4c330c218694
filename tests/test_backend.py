"""Functions of tensors on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from agetrans.backend import on_arrays


def test_arrays_in_structures_of_arrays_out() -> None:
    def function(x: Any) -> Any:
        return {"twice": 2 * x, "parts": (ops.sum(x), x[:1])}

    run = on_arrays(function)
    for length in (3, 5):
        x = np.arange(length, dtype="f")
        result = run(x)
        assert isinstance(result["twice"], np.ndarray)
        np.testing.assert_array_equal(result["twice"], 2 * x)
        assert result["parts"][0] == x.sum()
