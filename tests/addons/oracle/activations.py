"""The activation functions: values, and gradients of a weighted sum."""

import numpy as np
import tensorflow as tf

INPUTS = {
    "grid": np.linspace(-6, 6, 49),
    "normal": np.random.default_rng(0).normal(0, 3, size=(3, 4, 5)),
    "bounds": np.array([-1.0, -0.5, -0.25, -0.0, 0.0, 0.25, 0.5, 1.0]),
    "extreme": np.array([-np.inf, -1e4, 1e-4, 1e4, np.inf, np.nan]),
}
LOGITS = {
    "normal": np.random.default_rng(1).normal(0, 1.5, size=(4, 5, 6)),
    "ties": np.array([[1.0, 1.0, 0.5, 0.5], [2.0, 2.0, 2.0, 2.0], [0.0, 1.0, 1.0, -1.0]]),
    "masked": np.array([[0.5, -np.inf, 0.25], [-np.inf, 3.0, 2.5], [-np.inf] * 3]),
    "undefined": np.array([[np.nan, 0.0, 1.0], [np.inf, 0.0, 1.0], [0.0, 0.5, 1.0]]),
    "far": np.array([[1000.0, 1000.25, 999.75], [-1000.0, 1000.0, 1000.5]]),
    "large": 3e7 + 4.0 * np.array([[0, 0, 1], [2, 2, 2]]),
    "vector": np.array([0.1, 0.7, -0.3]),
    "one": np.array([[5.0], [-2.0]]),
}
AXES = {"normal": (-1, 0, 1, 2, -2), "ties": (-1, 0)}


def functions(tfa):
    """Name -> function of one tensor."""
    a = tfa.activations
    return {
        "gelu": a.gelu,
        "gelu-exact": lambda x: a.gelu(x, approximate=False),
        "hardshrink": a.hardshrink,
        "hardshrink-bounds": lambda x: a.hardshrink(x, -1.0, 0.25),
        "hardshrink-point": lambda x: a.hardshrink(x, lower=0.5, upper=0.5),
        "lisht": a.lisht,
        "mish": a.mish,
        "rrelu": a.rrelu,
        "rrelu-inference": lambda x: a.rrelu(x, 0.1, 0.9, training=False),
        "rrelu-training": lambda x: a.rrelu(x, 0.25, 0.25, training=True, seed=1),
        "snake": a.snake,
        "snake-slow": lambda x: a.snake(x, 0.25),
        "snake-fast": lambda x: a.snake(x, frequency=3),
        "softshrink": a.softshrink,
        "softshrink-bounds": lambda x: a.softshrink(x, -1.0, 0.25),
        "softshrink-positive": lambda x: a.softshrink(x, lower=0.25, upper=0.5),
        "tanhshrink": a.tanhshrink,
    }


def value_and_gradient(function, x, dtype):
    x = tf.constant(x, dtype)
    weights = tf.constant(np.random.default_rng(2).normal(size=x.shape), dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
        total = tf.reduce_sum(tf.convert_to_tensor(y) * weights)
    return np.asarray(y), np.asarray(tape.gradient(total, x))


def compute(tfa):
    values = {}
    for dtype in ("float16", "float32", "float64"):
        for name, function in functions(tfa).items():
            for which, x in INPUTS.items():
                key = f"{name}/{which}/{dtype}"
                values[key], gradient = value_and_gradient(function, x, dtype)
                if which != "extreme":
                    values[f"{key}/gradient"] = gradient
        for which, logits in LOGITS.items():
            if dtype == "float16":  # the real one has no kernel for it
                continue
            for axis in AXES.get(which, (-1,)):
                key = f"sparsemax{axis}/{which}/{dtype}"
                values[key], gradient = value_and_gradient(
                    lambda x, axis=axis: tfa.activations.sparsemax(x, axis=axis), logits, dtype
                )
                if which not in ("masked", "undefined"):
                    values[f"{key}/gradient"] = gradient
    return values
