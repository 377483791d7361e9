"""Every initializer times the laws that it keeps. A new one joins by a line in INITIALIZERS."""

import inspect
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import pytest

import kerastricks as kt

pytestmark = pytest.mark.every_variant
DRAWN = (3, 6, 4)
"""A shape that every initializer takes."""
LARGE = (3, 3, 50, 40)
FAN_IN, FAN_OUT = 450, 360


class Entry(NamedTuple):
    make: Callable[..., keras.initializers.Initializer]  # takes `seed` where it is random
    stddev: float | None = None  # stated for weights of the shape `large`; None where it is none
    twin: Callable[..., keras.initializers.Initializer] | None = None  # Keras', given a seed
    random: bool = True
    axes: tuple[int, ...] = (0, 1, 2, 4)  # numbers of axes that it takes
    large: tuple[int, ...] = LARGE


def keras_scaling(scale, mode):
    return partial(keras.initializers.VarianceScaling, scale, mode, "untruncated_normal")


INITIALIZERS = {
    "Xavier": Entry(
        kt.initializers.Xavier,
        math.sqrt(2 / (FAN_IN + FAN_OUT)),
        keras_scaling(1.0, "fan_avg"),
    ),
    "Xavier-uniform": Entry(
        partial(kt.initializers.Xavier, "uniform"),
        math.sqrt(2 / (FAN_IN + FAN_OUT)),
        keras.initializers.GlorotUniform,
    ),
    "Xavier-truncated": Entry(
        partial(kt.initializers.Xavier, "truncated_normal"),
        math.sqrt(2 / (FAN_IN + FAN_OUT)),
        keras.initializers.GlorotNormal,
    ),
    "Xavier-grouped": Entry(
        partial(kt.initializers.Xavier, groups=4),
        math.sqrt(2 / (FAN_IN + FAN_OUT / 4)),
        axes=(2, 4),
    ),
    "Xavier-transposed": Entry(
        partial(kt.initializers.Xavier, kernel="transposed"),
        math.sqrt(2 / (FAN_IN + FAN_OUT)),
        keras_scaling(1.0, "fan_avg"),
        axes=(4,),
    ),
    "He": Entry(kt.initializers.He, math.sqrt(2 / FAN_IN), keras_scaling(2.0, "fan_in")),
    "He-uniform": Entry(
        partial(kt.initializers.He, 0, "uniform"),
        math.sqrt(2 / FAN_IN),
        keras.initializers.HeUniform,
    ),
    "He-truncated": Entry(
        partial(kt.initializers.He, 0, "truncated_normal"),
        math.sqrt(2 / FAN_IN),
        keras.initializers.HeNormal,
    ),
    "He-leaky-uniform": Entry(
        partial(kt.initializers.He, 0.3, "uniform"), math.sqrt(2 / 1.09 / FAN_IN)
    ),
    "He-depthwise": Entry(
        partial(kt.initializers.He, kernel="depthwise"), math.sqrt(2 / 9), axes=(4,)
    ),
    "He-einsum": Entry(
        partial(kt.initializers.He, kernel="abc,cde->abde"),
        math.sqrt(2 / 50),
        axes=(3,),
        large=(50, 40, 9),
    ),
    "LeCun": Entry(kt.initializers.LeCun, math.sqrt(1 / FAN_IN), keras_scaling(1.0, "fan_in")),
    "LeCun-uniform": Entry(
        partial(kt.initializers.LeCun, "uniform"),
        math.sqrt(1 / FAN_IN),
        keras.initializers.LecunUniform,
    ),
    "LeCun-truncated": Entry(
        partial(kt.initializers.LeCun, "truncated_normal"),
        math.sqrt(1 / FAN_IN),
        keras.initializers.LecunNormal,
    ),
    "ForActivation-relu": Entry(
        partial(kt.initializers.ForActivation, "relu"),
        math.sqrt(2 / FAN_IN),
        keras_scaling(2.0, "fan_in"),
    ),
    "ForActivation-tanh-uniform": Entry(
        partial(kt.initializers.ForActivation, "tanh", "uniform"),
        kt.theory.gain("tanh") / math.sqrt(FAN_IN),
    ),
    "ForActivation-layer": Entry(
        partial(kt.initializers.ForActivation, keras.layers.ReLU(name="relu")),
        math.sqrt(2 / FAN_IN),
    ),
    "ScaledNormal": Entry(
        kt.initializers.ScaledNormal, 0.03, partial(keras.initializers.RandomNormal, stddev=0.03)
    ),
    "ScaledNormal-wide": Entry(
        partial(kt.initializers.ScaledNormal, 2.5),
        2.5,
        partial(keras.initializers.RandomNormal, stddev=2.5),
    ),
    # The squares of all entries of an orthogonal matrix sum to its rank.
    "Orthogonal": Entry(
        partial(kt.initializers.Orthogonal, 1.5),
        1.5 / math.sqrt(FAN_IN),
        partial(keras.initializers.Orthogonal, 1.5),
        axes=(2, 4),
    ),
    "Orthogonal-grouped": Entry(
        partial(kt.initializers.Orthogonal, groups=2), 1 / math.sqrt(FAN_IN), axes=(2, 4)
    ),
    "Orthogonal-depthwise": Entry(
        partial(kt.initializers.Orthogonal, kernel="depthwise"), 1 / math.sqrt(40), axes=(4,)
    ),
    "DeltaOrthogonal": Entry(partial(kt.initializers.DeltaOrthogonal, 1.5), axes=(4,)),
    "DeltaOrthogonal-transposed": Entry(
        partial(kt.initializers.DeltaOrthogonal, kernel="transposed"), axes=(4,)
    ),
    "Dirac": Entry(kt.initializers.Dirac, random=False, axes=(4,)),
    "Dirac-grouped": Entry(partial(kt.initializers.Dirac, 2), random=False, axes=(4,)),
    "RandomizedAsymmetric": Entry(kt.initializers.RandomizedAsymmetric, axes=(2, 4)),
    "RandomizedAsymmetric-bias": Entry(
        partial(kt.initializers.RandomizedAsymmetric, True), axes=(1, 2, 4)
    ),
}
SHAPES = {0: (), 1: (8,), 2: (4, 8), 3: (2, 3, 4), 4: (2, 3, 4, 8)}


def every(keep=lambda entry: True):
    """Those entries for which this holds."""
    chosen = {name: entry for name, entry in INITIALIZERS.items() if keep(entry)}
    return pytest.mark.parametrize("entry", chosen.values(), ids=list(chosen))


every_random = every(lambda entry: entry.random)


def made(entry, seed=None):
    return entry.make(seed=seed) if entry.random else entry.make()


def array(value):
    return keras.ops.convert_to_numpy(value)


def draws(initializer, count=3):
    return [array(initializer(DRAWN)) for _ in range(count)]


def differ(one, other):
    """Whether two draws are different ones: a few values may coincide, as floats are countable.

    Entries that are zero in both, by the initializer's rule, are no draws.
    """
    drawn = (one != 0) | (other != 0)
    return np.mean(one[drawn] != other[drawn]) > 0.9


def test_every_public_initializer_is_in_the_table():
    assert {name.split("-")[0] for name in INITIALIZERS} == set(kt.initializers.__all__)


# --- Shapes and types ----------------------------------------------------------------------------


@every()
def test_shape(entry):
    for shape in (DRAWN, *(SHAPES[axes] for axes in entry.axes)):
        values = made(entry, 1)(shape)
        assert tuple(values.shape) == shape
        assert keras.backend.standardize_dtype(values.dtype) == keras.config.floatx()
        assert tuple(made(entry, 1)(list(shape)).shape) == shape


@every()
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_the_cast_float32_draw(entry, dtype):
    half = made(entry, 1)(DRAWN, dtype=dtype)
    single = made(entry, 1)(DRAWN, dtype="float32")
    assert keras.backend.standardize_dtype(half.dtype) == dtype
    difference = keras.ops.cast(half, "float32") - keras.ops.cast(
        keras.ops.cast(single, dtype), "float32"
    )
    assert float(keras.ops.max(keras.ops.abs(difference))) == 0.0


@every()
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 by default")
def test_double_precision(entry):
    values = made(entry, 1)(DRAWN, dtype="float64")
    assert keras.backend.standardize_dtype(values.dtype) == "float64"
    if entry.random:  # drawn as such, not cast
        drawn = array(values)[array(values) != 0]
        assert np.mean(drawn != drawn.astype("float32")) > 0.9


REFUSED = {
    "no elements": ((0, *DRAWN[1:]), "float32", ValueError, "`shape` must hold positive sizes"),
    "negative": ((*DRAWN[:2], -4), "float32", ValueError, "`shape` must hold positive sizes"),
    "unknown size": ((None, *DRAWN[1:]), "float32", TypeError, "`shape` must hold whole numbers"),
    "fraction": ((3.0, *DRAWN[1:]), "float32", TypeError, "`shape` must hold whole numbers"),
    "whole numbers": (DRAWN, "int32", ValueError, "`dtype` must be a floating-point type"),
}


@every()
@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_call_leaves_the_draws_alone(entry, case):
    shape, dtype, error, message = REFUSED[case]
    if case == "whole numbers" and not entry.random:
        return  # the identity is one of whole numbers too
    initializer = made(entry, 5)
    with pytest.raises(error, match=message):
        initializer(shape, dtype=dtype)
    np.testing.assert_array_equal(draws(initializer), draws(made(entry, 5)))


# --- Draws ---------------------------------------------------------------------------------------


@every(lambda entry: entry.stddev)
def test_mean_and_standard_deviation(entry):
    values = array(made(entry, 12)(entry.large, dtype="float32")).astype("float64")
    count = values.size
    # SE(mean) = sigma / sqrt(n). SE(s) = sigma sqrt((kurtosis - 1) / (4 n)), kurtosis 3 for the
    # normal distribution and less for the others.
    assert abs(values.mean()) < 5 * entry.stddev / math.sqrt(count)
    kurtosis = np.mean(values**4) / np.mean(values**2) ** 2
    error = math.sqrt((kurtosis - 1) / (4 * count))
    assert abs(values.std() / entry.stddev - 1) < 5 * error


@every(lambda entry: entry.twin)
def test_first_draw_equals_keras(entry):
    for shape in (DRAWN, *(SHAPES[axes] for axes in entry.axes if axes)):
        # atol: of an orthogonal matrix, whose small entries are differences of larger ones.
        np.testing.assert_allclose(
            array(made(entry, 17)(shape)), array(entry.twin(seed=17)(shape)), rtol=1e-5, atol=2e-6
        )


@every_random
def test_same_seed_same_draws(entry):
    np.testing.assert_array_equal(draws(made(entry, 5)), draws(made(entry, 5)))
    assert differ(draws(made(entry, 5))[0], draws(made(entry, 6))[0])


@every(lambda entry: not entry.random)
def test_nothing_is_drawn(entry):
    one, two, three = draws(made(entry))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)


@every_random
@pytest.mark.parametrize("seed", [None, 5])
def test_every_call_draws_anew(entry, seed):
    one, two, three = draws(made(entry, seed))
    assert differ(one, two)
    assert differ(two, three)
    assert differ(one, three)


@every_random
def test_set_random_seed_makes_unseeded_draws_reproducible(entry):
    keras.utils.set_random_seed(8)
    first = draws(made(entry))
    keras.utils.set_random_seed(8)
    np.testing.assert_array_equal(first, draws(made(entry)))
    assert differ(draws(made(entry))[0], draws(made(entry))[0])


@every()
def test_a_clone_starts_over(entry):
    initializer = made(entry, 5)
    expected = draws(initializer)
    clone = type(initializer).from_config(initializer.get_config())
    np.testing.assert_array_equal(draws(clone), expected)


@every_random
def test_the_documentation_of_seed_warns_of_clones(entry):
    # The same words everywhere, as the same happens everywhere.
    words = inspect.getdoc(type(made(entry))).split("seed: Integer that makes", 1)[1]
    stated = re.split(r"\n    \w+: |\n\n", words)[0].split()
    assert " ".join(stated) == (
        "the draws reproducible. Defaults to a random one. Warning: `keras.models.clone_model` "
        "gives every layer its own copy of a shared instance, and copies of a seeded one all start "
        "at the same draw, so that layers of equal shape come out identical. In models to be "
        "cloned, give each layer an instance with its own seed."
    )


# --- Configs and files ---------------------------------------------------------------------------


@every()
@pytest.mark.parametrize("seed", [None, 5])
def test_config_round_trip(entry, seed):
    initializer = made(entry, seed)
    config = keras.saving.serialize_keras_object(initializer)
    assert config["registered_name"] == f"kerastricks>{type(initializer).__name__}"
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(again) is type(initializer)
    assert again.get_config() == initializer.get_config()
    if entry.random:
        assert initializer.get_config()["seed"] == seed


OPEN_ELSEWHERE = """
import json, sys
import kerastricks
import keras
import numpy as np

model = keras.saving.load_model(sys.argv[1])
np.savez(sys.argv[2], *model.get_weights())
layers = model.layers[1:]
start = [keras.saving.serialize_keras_object(layer.kernel_initializer) for layer in layers]
print(json.dumps(start))
"""


@pytest.mark.compiling
def test_a_saved_model_opens_in_a_process_that_only_imported_the_package(tmp_path):
    inputs = keras.Input((4, DRAWN[1]))
    # Whatever the kernel's axes stand for to the initializer, a Conv1D has such a kernel.
    layers = [
        keras.layers.Conv1D(
            DRAWN[2], DRAWN[0], padding="same", use_bias=False, kernel_initializer=made(entry, 5)
        )
        for entry in INITIALIZERS.values()
    ]
    model = keras.Model(inputs, [layer(inputs) for layer in layers])
    for layer, entry in zip(layers, INITIALIZERS.values(), strict=True):
        np.testing.assert_array_equal(array(layer.kernel), array(made(entry, 5)(DRAWN)))

    model.save(tmp_path / "model.keras")
    paths = [str(tmp_path / "model.keras"), str(tmp_path / "weights.npz")]
    run = subprocess.run(
        [sys.executable, "-c", OPEN_ELSEWHERE, *paths],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    weights = list(np.load(tmp_path / "weights.npz").values())
    for weight, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    starts = json.loads(run.stdout.splitlines()[-1])
    for start, entry in zip(starts, INITIALIZERS.values(), strict=True):
        assert start == json.loads(json.dumps(keras.saving.serialize_keras_object(made(entry, 5))))
