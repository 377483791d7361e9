"""Which layer is called on the output of which, all through a model."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import keras

from kerastricks.surgery._layers_of import every_layer, is_graph, parts_of


class Wiring:
    """Who feeds whom in a model and in the models nested in it.

    Attributes:
        feeds: From the `id` of a layer to what it is called on: one list of layers for each call.
            None stands for an operation that is no layer, or for the input of a nested model.
        followers: From the `id` of a layer to the layers that are called on its output. None
            stands for an operation that is no layer, or for the output of a model.
        owners: From the `id` of a layer to the layers and models that are no graph and hold it.
            Only their `call` knows what they do with it, or with its weights.
        in_training: The `id` of each layer that is told, by itself or by a model around it, to
            run in training mode at inference, too.
    """

    def __init__(self, model: keras.Model) -> None:
        self.feeds: dict[int, list[list[keras.Layer | None]]] = defaultdict(list)
        self.followers: dict[int, list[keras.Layer | None]] = defaultdict(list)
        self.owners: dict[int, list[keras.Layer]] = defaultdict(list)
        self.in_training: set[int] = set()
        for part in [model, *every_layer(model)]:
            if isinstance(part, keras.Sequential):
                layers = [None, *parts_of(part).values(), None]
                for giver, taker in pairwise(layers):
                    self._connect([giver], taker)
            elif is_graph(part):
                self._read_graph(part)
            else:
                for held in {id(held) for held in parts_of(part).values()}:
                    self.owners[held].append(part)

    def _read_graph(self, model: keras.Model) -> None:
        layers = {layer.name: layer for layer in parts_of(model).values()}
        # A model of its own: the class of `model` may have a config that shows no graph.
        config = keras.Model(model.input, model.output).get_config()
        for entry in config["layers"]:
            layer = layers.get(entry["name"])
            for call in entry["inbound_nodes"]:
                self._connect([layers.get(name) for name in _givers(call)], layer)
                if layer is not None and _maybe_in_training(call):
                    self.in_training |= {id(part) for part in [layer, *every_layer(layer)]}
        self._connect([layers.get(name) for name in _names(config["output_layers"])], None)

    def _connect(self, givers: list[keras.Layer | None], taker: keras.Layer | None) -> None:
        if taker is not None:
            self.feeds[id(taker)].append(givers)
        for giver in givers:
            if giver is not None:
                self.followers[id(giver)].append(taker)


def _givers(call: Any) -> Iterator[str]:
    """Names the layers whose outputs are among the arguments of a serialized call.

    Keras hands masks on by itself, and they change nothing that is of interest here.
    """
    if isinstance(call, dict) and call.get("class_name") == "__keras_tensor__":
        yield call["config"]["keras_history"][0]
    elif isinstance(call, dict | list | tuple):
        items = call.items() if isinstance(call, dict) else enumerate(call)
        for key, value in items:
            if key != "mask":
                yield from _givers(value)


def _maybe_in_training(call: dict[str, Any]) -> bool:
    return bool(call["kwargs"].get("training")) or len(call["args"]) > 1


def _names(outputs: Any) -> Iterator[str]:
    """Names the layers in a nest of `[name, call, output]`."""
    if isinstance(outputs, list | tuple) and outputs and isinstance(outputs[0], str):
        yield outputs[0]
    else:
        for value in outputs.values() if isinstance(outputs, dict) else outputs:
            yield from _names(value)
