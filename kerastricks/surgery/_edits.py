"""What is to be changed about a model, collected first, and then done in one go."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from kerastricks.layers.batch_normalization import BatchNormalization
from kerastricks.layers.leaky_relu import LeakyReLU
from kerastricks.surgery._anatomy import Anatomy, is_activation, name_of_activation
from kerastricks.surgery._batch_statistics import batch_normalizations
from kerastricks.surgery._carry import own_variables
from kerastricks.surgery._compile_changes import CompileChanges
from kerastricks.surgery._compile_state import metric_classes
from kerastricks.surgery._copy import copy_from_config
from kerastricks.surgery._initializers import suited_start
from kerastricks.surgery._layers_of import parts_of
from kerastricks.surgery._rebuild import Additions, rebuild

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
        activations: Names of new activations, `"linear"` for none; a number is the slope of a leaky
            rectifier, a layer of its own.
        normalized: Layers with a kernel whose output is batch-normalized before the activation.
        configs: Entries of layers' configs.
        exchanged: Functions from a layer to the one in its place, or to None to remove it.
        before: Makers of layers to run on what a layer is called on.
        after: Makers of layers to run on what it puts out.
        compile: What is compiled in another way.
    """

    starts: frozenset[int] = frozenset()
    activations: Mapping[int, str | float] = field(default_factory=dict)
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
                momentum=theirs.momentum if mine.momentum is None else mine.momentum,
            ),
        )

    def adds_to(self, known: "Edits") -> bool:
        """Whether there is anything in it that other edits leave open."""
        return bool(_keys(known | self) != _keys(known))

    def places(self) -> set[tuple[str, int]]:
        """What is changed: kinds of changes, and the layers or outputs that they are made to."""
        layers = ("starts", "activations", "normalized", "configs", "exchanged", "before", "after")
        found = {(name, key) for name in layers for key in getattr(self, name)}
        changes = self.compile
        found |= {("loss", number) for number in {*changes.losses, *changes.loss_weights}}
        steps = {
            "learning rate": changes.learning_rate != 1,
            "clipnorm": changes.clipnorm is not None,
            "momentum": changes.momentum is not None,
        }
        return found | {(name, 0) for name, changed in steps.items() if changed}

    def at(self, places: Mapping[int, keras.Layer]) -> "Edits":
        """These edits for a copy, by the copies of the layers that they are for."""

        def moved(mapping: Mapping[int, Any]) -> dict[int, Any]:
            return {id(places[key]): value for key, value in mapping.items()}

        return replace(
            self,
            starts=frozenset(id(places[key]) for key in self.starts),
            activations=moved(self.activations),
            normalized=frozenset(id(places[key]) for key in self.normalized),
            configs=moved(self.configs),
            exchanged=moved(self.exchanged),
            before=moved(self.before),
            after=moved(self.after),
        )


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
        (changes.learning_rate, changes.clipnorm, changes.momentum),
    )


def operate(anatomy: Anatomy, edits: Edits, *, reinitialize: bool) -> keras.Model:
    """Returns a new model with the edits done; the original is only read.

    With the same state of `random`, a layer's weights are the same whatever is done to others: all
    weights are drawn in a copy without edits first, and a layer that is made anew draws by its
    place in the model.

    Args:
        anatomy: The model.
        edits: What to change.
        reinitialize: Whether all layers in training start anew, or only those of `edits.starts`.

    Raises:
        ValueError: If the model cannot be copied, or does not fit together any more.
    """
    seed = str(random.randrange(2**31))
    with seeded(seed):
        if not reinitialize:
            return _operated(anatomy, edits, seed)
        nothing = CompileChanges()
        additions = Additions(fresh=_in_training, compile_changes=nothing)
        started = rebuild(anatomy.model, {}, inherit=True, additions=additions)
        # A metric that has not seen data yet cannot be asked for its class.
        with keras.saving.custom_object_scope(metric_classes(anatomy.model)):
            places = _counterparts(anatomy.model, started)
            return _operated(Anatomy(started), edits.at(places), seed)


@contextmanager
def seeded(seed: int | str) -> Iterator[None]:
    """Let new layers draw the seeds of one series, and take up the old series afterwards."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _operated(anatomy: Anatomy, edits: Edits, seed: str) -> keras.Model:
    replacements: dict[int, keras.Layer | None] = {}
    before: dict[int, list[keras.Layer]] = {}
    after: dict[int, list[keras.Layer]] = {}
    for number, layer in enumerate(anatomy.layers):
        key = id(layer)
        with seeded(f"{seed} {number}"):
            added: list[keras.Layer] = []
            if key in edits.exchanged:
                replacements[key] = edits.exchanged[key](layer)
            elif is_activation(layer) and key in edits.activations:
                replacements[key] = _activation(layer, edits.activations[key])
            elif key in edits.normalized:
                replacements[key], added = _normalized(anatomy, layer, edits)
            elif key in edits.starts or key in edits.activations or key in edits.configs:
                changes = _changes(anatomy, layer, edits)
                slope = changes.get("activation")
                if isinstance(slope, float):
                    changes["activation"] = "linear"
                    name = anatomy.unused(f"{layer.name}_activation")
                    added = [LeakyReLU(slope, name=name, dtype=layer.dtype_policy)]
                replacements[key] = copy_from_config(layer, **changes)
            before[key] = [make() for make in edits.before.get(key, ())]
            after[key] = [*added, *(make() for make in edits.after.get(key, ()))]
    additions = Additions(
        before=before,
        after=after,
        fresh=lambda layer: id(layer) in edits.starts,
        compile_changes=edits.compile,
    )
    return rebuild(anatomy.model, replacements, inherit=True, additions=additions)


def _in_training(layer: keras.Layer) -> bool:
    """Whether training changes a layer: its weights, or the averages that it keeps of batches."""
    trained = any(variable.trainable for variable in own_variables(layer))
    return trained or bool(batch_normalizations([layer]))


def _counterparts(model: keras.Layer, copy: keras.Layer) -> dict[int, keras.Layer]:
    """From the `id` of each layer within a model to the layer in that place of a copy."""
    found: dict[int, keras.Layer] = {}
    copies = parts_of(copy)
    for path, part in parts_of(model).items():
        if path in copies:
            found |= {id(part): copies[path], **_counterparts(part, copies[path])}
    return found


def _activation(layer: Any, new: str | float) -> keras.Layer | None:
    if new == "linear":
        return None
    if isinstance(new, float):
        return LeakyReLU(new, name=layer.name, dtype=layer.dtype_policy)
    return keras.layers.Activation(new, name=layer.name, dtype=layer.dtype_policy)


def _changes(anatomy: Anatomy, layer: Any, edits: Edits) -> dict[str, Any]:
    """Entries of the config of a layer with a kernel."""
    changes = dict(edits.configs.get(id(layer), {}))
    if id(layer) in edits.activations:
        changes["activation"] = edits.activations[id(layer)]
    if id(layer) in edits.starts:
        behind = anatomy.activation_layer(layer)
        activation = edits.activations.get(id(behind)) or name_of_activation(behind)
        changes |= suited_start(layer, activation, deep=anatomy.deep)
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
