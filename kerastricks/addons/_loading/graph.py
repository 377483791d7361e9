"""Who feeds whom: the nodes of Keras 2's functional models in the form of Keras 3."""

from typing import Any

RECURRENT = {"Bidirectional", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "GRU", "LSTM", "RNN"}
RECURRENT |= {"SimpleRNN"}
"""Layers that took their initial state as further inputs."""


def rewired(config: dict[str, Any]) -> dict[str, Any]:
    """A functional model's config with its nodes, inputs and outputs as Keras 3 counts them.

    Keras 2 counted the node that a nested model is made of as its first; Keras 3 counts calls
    alone, but for the outputs of a model that is functional. One tensor is itself there, not a
    list of one.

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
        name: [_node(node, layer, skipped) for node in layer.get("inbound_nodes", [])]
        for name, layer in layers.items()
    }
    _check_order({name: [_sources(node) for node in calls] for name, calls in nodes.items()})
    functional = {name for name, layer in layers.items() if layer["class_name"] == "Model"}

    def end(tensors: Any) -> Any:
        if isinstance(tensors, dict):
            return {key: end(value) for key, value in tensors.items()}
        if _is_tensor(tensors, skipped):
            name, node, tensor = tensors[:3]
            return [name, node if name in functional else node - skipped[name], tensor]
        ends = [end(tensor) for tensor in tensors]
        return ends[0] if len(ends) == 1 else ends

    return {
        **config,
        "layers": [{**layers[name], "inbound_nodes": calls} for name, calls in nodes.items()],
        "input_layers": end(config["input_layers"]),
        "output_layers": end(config["output_layers"]),
    }


def _starts_with_a_node(layer: dict[str, Any]) -> bool:
    if layer["class_name"] == "Sequential":
        inner = layer["config"].get("layers")
        return bool(inner) and inner[0]["class_name"] == "InputLayer"
    return bool(layer["class_name"] == "Model")


def _is_tensor(value: Any, names: dict[str, int]) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and value[0] in names
        and all(isinstance(place, int) for place in value[1:3])
    )


def _node(node: Any, layer: dict[str, Any], skipped: dict[str, int]) -> dict[str, Any]:
    keywords: dict[str, Any] = {}

    def argument(value: Any, first: bool = False) -> Any:
        if _is_tensor(value, skipped):
            if first and len(value) == 4:
                keywords.update(value[3])
            history = [value[0], value[1] - skipped[value[0]], value[2]]
            # Keras looks the tensor up by its history; its shape is not asked for.
            config = {"shape": [], "dtype": "float32", "keras_history": history}
            return {"class_name": "__keras_tensor__", "config": config}
        if isinstance(value, list):
            return [argument(entry, first) for entry in value]
        if isinstance(value, dict):
            return {key: argument(entry, first) for key, entry in value.items()}
        return value

    inputs = argument(node, first=True)
    if isinstance(inputs, list) and any(not _is_made(tensor) for tensor in inputs):
        raise ValueError(f"the inputs of its layer {layer['name']!r} are not understood: {node}.")
    if isinstance(inputs, list) and len(inputs) > 1 and layer["class_name"] in RECURRENT:
        keywords["initial_state"] = inputs[1:]
        inputs = inputs[:1]
    if isinstance(inputs, list) and len(inputs) == 1:
        inputs = inputs[0]
    return {"args": [inputs], "kwargs": {k: argument(v) for k, v in keywords.items()}}


def _is_made(value: Any) -> bool:
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return True
    return isinstance(value, list) and all(map(_is_made, value))


def _sources(value: Any) -> list[tuple[str, int]]:
    """The calls, by layer and number, whose results a node takes."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            name, node, _ = value["config"]["keras_history"]
            return [(name, node)]
        value = list(value.values())
    return [s for entry in value for s in _sources(entry)] if isinstance(value, list) else []


def _check_order(calls: dict[str, list[list[tuple[str, int]]]]) -> None:
    # A layer without calls is an input.
    done = {name: 0 if nodes else 1 for name, nodes in calls.items()}
    moved = True
    while moved:
        moved = False
        for name, nodes in calls.items():
            while done[name] < len(nodes) and all(
                0 <= node < done[source] for source, node in nodes[done[name]]
            ):
                done[name] += 1
                moved = True
    stuck = [name for name, nodes in calls.items() if done[name] < len(nodes)]
    if stuck:
        raise ValueError(f"its layers {stuck} feed themselves, or are fed by what is not there.")
