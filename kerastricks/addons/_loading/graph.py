"""Functional models: who feeds whom, as Keras 2 wrote it, and making the model by it."""

from typing import Any

import keras

RECURRENT = {"Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "LSTM", "RNN"}
RECURRENT |= {"SimpleRNN"}
"""Layers that took their initial state as further inputs."""
TENSOR = "tensor of"
"""The key under which a plan refers to an output: [layer, call, number]."""


class Graph:
    """Makes a functional model from a plan; Keras knows it by its name in `custom_objects`."""

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> keras.Model:
        """Makes the layers, calls them in turn, and returns the model.

        Args:
            config: What `planned` returns.
            custom_objects: Objects by registered name.

        Raises:
            ValueError: When a layer lacks an output that another takes.
        """
        layers = {
            name: keras.saving.deserialize_keras_object(entry, custom_objects=custom_objects)
            for name, entry in config["layers"].items()
        }
        outputs = {(name, 0): [layers[name].output] for name in config["sources"]}

        def tensors(value: Any) -> Any:
            if isinstance(value, dict) and TENSOR in value:
                name, call, number = value[TENSOR]
                if not 0 <= number < len(outputs.get((name, call), ())):
                    raise ValueError(f"its layer {name!r} has no output {number} in call {call}.")
                return outputs[name, call][number]
            if isinstance(value, dict):
                return {key: tensors(entry) for key, entry in value.items()}
            return [tensors(entry) for entry in value] if isinstance(value, list) else value

        for name, call, inputs, keywords in config["calls"]:
            result = layers[name](tensors(inputs), **tensors(keywords))
            outputs[name, call] = keras.tree.flatten(result)
        model = keras.Model(
            tensors(config["inputs"]), tensors(config["outputs"]), name=config["name"]
        )
        if not config["trainable"]:
            model.trainable = False
        return model


def planned(config: dict[str, Any]) -> dict[str, Any]:
    """The plan of a functional model: its layers, and the calls in an order in which they can be.

    Keras 2 counted the node that a nested model is made of as its first call; here there are
    calls alone. One input or output is itself, not a list of one.

    Args:
        config: A config whose `layers` have `name`, `class_name`, `config`, `inbound_nodes`.

    Raises:
        ValueError: For layers that feed themselves, or are fed by what is not there.
    """
    layers = {layer["name"]: layer for layer in config["layers"]}
    if len(layers) != len(config["layers"]):
        raise ValueError("two of its layers have the same name.")
    skipped = {name: int(_starts_with_a_node(layer)) for name, layer in layers.items()}
    nodes = {
        name: [_call(node, layer, skipped) for node in layer.get("inbound_nodes", [])]
        for name, layer in layers.items()
    }
    plain = ("module", "class_name", "config", "registered_name")
    return {
        "name": config.get("name"),
        "trainable": bool(config.get("trainable", True)),
        "layers": {name: {k: layer.get(k) for k in plain} for name, layer in layers.items()},
        "sources": [name for name, layer in layers.items() if layer["class_name"] == "InputLayer"],
        "calls": [[name, number, *nodes[name][number]] for name, number in _in_order(nodes)],
        "inputs": _single(_referred(config["input_layers"], skipped)),
        "outputs": _single(_referred(config["output_layers"], skipped)),
    }


def _starts_with_a_node(layer: dict[str, Any]) -> bool:
    inner = layer["config"].get("layers")
    if layer["class_name"] == "Sequential":
        return bool(inner) and inner[0]["class_name"] == "InputLayer"
    return bool(layer["class_name"] == "Functional")


def _referred(value: Any, skipped: dict[str, int]) -> Any:
    """A value with its references to tensors, [layer, node, number, ...], as the plan has them."""
    if _is_reference(value, skipped):
        return {TENSOR: [value[0], value[1] - skipped[value[0]], value[2]]}
    if isinstance(value, dict):
        return {key: _referred(entry, skipped) for key, entry in value.items()}
    return [_referred(entry, skipped) for entry in value] if isinstance(value, list) else value


def _is_reference(value: Any, names: dict[str, int]) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and value[0] in names
        and all(isinstance(place, int) for place in value[1:3])
    )


def _call(node: Any, layer: dict[str, Any], skipped: dict[str, int]) -> tuple[Any, dict[str, Any]]:
    """What a layer is called on, and the keywords, which hang at the inputs."""
    inputs = _referred(node, skipped)
    if isinstance(inputs, list) and not all(map(_is_tensor, inputs)):
        raise ValueError(f"the inputs of its layer {layer['name']!r} are not understood: {node}.")
    entries = node.values() if isinstance(node, dict) else node
    keywords: dict[str, Any] = {}
    for entry in entries:
        if _is_reference(entry, skipped) and len(entry) == 4:
            keywords |= _referred(entry[3], skipped)
    if isinstance(inputs, list) and len(inputs) > 1 and layer["class_name"] in RECURRENT:
        keywords["initial_state"] = inputs[1:]
        inputs = inputs[:1]
    return _single(inputs), keywords


def _single(inputs: Any) -> Any:
    return inputs[0] if isinstance(inputs, list) and len(inputs) == 1 else inputs


def _is_tensor(value: Any) -> bool:
    if isinstance(value, dict):
        return TENSOR in value
    return isinstance(value, list) and all(map(_is_tensor, value))


def _sources(value: Any) -> list[tuple[str, int]]:
    """The calls, by layer and number, whose results a value has."""
    if isinstance(value, dict):
        if TENSOR in value:
            return [tuple(value[TENSOR][:2])]
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [source for entry in value for source in _sources(entry)]
    return []


def _in_order(nodes: dict[str, list[Any]]) -> list[tuple[str, int]]:
    """All calls, each after those that it needs."""
    # A layer without calls is an input.
    done = {name: 0 if calls else 1 for name, calls in nodes.items()}
    order: list[tuple[str, int]] = []
    moved = True
    while moved:
        moved = False
        for name, calls in nodes.items():
            while done[name] < len(calls) and all(
                0 <= call < done[source] for source, call in _sources(calls[done[name]])
            ):
                order.append((name, done[name]))
                done[name] += 1
                moved = True
    stuck = [name for name, calls in nodes.items() if done[name] < len(calls)]
    if stuck:
        raise ValueError(f"its layers {stuck} feed themselves, or are fed by what is not there.")
    return order
