"""Every layer, transform and callback with arguments drawn from its signature.

A clear error, or what is built computes finite numbers, comes back from its config and from a file,
and gives the same there.
"""

import importlib.util
import json
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import strategies as st

import kerastricks as kt
import kerastricks.addons as tfa

SPEC = importlib.util.spec_from_file_location("arguments", Path(__file__).with_name("arguments.py"))
arguments = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(arguments)
LAYERS = [getattr(room, name) for room in (kt.layers, tfa.layers) for name in room.__all__]
TRANSFORMS = [getattr(kt.augment, name) for name in kt.augment.__all__ if name != "Pipeline"]
CALLBACKS = [getattr(room, name) for room in (kt.callbacks, tfa.callbacks) for name in room.__all__]
CLEAR = (ValueError, TypeError, NotImplementedError, OSError)
SHAPES = [(2, 5), (3, 6, 4), (2, 6, 6, 3), (2, 4, 4, 4, 2), (1, 1), (0, 4)]


def drawn_from(kinds, *others):
    return st.sampled_from(kinds).flatmap(
        lambda kind: st.tuples(st.just(kind), arguments.arguments_of(kind), *others)
    )


def amounts(few, many):
    return pytest.mark.parametrize(
        "examples", [few, pytest.param(many, marks=pytest.mark.slow)], ids=["few", "many"]
    )


@pytest.fixture
def attempted(count):
    """Does something; None where a clear error says why not."""

    def attempted(action, known=()):
        try:
            return action()
        except Exception as error:
            if isinstance(error, CLEAR) and len(str(error)) > 15:
                count("error")
            elif type(error).__module__.startswith("tensorflow") and len(str(error)) > 15:
                count(f"{type(error).__name__} of TensorFlow")
            else:
                count("wrong")
                raise
            return None

    return attempted


def made(given):
    """Arguments with the layers that their words stand for."""
    inner = {
        "{dense}": lambda: keras.layers.Dense(3),
        "{convolution}": lambda: keras.layers.Conv2D(2, 2),
    }
    return {
        name: inner[value]() if isinstance(value, str) and value in inner else value
        for name, value in given.items()
    }


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


@amounts(40, 300)
def test_layers(examples, fuzz, attempted, count, tmp_path):
    def hold(drawn):
        kind, given, shape = drawn
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        layer = attempted(lambda: kind(**made(given)))
        if layer is None:
            return
        y = attempted(lambda: layer(x, training=True))
        if y is None:
            return
        y = numbers(layer(x, training=False))
        assert np.isfinite(y).all(), f"{kind.__name__}(**{given}) gives numbers that are none"
        assert tuple(layer.compute_output_shape(shape)) == y.shape
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
        again = keras.saving.deserialize_keras_object(config)
        assert again.get_config() == layer.get_config()
        again(x, training=False)
        again.set_weights(layer.get_weights())
        if type(layer) is not kt.layers.MonteCarloDropout:
            np.testing.assert_allclose(numbers(again(x, training=False)), y, rtol=1e-5, atol=1e-6)
        count("right")

    fuzz(drawn_from(LAYERS, st.sampled_from(SHAPES)), examples, hold)


@amounts(5, 40)
def test_layers_in_files(examples, fuzz, attempted, count, tmp_path):
    def hold(drawn):
        kind, given, shape = drawn
        x = np.random.default_rng(0).normal(size=shape).astype("float32")
        inputs = keras.Input(shape[1:])

        def build():
            return keras.Model(inputs, kind(**made(given))(inputs))

        model = attempted(build)
        if model is None:
            return
        y = attempted(lambda: model(x, training=False))
        if y is None:
            return
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        if kind is not kt.layers.MonteCarloDropout:
            y, z = numbers(y), numbers(again(x, training=False))
            np.testing.assert_allclose(z, y, rtol=1e-5, atol=1e-6)
        count("right")

    fuzz(drawn_from(LAYERS, st.sampled_from(SHAPES[:4])), examples, hold)


@amounts(12, 60)
def test_transforms(examples, fuzz, attempted, count):
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3)).astype("uint8")

    def hold(drawn):
        kind, given, dtype = drawn
        transform = attempted(lambda: kind(**given))
        if transform is None:
            return
        pipeline = attempted(lambda: kt.augment.Pipeline([transform], seed=1))
        if pipeline is None:
            return
        batch = {"images": images.astype(dtype), "labels": np.eye(2, dtype="float32")}
        out = attempted(lambda: pipeline(batch, training=True))
        if out is None:
            return
        out = numbers(out["images"])
        assert np.isfinite(out).all()
        assert 0 <= out.min(initial=0) <= out.max(initial=0) <= 255
        assert out.shape[0] == 2
        written = json.loads(json.dumps(keras.saving.serialize_keras_object(pipeline)))
        again = keras.saving.deserialize_keras_object(written)
        np.testing.assert_array_equal(numbers(again(batch, training=True)["images"]), out)
        count("right")

    dtypes = st.sampled_from(["uint8", "float32", "float16", "int32"])
    fuzz(drawn_from(TRANSFORMS, dtypes), examples, hold)


@amounts(8, 30)
def test_callbacks(examples, fuzz, attempted, count, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # words that are no folders may become some
    x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh")])
    model.compile("sgd", "mse")

    def hold(drawn):
        kind, given = drawn
        given = {
            name: value.replace("{folder}", str(tmp_path)) if isinstance(value, str) else value
            for name, value in given.items()
        }
        with warnings.catch_warnings():
            # Of a mode that is not known, a metric that is not there, a short training.
            warnings.simplefilter("ignore")
            callback = attempted(lambda: kind(**given))
            if callback is None:
                return
            how = {"epochs": 1, "verbose": 0, "callbacks": [callback]}
            fit = attempted(lambda: model.fit(x, x[:, :3], **how))
        if fit is not None:
            assert np.isfinite(fit.history["loss"]).all()
            count("right")

    fuzz(drawn_from(CALLBACKS), examples, hold)


ODD_NUMBERS = st.floats(-20, 30, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 1e30, -1e30])
MOVED = [
    kt.augment.RandomFlip("horizontal"),
    kt.augment.RandomRotation(20),
    kt.augment.RandomPerspective(0.3),
    kt.augment.RandomResizedCrop(6, 5),
    kt.augment.MixUp(0.3),
    kt.augment.CutMix(1.0),
    kt.augment.RandomErasing(),
]


@st.composite
def targets(draw):
    """Boxes, labels, masks and points for a batch of two, of which some do not fit it."""
    count = draw(st.integers(0, 3))
    shape = draw(st.sampled_from([(2, count, 4)] * 6 + [(count, 4), (2, count, 3), (3, count, 4)]))
    boxes = draw(st.lists(ODD_NUMBERS, min_size=24, max_size=24))
    boxes = np.resize(np.array(boxes, "float32"), shape)
    labels = np.zeros(draw(st.sampled_from([(2, count)] * 6 + [(2, count + 1), (2,)])), "float32")
    if draw(st.booleans()):
        labels = labels.astype("int32")
    size = draw(st.sampled_from([(2, 9, 7, 1)] * 4 + [(2, 9, 7), (2, 8, 7, 1), (9, 7, 1)]))
    kind = draw(st.sampled_from(["uint8", "int32", "float32"]))
    masks = np.random.default_rng(0).integers(0, 5, size).astype(kind)
    return {
        "bounding_boxes": {"boxes": boxes, "labels": labels},
        "segmentation_masks": masks,
        "labels": np.eye(2, dtype="float32"),
    }


@amounts(8, 400)
def test_boxes_and_masks(examples, fuzz, attempted, count):
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3)).astype("uint8")

    def hold(drawn):
        transform, given, style, dropped = drawn
        given = {name: value for name, value in given.items() if name not in dropped}
        pipeline = kt.augment.Pipeline([transform], seed=1, bounding_box_format=style)
        out = attempted(lambda: pipeline({"images": images, **given}, training=True))
        if out is None:
            return
        assert out.keys() == {"images", *given}
        if "segmentation_masks" in given:
            was, now = given["segmentation_masks"], numbers(out["segmentation_masks"])
            if was.dtype.kind != "f":  # classes; masks of floats may be mixed
                assert set(np.unique(now)) <= {0, *np.unique(was)}
            assert now.shape[:3] == numbers(out["images"]).shape[:3]
        if "bounding_boxes" in given and not isinstance(transform, kt.augment.MixUp):
            boxes, labels = (numbers(out["bounding_boxes"][key]) for key in ("boxes", "labels"))
            assert np.isfinite(boxes[labels != -1]).all(), (boxes, labels)
        count("right")

    styles = st.sampled_from(["xyxy", "xywh", "center_xywh", "rel_xyxy"])
    keys = ["bounding_boxes", "segmentation_masks", "labels"]
    fuzz(
        st.tuples(st.sampled_from(MOVED), targets(), styles, st.sets(st.sampled_from(keys))),
        examples,
        hold,
    )
