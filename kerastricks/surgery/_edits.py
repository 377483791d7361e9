"""What is to be changed about a model, collected first, and then done in one go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from kerastricks.layers.batch_normalization import BatchNormalization
from kerastricks.surgery._anatomy import Anatomy, is_activation, name_of_activation
from kerastricks.surgery._compile_changes import CompileChanges
from kerastricks.surgery._copy import copy_from_config
from kerastricks.surgery._initializers import suited_start
from kerastricks.surgery._rebuild import Additions, own_variables, rebuild

Make = Callable[[], keras.Layer]
NEW_ALPHA = 0.1
"""Weight of the new batch in the averages of normalizations that are put in.

They follow within some ten batches, and, debiased, are right from the first on.
"""


@dataclass(frozen=True)
class Edits:
    """Changes by the `id` of the original's layers; new layers are made anew for each copy.

    Attributes:
        starts: Layers whose weights start anew, in a way that suits their activation.
        activations: Names of new activations, `"linear"` for none.
        normalized: Layers with a kernel whose output is batch-normalized before the activation.
        configs: Entries of layers' configs.
        exchanged: Functions from a layer to the one in its place, or to None to remove it.
        before: Makers of layers to run on what a layer is called on.
        after: Makers of layers to run on what it puts out.
        compile: What is compiled in another way.
    """

    starts: frozenset[int] = frozenset()
    activations: Mapping[int, str] = field(default_factory=dict)
    normalized: frozenset[int] = frozenset()
    configs: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    exchanged: Mapping[int, Callable[[Any], keras.Layer | None]] = field(default_factory=dict)
    before: Mapping[int, tuple[Make, ...]] = field(default_factory=dict)
    after: Mapping[int, tuple[Make, ...]] = field(default_factory=dict)
    compile: CompileChanges = field(default_factory=CompileChanges)

    def __or__(self, later: "Edits") -> "Edits":
        """These edits, and of later ones what these leave open."""
        mine, theirs = self.compile, later.compile
        return Edits(
            starts=self.starts | later.starts,
            activations={**later.activations, **self.activations},
            normalized=self.normalized | later.normalized,
            configs={**later.configs, **self.configs},
            exchanged={**later.exchanged, **self.exchanged},
            before={**later.before, **self.before},
            after={**later.after, **self.after},
            compile=CompileChanges(
                losses={**theirs.losses, **mine.losses},
                loss_weights={**theirs.loss_weights, **mine.loss_weights},
                learning_rate=(
                    theirs.learning_rate if mine.learning_rate == 1 else mine.learning_rate
                ),
                clipnorm=theirs.clipnorm if mine.clipnorm is None else mine.clipnorm,
            ),
        )

    def adds_to(self, known: "Edits") -> bool:
        """Whether there is anything in it that other edits leave open."""
        return bool(_keys(known | self) != _keys(known))


def _keys(edits: Edits) -> Any:
    """Which places edits change, and to what where that can be compared."""
    mappings = (edits.configs, edits.exchanged, edits.before, edits.after)
    changes = edits.compile
    return (
        edits.starts,
        dict(edits.activations),
        edits.normalized,
        *(set(mapping) for mapping in mappings),
        *(set(mapping) for mapping in (changes.losses, changes.loss_weights)),
        (changes.learning_rate, changes.clipnorm),
    )


def operate(anatomy: Anatomy, edits: Edits, *, reinitialize: bool) -> keras.Model:
    """Returns a new model with the edits done; the original is only read.

    Args:
        anatomy: The model.
        edits: What to change.
        reinitialize: Whether all layers in training start anew, or only those of `edits.starts`.

    Raises:
        ValueError: If the model cannot be copied, or does not fit together any more.
    """
    replacements: dict[int, keras.Layer | None] = {}
    after = {key: [make() for make in makes] for key, makes in edits.after.items()}
    for layer in anatomy.layers:
        key = id(layer)
        if key in edits.exchanged:
            replacements[key] = edits.exchanged[key](layer)
        elif is_activation(layer) and key in edits.activations:
            replacements[key] = _activation(layer, edits.activations[key])
        elif key in edits.normalized:
            replacements[key], added = _normalized(anatomy, layer, edits)
            after[key] = [*added, *after.get(key, [])]
        elif key in edits.starts or key in edits.activations or key in edits.configs:
            replacements[key] = copy_from_config(layer, **_changes(anatomy, layer, edits))

    def fresh(layer: keras.Layer) -> bool:
        trained = any(variable.trainable for variable in own_variables(layer))
        return id(layer) in edits.starts or (reinitialize and trained)

    additions = Additions(
        before={key: [make() for make in makes] for key, makes in edits.before.items()},
        after=after,
        fresh=fresh,
        compile_changes=edits.compile,
    )
    return rebuild(anatomy.model, replacements, inherit=True, additions=additions)


def _activation(layer: Any, name: str) -> keras.Layer | None:
    if name == "linear":
        return None
    return keras.layers.Activation(name, name=layer.name, dtype=layer.dtype_policy)


def _changes(anatomy: Anatomy, layer: Any, edits: Edits) -> dict[str, Any]:
    """Entries of the config of a layer with a kernel."""
    changes = dict(edits.configs.get(id(layer), {}))
    if id(layer) in edits.activations:
        changes["activation"] = edits.activations[id(layer)]
    if id(layer) in edits.starts:
        behind = anatomy.activation_layer(layer)
        name = edits.activations.get(id(behind)) or name_of_activation(behind)
        changes |= suited_start(layer, name, deep=anatomy.deep)
    return changes


def _normalized(
    anatomy: Anatomy, layer: Any, edits: Edits
) -> tuple[keras.Layer, list[keras.Layer]]:
    """The layer without its activation, and what takes its place behind a normalization."""
    changes = _changes(anatomy, layer, edits)
    activation = changes.pop("activation", layer.activation)
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    behind: list[keras.Layer] = [
        BatchNormalization(
            axis=1 if channels_first else -1,
            alpha=NEW_ALPHA,
            average="debiased",
            name=anatomy.unused(f"{layer.name}_normalization"),
            dtype=layer.dtype_policy,
        )
    ]
    own = anatomy.activation_layer(layer) is layer
    if own:
        name = anatomy.unused(f"{layer.name}_activation")
        behind.append(keras.layers.Activation(activation, name=name, dtype=layer.dtype_policy))
        changes["activation"] = "linear"
    return copy_from_config(layer, **changes), behind
