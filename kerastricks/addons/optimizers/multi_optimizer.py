"""Keras' MultiOptimizer, told which layers belong to which optimizer."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Self

import keras


@keras.saving.register_keras_serializable(package="kerastricks.addons")
class MultiOptimizer(keras.optimizers.MultiOptimizer):
    """Trains each layer with an optimizer of its own (discriminative layer training).

    For transfer learning: small steps for layers that are trained already, large ones for new
    layers. It is `keras.optimizers.MultiOptimizer`, which wants a map from the paths of variables;
    here it is made from layers. They must be built. Weights of no layer in the list are not
    trained. The learning rate is the optimizers' own, so callbacks cannot change it: use
    schedules.

    Args:
        optimizers_and_layers: List of pairs of an optimizer and a layer, a model, or a list of
            layers.
        optimizer_specs: What configurations have instead: list of dictionaries of an `optimizer`
            and the paths of its `weights`.
        name: Name of the optimizer. Defaults to `"MultiOptimizer"`.
        **kwargs: Arguments of `keras.optimizers.MultiOptimizer`, such as `loss_scale_factor`.

    Raises:
        ValueError: If both or neither of `optimizers_and_layers` and `optimizer_specs` are given,
            a layer has no weights yet, or belongs to two optimizers.
        AttributeError: Where Keras has no `MultiOptimizer`.

    Example:
    >>> import keras
    >>> import kerastricks.addons as tfa
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(1)])
    >>> slow, fast = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-2)
    >>> optimizer = tfa.optimizers.MultiOptimizer(
    ...     [(slow, model.layers[0]), (fast, model.layers[1:])]
    ... )
    >>> model.compile(optimizer, "mse")

    Reference:
        Howard, Ruder (2018), Universal Language Model Fine-tuning for Text Classification,
        section 3.2.

    Differs from TensorFlow Addons in: a layer that is not built, whose weights were never trained
    without a word, and a layer with two optimizers, which made two steps, are refused; `optimizers`
    are listed, and `get_config()` has the `optimizer_specs`.
    """

    def __init__(
        self,
        optimizers_and_layers: Any = None,
        optimizer_specs: list[dict[str, Any]] | None = None,
        name: str = "MultiOptimizer",
        **kwargs: Any,
    ) -> None:
        if (optimizers_and_layers is None) == (optimizer_specs is None):
            raise ValueError(
                "Give either `optimizers_and_layers` or `optimizer_specs`. Received: "
                f"optimizers_and_layers={optimizers_and_layers}, optimizer_specs={optimizer_specs}."
            )
        if optimizer_specs is None:
            specs = [self.create_optimizer_spec(*pair) for pair in optimizers_and_layers]
        else:
            specs = [self.maybe_initialize_optimizer_spec(spec) for spec in optimizer_specs]
        owners: dict[str, Any] = {}
        for spec in specs:
            for path in spec["weights"]:
                if path in owners:
                    raise ValueError(f"The weights {path!r} belong to two optimizers.")
                owners[path] = spec["optimizer"]
        # What no optimizer is meant for goes to one that stands still.
        rest = keras.optimizers.SGD(0.0)
        owners = {pattern(path): optimizer for path, optimizer in owners.items()}
        super().__init__(keras.optimizers.OptimizerMap(rest, owners), name=name, **kwargs)
        # Out of sight of what saves files, which has the optimizers already.
        self._specs = SimpleNamespace(all=specs)

    @classmethod
    def create_optimizer_spec(cls, optimizer: Any, layers_or_model: Any) -> dict[str, Any]:
        """Returns a dictionary of an optimizer and the paths of the weights of layers."""
        layers = layers_or_model if isinstance(layers_or_model, list) else [layers_or_model]
        for layer in layers:
            if not layer.built:
                raise ValueError(
                    f"Layer {layer.name!r} has no weights yet: build the model before the "
                    "optimizer, for example with an `Input`."
                )
        return {"optimizer": optimizer, "weights": list(paths_of(layers))}

    @classmethod
    def maybe_initialize_optimizer_spec(cls, optimizer_spec: dict[str, Any]) -> dict[str, Any]:
        """Returns the same dictionary, with an optimizer where it has a configuration."""
        optimizer = optimizer_spec["optimizer"]
        if isinstance(optimizer, dict):
            optimizer = keras.optimizers.deserialize(optimizer)
        return {"optimizer": optimizer, "weights": optimizer_spec["weights"]}

    def get_config(self) -> dict[str, Any]:
        """Returns the name and the optimizers, each with the paths of its weights."""
        return {
            "name": self.name,
            "loss_scale_factor": self.loss_scale_factor,
            "optimizer_specs": [
                {**spec, "optimizer": keras.optimizers.serialize(spec["optimizer"])}
                for spec in self._specs.all
            ],
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Makes the optimizer from its configuration."""
        with keras.saving.custom_object_scope(custom_objects or {}):
            return cls(**config)


def paths_of(layers: list[Any]) -> Iterator[str]:
    """The paths of the layers' trainable weights, each once."""
    yield from dict.fromkeys(weight.path for layer in layers for weight in layer.trainable_weights)


def pattern(path: str) -> str:
    """A regular expression for a path, with or without the models at its beginning.

    Keras builds the layers of a model that it loads before the model has them: what was
    "model/dense/kernel" is "dense/kernel" then.
    """
    *models, layer, name = ["", *map(re.escape, path.split("/"))]
    outer = ""
    for model in filter(None, models):
        outer = f"(?:{outer}{model}/)?"
    return outer + "/".join(filter(None, (layer, name)))
