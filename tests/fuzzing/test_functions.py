"""Initializers, theory, and the functions of addons, with arguments drawn from their signatures.

A clear error, or numbers in the range, shape and dtype that were promised.
"""

import importlib.util
import json
import math
from pathlib import Path

import keras
import numpy as np
from hypothesis import strategies as st

import kerastricks as kt
import kerastricks.addons as tfa

SPEC = importlib.util.spec_from_file_location("arguments", Path(__file__).with_name("arguments.py"))
arguments = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(arguments)
amounts, drawn_from, numbers = arguments.amounts, arguments.drawn_from, arguments.numbers

INITIALIZERS = [getattr(kt.initializers, name) for name in kt.initializers.__all__]
KERNELS = st.lists(st.integers(1, 5), min_size=2, max_size=4).map(lambda sizes: [*sizes, 6])
SIZES = (
    KERNELS
    | KERNELS
    | KERNELS
    | st.sampled_from([(5,), [], [0, 3], [2, -1], (3.5, 2), [2**40, 2**40], "shape", None])
)


@amounts(10, 250)
def test_initializers(examples, fuzz, attempted, count):
    def hold(drawn):
        kind, given, shape, dtype = drawn
        initializer = attempted(lambda: kind(**given))
        if initializer is None:
            return
        values = attempted(lambda: initializer(shape, dtype=dtype))
        if values is None:
            return
        told = f"{kind.__name__}(**{given}) of {shape}"
        assert tuple(values.shape) == tuple(shape), told
        assert keras.backend.standardize_dtype(values.dtype) == dtype, told
        assert np.isfinite(numbers(values)).all(), told
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(initializer)))
        again = keras.saving.deserialize_keras_object(config)
        assert again.get_config() == initializer.get_config(), told
        if "seed" not in again.get_config() or again.seed is not None:
            np.testing.assert_array_equal(
                numbers(again(shape, dtype=dtype)), numbers(values), err_msg=told
            )
        count("right", kind)

    kinds = INITIALIZERS if examples > 10 * len(INITIALIZERS) else ()
    dtypes = st.sampled_from(["float32", "float32", "float16", "bfloat16", "float64", "int32"])

    def drawn(some):
        return drawn_from(some, SIZES, dtypes)

    fuzz(drawn(INITIALIZERS), examples, hold, kinds, drawn)


def between(low, high, length=None):
    def judge(result, given):
        result = np.asarray(result, "float64")
        if length is not None:
            assert result.shape == (length(given),)
        assert (low <= result).all()
        assert (result <= high).all()

    return judge


def variances(result, given):
    """Infinite where they leave double precision, and all behind."""
    between(0, math.inf, lambda given: len(given["widths"]) - 1)(result, given)
    assert np.isfinite(result).all() or np.isinf(result[np.isinf(result).argmax() :]).all()


def scales(result, given):
    assert 0 <= result.q_star < math.inf
    assert 0 <= result.chi_1 < math.inf
    # Of signals that vanish there is no correlation.
    assert math.isnan(result.c_star) if result.q_star == 0 else -1 <= result.c_star <= 1
    assert min(result.xi_q, result.xi_c) >= 0


def bounds(result, given):
    assert 0 <= result.lower <= result.upper <= 1


TINY = np.finfo(float).tiny
THEORY = {
    "asymmetric_stddev": between(TINY, 1e300),
    "born_dead_probability": bounds,
    "compute_fans": between(1, 1e300),
    "correlation_map": between(-1, 1),
    "correlation_through_depth": between(-1, 1, lambda given: given["depth"]),
    "depth_scale": scales,
    "dropout_variance_shift": between(TINY, 1),
    "gain": between(TINY, 1e300),
    "he_stddev": between(TINY, 1e300),
    "lecun_stddev": between(TINY, 1e300),
    "rectifier_gain": between(0, 2**0.5),
    "tailored_slope": between(TINY, 1),
    "variance_through_depth": variances,
    "xavier_stddev": between(TINY, 1e300),
}
OF_THEORY = {
    "activation": st.sampled_from(["relu", "tanh", "sigmoid", "linear", np.tanh, abs, math.exp]),
    "correlation": st.floats(-1, 1) | st.lists(st.floats(-1, 1), max_size=3).map(np.array),
    "depth": st.integers(1, 60),
    "fan_in": st.floats(1, 1e6),
    "fan_out": st.floats(1, 1e6),
    "keep": st.floats(0.125, 1),
    "kernel": st.sampled_from(["convolution", "convolution", "depthwise", "abc,cd->abd"]),
    "network": st.sampled_from([None, lambda one: one(one(0.0)), lambda one: "nonsense"]),
    "shape": SIZES,
    "weights": st.sampled_from([None, np.ones(3), np.eye(3, 2), np.zeros(3), [np.nan, 1]]),
    "weight_variance": st.floats(0.125, 3),
    "widths": st.lists(st.integers(1, 60), min_size=1, max_size=5),
}


@amounts(25, 500)
def test_theory(examples, fuzz, attempted, count):
    functions = [getattr(kt.theory, name) for name in THEORY]
    assert {*THEORY, "TRUNCATED_NORMAL_STDDEV"} == set(kt.theory.__all__)

    def hold(drawn):
        function, given = drawn
        result = attempted(lambda: function(**given))
        if result is not None:
            THEORY[function.__name__](result, given)
            count("right", function)

    kinds = functions if examples > 10 * len(functions) else ()

    def drawn(some):
        return drawn_from(some, named=OF_THEORY)

    fuzz(drawn(functions), examples, hold, kinds, drawn)


ARRAYS = st.tuples(
    st.sampled_from(["float32", "float32", "float16", "bfloat16", "float64"]),
    st.sampled_from([(5,), (2, 3), (0, 3), (2, 1, 4), ()]),
    st.lists(
        st.floats(-20, 20, width=16)
        | st.sampled_from([0.0, -0.0, 1e-40, 6e4, -6e4, 1e30, -1e30, 3.4e38, -3.4e38]),
        min_size=8,
        max_size=8,
    ),
).map(lambda drawn: array(*drawn))


def array(dtype, shape, values):
    limit = 6.5e4 if dtype == "float16" else 3.38e38
    values = np.resize(np.clip(values, -limit, limit), shape)
    return keras.ops.cast(keras.ops.convert_to_tensor(values), dtype)


ACTIVATIONS = [getattr(tfa.activations, name) for name in tfa.activations.__all__]
OF_ACTIVATIONS = {
    "x": ARRAYS,
    "logits": ARRAYS,
    "frequency": st.floats(0.125, 1, width=16),
    "lower": st.floats(-2, 0, width=16),
    "upper": st.floats(0, 2, width=16),
    "rng": st.none(),
    "axis": st.sampled_from([-1, 0, 1]),
}


@amounts(20, 300)
def test_activations(examples, fuzz, attempted, count):
    def hold(drawn):
        function, given = drawn
        x = given.get("x", given.get("logits"))
        y = attempted(lambda: function(**given))
        if y is None:
            return
        told = f"{function.__name__}(**{given})"
        if hasattr(x, "shape"):
            assert tuple(y.shape) == tuple(x.shape), told
            dtype = keras.backend.standardize_dtype(x.dtype)
            assert keras.backend.standardize_dtype(y.dtype) == dtype, told
            assert np.isfinite(numbers(keras.ops.cast(y, "float64"))).all(), f"{told} gives {y}"
        count("right", function)

    kinds = ACTIVATIONS if examples > 10 * len(ACTIVATIONS) else ()

    def drawn(some):
        return drawn_from(some, named=OF_ACTIVATIONS)

    fuzz(drawn(ACTIVATIONS), examples, hold, kinds, drawn)


def pictures(dtypes=("uint8", "int32", "float32", "float16"), shapes=None):
    shapes = shapes or [(2, 6, 5, 3), (2, 6, 5, 3), (6, 5, 3), (6, 5), (0, 6, 5, 3), (1, 1, 1, 1)]

    def picture(dtype, shape):
        values = np.random.default_rng(0).integers(0, 256, shape)
        return (values / 255 if "float" in dtype else values).astype(dtype)

    return st.builds(picture, st.sampled_from(dtypes), st.sampled_from(shapes))


MATRICES = [[1.0, 0.2, 1, -0.1, 1, 2, 0, 0]]
PAIRS = st.tuples(st.integers(1, 6), st.integers(1, 6))
OF_IMAGES = {
    **dict.fromkeys(("image", "images", "image1", "image2"), pictures()),
    "grid": pictures(["float32", "float16"], [(2, 6, 5, 3), (1, 2, 2, 1)]),
    "angles": st.floats(-7, 7, width=16) | st.sampled_from([[0.5], [0.5, -1.0]]),
    "bins": st.integers(2, 300),
    "constant_values": st.integers(0, 9),
    "delta_hue": st.floats(-4, 4, width=16),
    "dtype": st.sampled_from(["float32", "float16"]),
    "factor": st.floats(-1, 3, width=16),
    "fill_mode": st.sampled_from(["constant", "reflect", "wrap", "nearest"]),
    "fill_value": st.floats(0, 9, width=16),
    "filter_shape": PAIRS | st.integers(1, 5),
    "flow": st.sampled_from([np.ones((2, 6, 5, 2), "float32"), np.full((2, 6, 5, 2), 1e4, "f")]),
    "image_height": st.integers(1, 9),
    "image_width": st.integers(1, 9),
    "indexing": st.sampled_from(["ij", "xy"]),
    "interpolation": st.sampled_from(["nearest", "bilinear"]),
    "level": st.floats(-2, 2, width=16),
    "mask_size": st.sampled_from([2, 4, (2, 4), (4, 2)]),
    "max_delta_hue": st.floats(0, 3, width=16),
    "name": st.none(),
    "offset": st.sampled_from([(0, 0), (2, 3), [[1, 1], [2, 2]]]),
    "output_shape": st.sampled_from([None, (4, 7), (1, 1)]),
    "padding": st.sampled_from(["REFLECT", "constant", "SYMMETRIC"]),
    "query_points": st.sampled_from([np.ones((2, 4, 2), "f"), np.full((1, 1, 2), 1e6, "f")]),
    "replace": st.sampled_from([0, 1, [1, 2, 3]]),
    "scale_saturation": st.floats(0, 3, width=16),
    "scale_value": st.floats(0, 3, width=16),
    "seed": st.none() | st.integers(0, 9) | st.just((1, 2)),
    "sigma": st.sampled_from([0, 0.5, 1, (1, 2), 100]),
    "transforms": st.sampled_from([MATRICES, MATRICES * 2, MATRICES[0], [MATRICES[0], MATRICES]]),
    "translate_to": st.sampled_from([(1, 2), (-9, 9)]),
    "translations": st.sampled_from([(1.5, 2), [[1, 2], [3, -40]]]),
}
IMAGE_FUNCTIONS = [getattr(tfa.image, name) for name in tfa.image.__all__]
OF_ANOTHER_SHAPE = {
    "angles_to_projective_transforms",
    "blend",  # numbers are images too
    "compose_transforms",
    "interpolate_bilinear",
    "translations_to_projective_transforms",
}
OF_ANOTHER_DTYPE = {"connected_components", "euclidean_dist_transform"}


@amounts(30, 500)
def test_images(examples, fuzz, attempted, count):
    def hold(drawn):
        function, given = drawn
        out = attempted(lambda: function(**given))
        if out is None:
            return
        name = function.__name__
        told = f"{name}(**{ {k: getattr(v, 'shape', v) for k, v in given.items()} })"
        sound = all(
            np.isfinite(v).all() for v in given.values() if isinstance(v, float | int | np.ndarray)
        )
        assert not sound or np.isfinite(numbers(out)).all(), told
        image = next((given[each] for each in ("image", "images", "image1") if each in given), None)
        if name not in OF_ANOTHER_SHAPE and hasattr(image, "shape"):
            shape = image.shape
            if name == "transform" and given.get("output_shape") is not None:
                height, width = given["output_shape"]
                top = 0 if image.ndim < 4 else 1
                shape = (*shape[:top], height, width, *shape[top + 2 :])
            assert tuple(out.shape) == shape, told
            if name not in OF_ANOTHER_DTYPE:
                assert keras.backend.standardize_dtype(out.dtype) == str(image.dtype), told
        count("right", function)

    kinds = IMAGE_FUNCTIONS if examples > 10 * len(IMAGE_FUNCTIONS) else ()

    def drawn(some):
        return drawn_from(some, named=OF_IMAGES)

    fuzz(drawn(IMAGE_FUNCTIONS), examples, hold, kinds, drawn)
