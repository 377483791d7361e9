"""What lsuv refuses, where it says the fault lies, and that the model stays as it was."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerastricks.surgery import lsuv

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(128, 12)).astype("float32")
SEQUENCES = RANDOM.normal(size=(32, 10, 6)).astype("float32")


class Breaks(layers.Layer):
    """Does something bad to its inputs, once it is told to."""

    def __init__(self, deed, **kwargs):
        super().__init__(**kwargs)
        self.deed, self.on = deed, False

    def call(self, x):
        return self.deed(x) if self.on else x


def interrupt(x):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("deed", "error", "match"),
    [
        (lambda x: ops.log(x - 1e9), ValueError, "appears first in the output of layer '.*breaks'"),
        (ops.zeros_like, ValueError, r"Layer '.*last' puts out the same value everywhere"),
        (interrupt, KeyboardInterrupt, None),
    ],
    ids=["nan", "dead", "interrupt"],
)
def test_a_failure_leaves_the_model_as_it_was(deed, error, match, untouched):
    breaks = Breaks(deed, name="breaks")
    model = keras.Sequential(
        [keras.Input((12,)), layers.Dense(8), breaks, layers.ReLU(), layers.Dense(2, name="last")]
    )
    breaks.on = True
    with untouched(model), pytest.raises(error, match=match):
        lsuv(model, VECTORS, verbose=0)


def test_a_variance_out_of_reach_is_an_error(untouched):
    bias = keras.initializers.RandomNormal(stddev=3, seed=0)
    model = keras.Sequential([keras.Input((12,)), layers.Dense(50, bias_initializer=bias)])
    with untouched(model), pytest.raises(ValueError, match=r"variance of .* after 10 scalings"):
        lsuv(model, VECTORS, verbose=0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_batch_that_is_not_finite_is_refused(bad, untouched):
    # Dropout is off, so that it hands on what it gets.
    model = keras.Sequential(
        [keras.Input((12,)), layers.Dropout(0.5, name="gate"), layers.Dense(8)]
    )
    batch = VECTORS.copy()
    batch[3, 4] = bad
    match = "first in the output of layer '.*gate', because `batch` holds it"
    with untouched(model), pytest.raises(ValueError, match=match):
        lsuv(model, batch, verbose=0)


def two_inputs(operation):
    """The second input meets no kernel."""
    a, b = keras.Input((12,)), keras.Input((12,))
    return keras.Model([a, b], operation([layers.Dense(8, name="one")(a), b]))


def rescaled(inputs):
    return layers.Concatenate()([inputs[0], layers.Rescaling(2.0, name="rescaling")(inputs[1])])


def through_an_operation(inputs):
    return ops.concatenate([inputs[0], 2 * inputs[1]], axis=-1)


@pytest.mark.parametrize(
    ("operation", "place"),
    [
        (rescaled, r"in the output of layer '(.*/)?rescaling', because `batch`"),
        (
            through_an_operation,
            r"after layer '(.*/)?one' and before the model puts it out, because",
        ),
    ],
)
def test_a_batch_that_is_not_finite_is_refused_where_no_kernel_sees_it(operation, place, untouched):
    model = two_inputs(operation)
    bad = VECTORS.copy()
    bad[3, 4] = np.nan
    with untouched(model), pytest.raises(ValueError, match=place):
        lsuv(model, [VECTORS, bad], verbose=0)


def test_a_batch_that_is_not_finite_is_refused_where_the_model_cleans_it(untouched):
    model = two_inputs(lambda inputs: inputs[0] + 0 * ops.sum(ops.isnan(inputs[1])))
    with untouched(model), pytest.raises(ValueError, match="in the inputs, because `batch` holds"):
        lsuv(model, [VECTORS, np.full_like(VECTORS, np.nan)], verbose=0)


def spoils(x):
    return ops.log(x - 1e9)


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        (
            [layers.Lambda(spoils, output_shape=(8,), name="spoils")],
            r"in the output of layer '(.*/)?spoils', on a finite batch",
        ),
        ([spoils], r"after layer '(.*/)?first' and before the model puts it out, on a finite"),
        (
            [spoils, layers.Dense(4, name="last")],
            r"after layer '(.*/)?first' and before layer '(.*/)?last' runs, on a finite batch",
        ),
    ],
    ids=["layer", "operation", "operation between"],
)
def test_what_is_not_finite_is_placed_even_behind_all_kernels(parts, place, untouched):
    inputs = keras.Input((12,))
    outputs = layers.Dense(8, name="first")(inputs)
    for part in parts:
        outputs = part(outputs)
    model = keras.Model(inputs, outputs)
    with untouched(model), pytest.raises(ValueError, match=place):
        lsuv(model, VECTORS, verbose=0)


def tf_data():
    tensorflow = pytest.importorskip("tensorflow")
    return tensorflow.data.Dataset.from_tensor_slices(VECTORS).batch(8)


@pytest.mark.parametrize(
    ("batch", "error", "match"),
    [
        (lambda: VECTORS[:0], ValueError, r"at least one sample.* of shape \(0, 12\)"),
        (tf_data, TypeError, r"`batch` must be an array.*`next\(iter\(dataset\)\)\[0\]`"),
        (lambda: iter([VECTORS]), TypeError, "`batch` must be an array"),
        (VECTORS.tolist, TypeError, r"type list.* \(of type float\).*`numpy.array\(batch\)`"),
        (lambda: None, TypeError, "`batch` must be an array"),
    ],
    ids=["empty", "dataset", "iterator", "numbers", "none"],
)
def test_what_is_no_batch_is_refused(batch, error, match, untouched):
    model = keras.Sequential([keras.Input((12,)), layers.Dense(8)])
    with untouched(model), pytest.raises(error, match=match):
        lsuv(model, batch(), verbose=0)


def test_a_model_without_kernels_is_refused():
    model = keras.Sequential([keras.Input((10, 6)), layers.GRU(4)])
    with pytest.raises(ValueError, match="runs no kernel that lsuv could scale"):
        lsuv(model, SEQUENCES, verbose=0)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"model": layers.Dense(3)}, TypeError, "`model` must be a keras.Model"),
        ({"tolerance": 0}, ValueError, r"`tolerance` must be a number in \(0, 1\)"),
        ({"max_iterations": 0}, ValueError, "`max_iterations` must be an integer of at least 1"),
        ({"max_iterations": 2.5}, TypeError, "`max_iterations` must be an integer"),
        ({"seed": "x"}, TypeError, "`seed` must be an integer"),
    ],
)
def test_arguments_are_checked(change, error, match):
    arguments = {"model": keras.Sequential([layers.Dense(3)]), "batch": VECTORS, **change}
    with pytest.raises(error, match=match):
        lsuv(**arguments)
