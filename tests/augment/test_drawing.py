"""On the host, `tf.data` draws by XLA, or by numpy where OpenCV moves the pixels."""

import gc
import weakref

import numpy as np
import pytest

import kerastricks as kt
from kerastricks.augment.kernels import numpy as small
from kerastricks.augment.threefry import SampleKeys
from kerastricks.augment.transform import PixelTransform

tf = pytest.importorskip("tensorflow")
engines = pytest.importorskip("kerastricks.augment.placement.engines")
ops = pytest.importorskip("kerastricks.augment.kernels.tensorflow")

A = kt.augment
IMAGES = np.random.default_rng(0).integers(0, 256, (70, 12, 10, 3)).astype("uint8")
NINE = [
    A.RandomFlip(),
    A.RandomRotation(36),
    A.RandomZoom((0.8, 1.2)),
    A.RandomTranslation(0.1, 0.1),
    A.RandomShear(6),
    A.RandomBrightness(0.2),
    A.RandomContrast(0.2),
    A.RandomSaturation(0.5),
    A.RandomHue(0.1),
]
LISTS = {
    "nine": NINE,
    "policies": [A.RandAugment(), A.TrivialAugment(), A.AutoAugment()],
    "chains": [A.AugMix()],
    "mixes": [A.MixUp(), A.RandomErasing(), A.CutMix()],
    "others": [
        A.RandomPerspective(0.2),
        A.RandomElastic(),
        A.RandomGaussianBlur(),
        A.RandomNoise(),
    ],
    "crop": [A.RandomResizedCrop(9, 8), A.ColorJitter(0.2, 0.2, 0.5, 0.1), A.RandomSolarize()],
}


def augmented(transforms, batch_size, engine="opencv"):
    data = tf.data.Dataset.from_tensor_slices((IMAGES, np.eye(len(IMAGES), dtype="float32")))
    pipeline = A.Pipeline(transforms, seed=2)
    batches = pipeline.augment(data.batch(batch_size), engine=engine)
    return np.concatenate([images.numpy() for images, _ in batches])


@pytest.mark.compiling
@pytest.mark.parametrize("name", LISTS)
def test_numpy_draws_what_xla_does(name):
    program = A.Pipeline(LISTS[name], seed=0).program
    positions = np.arange(64, dtype="int32")

    def drawn(ops, epoch, positions):
        keys = SampleKeys(3, epoch, positions)
        return program.draw(ops, keys, (24, 20), led=program.mixes > 0, frames=None)

    compiled = ops.jitted(lambda *given: drawn(ops, *given))(tf.constant(5), tf.constant(positions))
    pairs = zip(
        tf.nest.flatten(drawn(small, np.asarray(5, "int32"), positions)),
        tf.nest.flatten(compiled),
        strict=True,
    )
    for ours, xlas in pairs:
        assert ours.dtype == xlas.dtype.name
        np.testing.assert_allclose(ours, xlas.numpy(), rtol=1e-5, atol=1e-5)


class OfOnesOwn(PixelTransform):
    """Scales images by what a function draws."""

    def __init__(self, function):
        self.function = function

    num_draws = 2
    summary = "scaled"

    def draw(self, ops, uniforms, size):
        return self.function(ops, uniforms)

    def stages(self, ops, border, values):
        def scaled(images, factor):
            factor = ops.cast(factor, "float32")[:, None, None, None]
            return ops.cast(images, "float32") * factor

        return [scaled]


@pytest.mark.parametrize(
    "function",
    [
        lambda ops, u: ops.where(u[:, 0] < 0.5, 1.0, 0.5),
        lambda ops, u: ops.where(u[:, 0] < 0.5, 1, 2),
        lambda ops, u: u[:, 0] * np.array([0.5]),
        lambda ops, u: ops.sqrt(2.0) * u[:, 0],
        lambda ops, u: ops.exp(ops.log(2.0) * u[:, 0]),
        lambda ops, u: tf.sin(u[:, 0]),
        lambda ops, u: ops.sum(ops.cast(u < 0.5, "int32"), axis=1) / 2,
    ],
)
def test_draws_of_ones_own_may_promote_otherwise(function):
    """numpy makes float64 and int64 of what TensorFlow makes float32 and int32 of."""
    pytest.importorskip("cv2")
    ours, xlas = (augmented([OfOnesOwn(function)], 70, engine) for engine in ("opencv", "xla"))
    np.testing.assert_array_equal(ours, xlas)
    assert (ours != IMAGES).any()


@pytest.mark.parametrize("transforms", [NINE, LISTS["policies"]])
def test_batches_of_all_sizes_are_drawn_alike(transforms):
    """By numpy too, whose loops over one sample may be others than those over many."""
    pytest.importorskip("cv2")
    whole = augmented(transforms, len(IMAGES))
    for batch_size in (1, 7, 64):
        np.testing.assert_array_equal(augmented(transforms, batch_size), whole)


def test_with_opencv_nothing_is_compiled_of_what_it_serves(monkeypatch):
    pytest.importorskip("cv2")

    def refuse(function):
        raise AssertionError("was to be compiled")

    monkeypatch.setattr(ops, "jitted", refuse)
    for transforms in (NINE, LISTS["policies"]):
        assert (augmented(transforms, 8) != IMAGES).any()


def test_batches_of_many_sizes_take_one_compiled_function(monkeypatch):
    """Several at once, too: one compiles, and the others wait."""
    compiled = []
    jitted = ops.jitted
    monkeypatch.setattr(ops, "jitted", lambda function: compiled.append(1) or jitted(function))
    data = tf.data.Dataset.from_generator(
        lambda: (IMAGES[:count] for count in (1, 5, 64)),
        output_signature=tf.TensorSpec((None, 12, 10, 3), tf.uint8),
    )
    monkeypatch.setattr(engines, "in_parts", lambda function, images, *_: images)
    list(A.Pipeline([A.RandomFlip()], seed=0).augment(data, engine="xla"))
    assert len(compiled) == 1


def test_what_was_compiled_keeps_nothing_of_the_first_call():
    compiled = engines._Compiled(lambda x, pair: x + pair[0])
    x, y = tf.ones(3), tf.ones(3)
    seen = weakref.ref(x), weakref.ref(y)
    np.testing.assert_array_equal(compiled(x, (y,)).numpy(), [2, 2, 2])
    np.testing.assert_array_equal(compiled(y, (y + 1,)).numpy(), [3, 3, 3])
    del x, y
    gc.collect()
    assert [each() for each in seen] == [None, None]
