"""The layers: outputs, gradients, weights before and after steps, configs, and files."""

import json
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

OLD = int(keras.__version__.split(".")[0]) < 3


def normal(*shape):
    return np.random.default_rng(len(shape)).normal(0.3, 1.2, size=shape)


def integers(*shape):
    return np.random.default_rng(3).integers(0, 7, size=shape)


def cases(tfa):
    """Name -> (how to make the layer, given `dtype`; what to call it on)."""
    t, k = tfa.layers, keras.layers
    image = normal(3, 4, 6, 8)

    def of(make, *arguments, **keywords):
        return lambda dtype, name: make(*arguments, **keywords, dtype=dtype, name=name)

    def wrapped(wrapper, inner, *arguments, **keywords):
        # The inner layer needs the type too: it holds the kernel.
        return lambda dtype, name: wrapper(
            inner(dtype, "inner"), *arguments, **keywords, dtype=dtype, name=name
        )

    table = {
        "GELU": (of(t.GELU), normal(3, 5)),
        "GELU-exact": (of(t.GELU, approximate=False), normal(3, 5)),
        "Snake": (of(t.Snake), normal(3, 5)),
        "Snake-initializer": (of(t.Snake, frequency_initializer="ones"), image),
        "Sparsemax": (of(t.Sparsemax), normal(3, 5)),
        "Sparsemax-axis": (of(t.Sparsemax, axis=1), image),
        "TLU": (of(t.TLU), image),
        "TLU-vector": (of(t.TLU), normal(6, 5)),
        "TLU-affine": (of(t.TLU, affine=True), image),
        "TLU-regularized": (
            of(t.TLU, affine=True, tau_regularizer="l2", alpha_constraint="non_neg"),
            image,
        ),
        "FilterResponseNormalization": (of(t.FilterResponseNormalization), image),
        "FilterResponseNormalization-epsilon": (
            of(t.FilterResponseNormalization, epsilon=-0.5),
            image,
        ),
        "FilterResponseNormalization-learned": (
            of(t.FilterResponseNormalization, learned_epsilon=True, axis=[1, 2]),
            image,
        ),
        "FilterResponseNormalization-constraint": (
            of(
                t.FilterResponseNormalization,
                learned_epsilon=True,
                learned_epsilon_constraint="non_neg",
                gamma_regularizer="l2",
            ),
            image,
        ),
        "InstanceNormalization": (of(t.InstanceNormalization), image),
        "InstanceNormalization-plain": (
            of(t.InstanceNormalization, center=False, scale=False, epsilon=1e-5),
            image,
        ),
        "InstanceNormalization-axis": (of(t.InstanceNormalization, axis=1), image),
        "InstanceNormalization-sequence": (of(t.InstanceNormalization), normal(3, 7, 4)),
        "InstanceNormalization-from-end": (of(t.InstanceNormalization, axis=-2), image),
        "GroupNormalization": (of(t.GroupNormalization, 2), image),
        "GroupNormalization-all": (of(t.GroupNormalization, 1), image),
        "GroupNormalization-instance": (of(t.GroupNormalization, -1), image),
        "GroupNormalization-axis": (of(t.GroupNormalization, groups=3, axis=2), image),
        "GroupNormalization-from-end": (of(t.GroupNormalization, groups=3, axis=-2), image),
        "GroupNormalization-vector": (
            of(t.GroupNormalization, groups=2, epsilon=0.1),
            normal(3, 6),
        ),
        "GroupNormalization-center": (of(t.GroupNormalization, groups=4, scale=False), image),
        "GroupNormalization-scale": (of(t.GroupNormalization, groups=4, center=False), image),
        "Maxout": (of(t.Maxout, 4), image),
        "Maxout-one": (of(t.Maxout, num_units=1), normal(3, 5)),
        "Maxout-all": (of(t.Maxout, num_units=5), normal(3, 5)),
        "Maxout-axis": (of(t.Maxout, 3, axis=2), image),
        "Maxout-from-end": (of(t.Maxout, 2, axis=-3), image),
        "NoisyDense": (of(t.NoisyDense, 3), normal(3, 5)),
        "NoisyDense-independent": (
            of(t.NoisyDense, 3, sigma=0.1, use_factorised=False, activation="tanh"),
            normal(3, 5),
        ),
        "NoisyDense-rank": (of(t.NoisyDense, 3, activation="relu"), image),
        "PolynomialCrossing": (of(t.PolynomialCrossing), (normal(3, 6), normal(3, 6) + 1)),
        "PolynomialCrossing-low": (
            of(t.PolynomialCrossing, projection_dim=2, diag_scale=0.5),
            (normal(3, 6), normal(3, 6) + 1),
        ),
        "PolynomialCrossing-plain": (
            of(t.PolynomialCrossing, use_bias=False, kernel_regularizer="l2"),
            (normal(3, 6), normal(3, 6) + 1),
        ),
        "StochasticDepth-never": (of(t.StochasticDepth, 0.0), [image, image + 1]),
        "StochasticDepth-always": (of(t.StochasticDepth, 1.0), [image, image + 1]),
        "SpatialPyramidPooling2D": (of(t.SpatialPyramidPooling2D, [1, 3]), image),
        "SpatialPyramidPooling2D-pairs": (of(t.SpatialPyramidPooling2D, [[2, 3], (4, 1)]), image),
        "SpatialPyramidPooling2D-first": (
            of(t.SpatialPyramidPooling2D, (2, 5), data_format="channels_first"),
            image,
        ),
        "WeightNormalization": (
            wrapped(t.WeightNormalization, of(k.Dense, 3), data_init=False),
            normal(5, 4),
        ),
        "WeightNormalization-conv": (
            wrapped(t.WeightNormalization, of(k.Conv2D, 3, 2, activation="relu"), data_init=False),
            image,
        ),
        "WeightNormalization-data": (
            wrapped(t.WeightNormalization, of(k.Conv2D, 3, 2, activation="relu")),
            image,
        ),
        "WeightNormalization-data-plain": (
            wrapped(t.WeightNormalization, of(k.Dense, 3, use_bias=False)),
            normal(5, 4),
        ),
        "WeightNormalization-recurrent": (
            wrapped(t.WeightNormalization, of(k.SimpleRNN, 3), data_init=False),
            normal(4, 5, 2),
        ),
        "WeightNormalization-lstm": (
            wrapped(t.WeightNormalization, of(k.LSTM, 3, return_sequences=True), data_init=False),
            normal(4, 5, 2),
        ),
        "WeightNormalization-recurrent-data": (
            wrapped(t.WeightNormalization, of(k.LSTM, 3)),
            normal(4, 5, 2),
        ),
        "SpectralNormalization": (wrapped(t.SpectralNormalization, of(k.Dense, 3)), normal(5, 4)),
        "SpectralNormalization-conv": (
            wrapped(t.SpectralNormalization, of(k.Conv2D, 3, 2), power_iterations=3),
            image,
        ),
        "SpectralNormalization-transposed": (
            wrapped(t.SpectralNormalization, of(k.Conv2DTranspose, 3, 2, use_bias=False)),
            image,
        ),
        "SpectralNormalization-embedding": (
            wrapped(t.SpectralNormalization, of(k.Embedding, 7, 4)),
            integers(3, 5),
        ),
    }
    for kind in ("Average", "Max"):
        for rank, sizes in ((1, (2, [3], 6)), (2, (2, (2, 3), 1)), (3, (2, (2, 1, 3)))):
            for number, size in enumerate(sizes):
                name = f"Adaptive{kind}Pooling{rank}D"
                shape = (6,) * rank
                for where, each in (("last", (2, *shape, 3)), ("first", (2, 3, *shape))):
                    table[f"{name}-{number}-{where}"] = (
                        of(getattr(t, name), size, data_format=f"channels_{where}"),
                        normal(*each),
                    )
    return table


def weights_of(layer):
    """In the order of .h5 files."""
    return layer.trainable_weights + layer.non_trainable_weights


def base_name(weight):
    return weight.name.split("/")[-1].split(":")[0]


def set_weights(layer):
    """The same values here and there: by name, place and shape alone."""
    first = {}
    for number, weight in enumerate(weights_of(layer)):
        name, shape = base_name(weight), tuple(weight.shape)
        if name == "initialized":
            continue
        value = np.random.default_rng(100 + number).normal(0.2, 0.7, size=shape)
        if "-data" in layer.name:
            # With lengths of 1 the real one's first values are the paper's.
            if name in ("kernel", "recurrent_kernel"):
                axes = tuple(range(value.ndim - 1))
                value /= np.sqrt(np.sum(value**2, axis=axes, keepdims=True))
            else:
                value = {"g": np.ones, "bias": np.zeros}[name](shape)
            value = first.setdefault(name, value)  # the copy of the wrapped layer is one
        weight.assign(value)


def tensors(x, dtype):
    if isinstance(x, (list, tuple)):
        return type(x)(tensors(each, dtype) for each in x)
    return tf.constant(x, dtype if x.dtype.kind == "f" else "int32")


def stepped(layer, x, training):
    """Outputs and gradients of one step; then the weights move along the gradients."""
    takes = {"training": training} if type(layer).__name__ in TRAINING else {}
    watched = [each for each in tf.nest.flatten(x) if each.dtype.is_floating]
    trained = list(layer.trainable_weights)
    with tf.GradientTape() as tape:
        for each in watched:
            tape.watch(each)
        y = layer(x, **takes)
        weights = np.random.default_rng(9).normal(size=y.shape)
        total = tf.reduce_sum(tf.cast(y, "float64") * weights)
    if type(layer).__name__.endswith("Pooling3D"):
        return y, []  # the real one cannot: TensorFlow broadcasts no tensors of so many axes
    watched += trained if OLD else [weight.value for weight in trained]
    gradients = [tf.convert_to_tensor(each) for each in tape.gradient(total, watched)]
    for weight, gradient in zip(reversed(trained), reversed(gradients), strict=False):
        weight.assign(tf.convert_to_tensor(weight) - 0.1 * tf.cast(gradient, weight.dtype))
    return y, gradients


TRAINING = ("StochasticDepth", "SpectralNormalization")


def compute(tfa):
    values = {}
    for name, (make, inputs) in cases(tfa).items():
        for dtype in ("float32", "float64", "mixed_float16"):
            if dtype == "mixed_float16" and name.startswith(NOT_MIXED):
                continue
            layer = make(dtype, name)
            x = tensors(inputs, dtype.replace("mixed_", ""))
            build(layer, x)
            set_weights(layer)
            if dtype == "float32":
                values[f"{name}/config"] = np.array(json.dumps(layer.get_config(), default=str))
                values[f"{name}/weights"] = np.array(
                    json.dumps(
                        [
                            (base_name(w), list(w.shape), str(np.asarray(w).dtype), trains)
                            for weights, trains in (
                                (layer.trainable_weights, True),
                                (layer.non_trainable_weights, False),
                            )
                            for w in weights
                        ]
                    )
                )
            # In half precision roundings add up from step to step.
            phases = (False,) if dtype == "mixed_float16" else (False, True, True)
            for step, training in enumerate(phases):
                key = f"{name}/{dtype}/{step}"
                y, gradients = stepped(layer, x, training)
                values[f"{key}/outputs"] = np.asarray(y)
                if dtype == "mixed_float16":
                    continue
                for number, gradient in enumerate(gradients):
                    values[f"{key}/gradient{number}"] = np.asarray(gradient)
                for number, weight in enumerate(weights_of(layer)):
                    if "-data" not in name or number < 3:
                        values[f"{key}/weight{number}"] = np.asarray(weight)
    if OLD:
        values |= files(tfa)
    return values


NOT_MIXED = (
    "FilterResponseNormalization",
    "Sparsemax",
    "WeightNormalization",
    "SpectralNormalization",
)
"""What the real ones do not do in mixed precision, or with other roundings in each step."""


def build(layer, x):
    shapes = [tuple(each.shape) for each in tf.nest.flatten(x)]
    if not layer.built:
        layer.build(shapes if isinstance(x, (list, tuple)) else shapes[0])


FILES = (
    "FilterResponseNormalization-learned",
    "InstanceNormalization",
    "NoisyDense",
    "Snake",
    "SpectralNormalization-conv",
    "SpectralNormalization-embedding",
    "TLU-affine",
    "WeightNormalization-conv",
    "WeightNormalization-data",
    "WeightNormalization-data-plain",
    "WeightNormalization-lstm",
)


def files(tfa):
    """The weights of models in both of Keras 2's formats, as bytes, and what the models predict."""
    values = {}
    for name in FILES:
        make, x = cases(tfa)[name]
        model = keras.Sequential([keras.Input(x.shape[1:]), make("float32", name)])
        model.compile("sgd", "mse")
        x = x.astype("float32")
        model.fit(x, np.asarray(model(x)) + 1, verbose=0)
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder) / "model.keras")
            with zipfile.ZipFile(Path(folder) / "model.keras") as archive:
                values[f"file/{name}/keras"] = np.frombuffer(
                    archive.read("model.weights.h5"), np.uint8
                )
            model.save_weights(Path(folder) / "weights.h5")
            values[f"file/{name}/h5"] = np.frombuffer(
                (Path(folder) / "weights.h5").read_bytes(), np.uint8
            )
        values[f"file/{name}/predictions"] = model.predict(x, verbose=0)
    return values
