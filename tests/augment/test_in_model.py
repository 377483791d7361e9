import importlib.util

import keras
import numpy as np
import pytest

import kerastricks as kt

# Keras' own conversion of variables and of torch tensors to numpy, under numpy 2.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept:DeprecationWarning"
)

BACKEND = keras.backend.backend()


def build(**kwargs):
    pipeline = kt.augment.Pipeline(
        [kt.augment.RandomFlip(), kt.augment.RandomRotation(10)],
        seed=3,
        output_dtype="float32",
        name="augmentation",
        **kwargs,
    )
    return keras.Sequential(
        [
            keras.Input((8, 10, 3), dtype="uint8"),
            pipeline,
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 8, 10, 3)).astype("uint8"), rng.integers(0, 2, 12)


@pytest.mark.compiling
@pytest.mark.parametrize("jit_compile", [False, True])
def test_fits_and_draws_anew_each_step(data, jit_compile, to_numpy):
    if jit_compile and BACKEND == "torch":
        pytest.skip("torch.compile of a train step takes minutes")
    model = build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=jit_compile)
    model.fit(*data, batch_size=5, epochs=2, verbose=0)
    pipeline = model.get_layer("augmentation")
    assert int(to_numpy(keras.ops.convert_to_tensor(pipeline.calls.state.value))[1]) == 6
    assert np.isfinite(model.predict(data[0], verbose=0)).all()


class Batches(keras.utils.PyDataset):
    def __init__(self, images, labels):
        super().__init__()
        self.data = images, labels

    def __len__(self):
        return 3

    def __getitem__(self, number):
        return tuple(array[number * 4 : number * 4 + 4] for array in self.data)


def sources(images, labels):
    """What `fit` takes batches of the host from: of bytes, which the model augments."""
    yield {"x": images, "y": labels, "batch_size": 4}
    yield {"x": Batches(images, labels)}
    if importlib.util.find_spec("tensorflow"):
        import tensorflow as tf

        yield {"x": tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)}


@pytest.mark.compiling
def test_whatever_the_batches_come_from_they_are_augmented_alike(data, to_numpy):
    """On the device, within the compiled step of a backend that compiles it."""
    found = []
    for source in sources(*data):
        keras.utils.set_random_seed(0)
        model = build()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss)
        assert model.jit_compile or BACKEND != "jax"
        model.fit(**source, epochs=2, verbose=0, shuffle=False)
        found.append([to_numpy(weight.value) for weight in model.trainable_weights])
    assert len(found) >= 2
    for each in found[1:]:
        for a, b in zip(found[0], each, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_adds_no_weights():
    assert len(build().weights) == 2


def test_predict_leaves_the_images_alone(data):
    model = build()
    plain = keras.Sequential(model.layers[1:])
    np.testing.assert_allclose(
        model.predict(data[0], verbose=0),
        plain.predict(data[0].astype("float32"), verbose=0),
        rtol=1e-5,
        atol=1e-5,
    )


def test_is_saved_inside_the_model(data, tmp_path, to_numpy):
    model = build(fill_mode="constant", fill_value=9)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(data[0], verbose=0), model.predict(data[0], verbose=0)
    )
    before, after = model.get_layer("augmentation"), loaded.get_layer("augmentation")
    assert after.get_config() == before.get_config()
    assert after.transforms == before.transforms
    np.testing.assert_array_equal(
        to_numpy(after(data[0], training=True)), to_numpy(before(data[0], training=True))
    )


def test_keeps_the_images_dtype_under_mixed_precision(data, to_numpy):
    pipeline = kt.augment.Pipeline([kt.augment.RandomFlip()], seed=0, dtype="mixed_float16")
    labels = np.linspace(0, 1, 12, dtype="float32")
    inputs = {"images": data[0].astype("float32"), "labels": labels}
    out = pipeline(inputs, training=True)
    assert to_numpy(out["images"]).dtype == np.float32
    assert out["labels"] is labels


def test_symbolic_shape_and_dtype():
    pipeline = kt.augment.Pipeline([kt.augment.RandomRotation(10)], seed=0)
    out = pipeline(keras.Input((None, None, 3), dtype="uint8"))
    assert out.shape == (None, None, None, 3)
    assert out.dtype == "uint8"


def test_a_dictionary_in_a_functional_model(data, to_numpy):
    pipeline = kt.augment.Pipeline([kt.augment.RandomFlip(probability=1)], seed=0)
    inputs = {
        "images": keras.Input((8, 10, 3), dtype="uint8", name="images"),
        "labels": keras.Input((), dtype="int32", name="labels"),
    }
    outputs = pipeline(inputs)
    # Older Keras refuses an input that goes straight to the outputs.
    outputs["labels"] = keras.layers.Identity()(outputs["labels"])
    model = keras.Model(inputs, outputs)
    given = {"images": data[0], "labels": data[1].astype("int32")}
    out = model({key: keras.ops.convert_to_tensor(x) for key, x in given.items()}, training=True)
    np.testing.assert_array_equal(to_numpy(out["images"]), data[0][:, :, ::-1])
    np.testing.assert_array_equal(to_numpy(out["labels"]), data[1])
