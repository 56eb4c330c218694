"""Names of a model's weights that do not depend on what else a process has built."""

from __future__ import annotations

from typing import Any


def named_variables(model: Any) -> dict[str, Any]:
    """Every variable under the attributes that lead to it, such as "encoder/downs/0/kernel".

    Keras' own variable paths count the layers made so far in a process; these do not.

    Raises:
        ValueError: Two would be called the same.
    """
    import keras

    named: dict[str, Any] = {}
    seen: set[int] = set()

    def add(variable: Any, path: str) -> None:
        if path in named:
            raise ValueError(f"Two weights of {type(model).__name__} would be called {path}: rename one.")
        named[path] = variable

    def visit(value: Any, path: str) -> None:
        if isinstance(value, (keras.Variable, keras.layers.Layer)):
            if id(value) in seen:
                return
            seen.add(id(value))
        if isinstance(value, keras.Variable):
            add(value, path)
        elif isinstance(value, keras.layers.Layer):
            prefix = f"{path}/" if path else ""
            # Under PyTorch a layer is a torch module, which keeps the layers among its attributes apart.
            for name, attribute in {**vars(value), **getattr(value, "_modules", {})}.items():
                if not name.startswith("_"):
                    visit(attribute, prefix + name)
            for variable in value.weights:  # those that are its own and in no attribute
                visit(variable, prefix + variable.name)
        elif isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                visit(item, f"{path}/{index}")
        elif isinstance(value, dict):
            for key, item in value.items():
                visit(item, f"{path}/{key}")

    visit(model, "")
    return named
