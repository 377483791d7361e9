"""Models of every public layer, the formats that they are exported to, and what runs these."""

import math
import warnings
from functools import partial

import keras
import numpy as np
import pytest

import kerastricks as kt
import kerastricks.addons as tfa

A, K, L = tfa.layers, kt.augment, kt.layers
BACKEND = keras.backend.backend()
VECTOR, IMAGE = (6,), (6, 8, 4)
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
"""Of float32: other kernels, and batch norm folded into other layers, round otherwise."""


def pipeline():
    return K.Pipeline(
        [K.RandomFlip("horizontal"), K.RandomRotation(15), K.ColorJitter(0.2, hue=0.1)],
        value_range=(-4, 4),
        output_dtype="float32",
    )


def wrapped(wrapper, **arguments):
    return wrapper(keras.layers.Conv2D(3, 2, activation="relu"), **arguments)


LAYERS = {
    "layers.BatchNormalization": (L.BatchNormalization, IMAGE),
    "layers.Dropout": (partial(L.Dropout, 0.3), VECTOR),
    "layers.DropBlock2D": (partial(L.DropBlock2D, 0.3, block_size=3), IMAGE),
    "layers.DropPath": (partial(L.DropPath, 0.3), IMAGE),
    "layers.LeakyReLU": (L.LeakyReLU, VECTOR),
    "layers.MonteCarloDropout": (partial(L.MonteCarloDropout, 0.3, seed=1), (200,)),
    "layers.PReLU": (partial(L.PReLU, shared_axes=[1, 2]), IMAGE),
    "layers.RandomizedLeakyReLU": (L.RandomizedLeakyReLU, VECTOR),
    "layers.TailoredReLU": (partial(L.TailoredReLU, 50), VECTOR),
    "layers.VeryLeakyReLU": (L.VeryLeakyReLU, VECTOR),
    "augment.Pipeline": (pipeline, (6, 8, 3)),
    "addons.layers.AdaptiveAveragePooling1D": (partial(A.AdaptiveAveragePooling1D, 2), (6, 3)),
    "addons.layers.AdaptiveAveragePooling2D": (partial(A.AdaptiveAveragePooling2D, 2), IMAGE),
    "addons.layers.AdaptiveAveragePooling3D": (
        partial(A.AdaptiveAveragePooling3D, 2),
        (4, 2, 2, 3),
    ),
    "addons.layers.AdaptiveMaxPooling1D": (partial(A.AdaptiveMaxPooling1D, 2), (6, 3)),
    "addons.layers.AdaptiveMaxPooling2D": (partial(A.AdaptiveMaxPooling2D, 2), IMAGE),
    "addons.layers.AdaptiveMaxPooling3D": (partial(A.AdaptiveMaxPooling3D, 2), (4, 2, 2, 3)),
    "addons.layers.FilterResponseNormalization": (A.FilterResponseNormalization, IMAGE),
    "addons.layers.GELU": (A.GELU, VECTOR),
    "addons.layers.GroupNormalization": (partial(A.GroupNormalization, 2), IMAGE),
    "addons.layers.InstanceNormalization": (A.InstanceNormalization, IMAGE),
    "addons.layers.Maxout": (partial(A.Maxout, 2), IMAGE),
    "addons.layers.NoisyDense": (partial(A.NoisyDense, 3), VECTOR),
    "addons.layers.PolynomialCrossing": (A.PolynomialCrossing, VECTOR),
    "addons.layers.Snake": (A.Snake, VECTOR),
    "addons.layers.Sparsemax": (A.Sparsemax, VECTOR),
    "addons.layers.SpatialPyramidPooling2D": (partial(A.SpatialPyramidPooling2D, [1, 2]), IMAGE),
    "addons.layers.SpectralNormalization": (partial(wrapped, A.SpectralNormalization), IMAGE),
    "addons.layers.StochasticDepth": (A.StochasticDepth, IMAGE),
    "addons.layers.TLU": (partial(A.TLU, affine=True), IMAGE),
    "addons.layers.WeightNormalization": (
        partial(wrapped, A.WeightNormalization, data_init=False),
        IMAGE,
    ),
}
PAIRS = ("addons.layers.PolynomialCrossing", "addons.layers.StochasticDepth")
AUGMENTS = "augment.Pipeline"
DRAWS = "layers.MonteCarloDropout"
"""Draws random numbers at inference, so that two calls of it never agree."""
RANDOM = {DRAWS, AUGMENTS}
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="is so on TensorFlow")


def samples(shape, number=5):
    return np.random.default_rng(0).normal(size=(number, *shape)).astype("float32")


def called(name, inputs):
    layer = LAYERS[name][0]()
    return layer([inputs, inputs] if name in PAIRS else inputs)


def settled(model):
    """The model with weights as a training would leave them, none zero or one."""
    random = np.random.default_rng(1)
    for weight in model.weights:
        if "float" in weight.dtype and not weight.path.endswith("sn_u"):
            weight.assign(random.uniform(0.3, 0.9, weight.shape))
    return model


def model_of(name):
    inputs = keras.Input(LAYERS[name][1])
    return settled(keras.Model(inputs, called(name, inputs)))


def written(model, path, **arguments):
    """The path, to which the model has been exported."""
    with warnings.catch_warnings():
        # JAX, torch and tf2onnx go through what others have deprecated.
        if BACKEND != "tensorflow" or arguments.get("format") == "onnx":
            warnings.simplefilter("ignore")
        model.export(str(path), verbose=False, **arguments)
    return str(path)


class SavedModel:
    """Files of TensorFlow, run by TensorFlow."""

    def __init__(self, model, folder):
        tf = pytest.importorskip("tensorflow")
        self.loaded = tf.saved_model.load(written(model, folder / "saved"))

    def __call__(self, x):
        return np.asarray(self.loaded.serve(x))


class LiteRT:
    """A file of LiteRT, run by it without TensorFlow's own operations."""

    def __init__(self, model, folder, delegate=True):
        interpreter = pytest.importorskip("ai_edge_litert.interpreter")
        path = written(model, folder / "model.tflite", format="litert")
        kinds = interpreter.OpResolverType
        kind = kinds.AUTO if delegate else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self.interpreter = interpreter.Interpreter(path, experimental_op_resolver_type=kind)

    def __call__(self, x):
        (given,) = self.interpreter.get_input_details()
        (result,) = self.interpreter.get_output_details()
        self.interpreter.resize_tensor_input(given["index"], x.shape)
        self.interpreter.allocate_tensors()
        self.interpreter.set_tensor(given["index"], x)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(result["index"])


class ONNX:
    """An ONNX file, run by ONNX Runtime."""

    def __init__(self, model, folder):
        runtime = pytest.importorskip("onnxruntime")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # They go through what numpy has deprecated.
            pytest.importorskip(EXPORTERS[BACKEND])
        path = written(model, folder / "model.onnx", format="onnx")
        self.session = runtime.InferenceSession(path)

    def __call__(self, x):
        (given,) = self.session.get_inputs()
        return self.session.run(None, {given.name: x})[0]


EXPORTERS = {"tensorflow": "tf2onnx", "jax": "jax2onnx", "torch": "onnx"}
"""What Keras leaves the writing of ONNX files to."""
FORMATS = {
    "tensorflow": {"SavedModel": SavedModel, "LiteRT": LiteRT, "ONNX": ONNX},
    "jax": {"SavedModel": SavedModel, "ONNX": ONNX},
    "torch": {"ONNX": ONNX},
}[BACKEND]


def together(names):
    """A model that gives, by name, what each of the layers makes of one image."""
    inputs = keras.Input(IMAGE)
    vector = keras.layers.GlobalAveragePooling2D()(inputs)

    def shaped(shape):
        if shape == IMAGE:
            return inputs
        return keras.layers.Reshape(shape)(keras.layers.Dense(math.prod(shape))(vector))

    parts = [keras.layers.Flatten()(called(name, shaped(LAYERS[name][1]))) for name in names]
    outputs = keras.layers.Concatenate()(parts)
    return settled(keras.Model(inputs, outputs)), np.cumsum([x.shape[1] for x in parts])[:-1]
