"""What holds for every transform, on every backend."""

import json
from typing import get_type_hints

import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks.augment.kernels import compiled
from kerastricks.augment.mixing import MixTransform
from kerastricks.augment.threefry import SampleKeys

pytestmark = pytest.mark.every_variant
A = kt.augment
ARGUMENTS = {
    "RandomCrop": (9, 7),
    "RandomResizedCrop": (13, 9),
    "Pad": (3, 2),
    "Resize": (9, 14),
    "RandomRotation": (30,),
    "RandomShear": (8,),
    "RandomPerspective": ((0.05, 0.2),),
    "RandomElastic": ((-0.02, 0.05),),
    "RandomTranslation": (0.2, 0.2),
    "RandomZoom": ((0.6, 1.4),),
    "RandomBrightness": (0.3,),
    "RandomContrast": (0.3,),
    "RandomSaturation": (0.3,),
    "RandomHue": (0.1,),
    "RandomNoise": (0.1, 1),
    "RandomSharpness": (0.5,),
    "ColorJitter": (0.3, 0.3, 0.3, 0.1),
    "RandomGrayscale": (0.5,),
    "RandomSolarize": ((0.1, 0.9),),
    "RandomPosterize": ((1, 6),),
    "RandomGaussianBlur": ((0.1, 2), 1),
    "RandomEqualize": (0.5,),
    "RandomAutoContrast": (0.5,),
}
KINDS = [getattr(A, name) for name in A.__all__ if name != "Pipeline"]
TRANSFORMS = [
    kind(*ARGUMENTS.get(kind.__name__, ())) for kind in KINDS if not issubclass(kind, MixTransform)
]
# Their operations are passes of their own, each rounded.
SEVERAL_PASSES = ("AutoAugment", "AugMix", "RandAugment", "TrivialAugment")
every_transform = pytest.mark.parametrize(
    "transform",
    [
        # Many operations to choose from take seconds, eager or compiled.
        pytest.param(each, marks=[pytest.mark.slow] * (type(each).__name__ in SEVERAL_PASSES))
        for each in TRANSFORMS
    ],
    ids=lambda transform: type(transform).__name__,
)
# Few levels, not of the whole range: there is something to equalize and to stretch.
IMAGES = (20 + 5 * np.random.default_rng(0).integers(0, 40, (5, 20, 16, 3))).astype("uint8")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_amounts_take_a_number_or_a_range_and_chance_a_probability(kind):
    hints = get_type_hints(kind)
    amounts = {
        name for name, hint in hints.items() if "float" in str(hint) and name != "fill_value"
    }
    numbers = {name for name in amounts if hints[name] is float}
    assert numbers == (set() if kind in (A.Pad, A.Resize) else {"probability"})
    given = dict.fromkeys(amounts - numbers, (0.02, 0.03))
    if kind is A.RandomPosterize:
        given["bits"] = 2, 3
    others = dict.fromkeys(("height", "width"), 3) if hints.get("height") is int else {}
    transform = kind(**given, **others)
    assert {name: getattr(transform, name) for name in given} == given
    # As a file of a model holds it.
    written = json.dumps(keras.saving.serialize_keras_object(transform))
    assert keras.saving.deserialize_keras_object(json.loads(written)) == transform


@pytest.fixture
def augmenter(to_numpy):
    def augmenter(transform, **kwargs):
        """What augments images as samples at some positions of the third epoch."""
        pipeline = A.Pipeline([transform], seed=7, **kwargs)

        @compiled
        def transformed(images, positions):
            keys = SampleKeys(7, keras.ops.convert_to_tensor(np.int32(2)), positions)
            dtype = pipeline.dtype_of(images.dtype)
            return pipeline.program.transform(keras.ops, {"images": images}, keys, dtype)["images"]

        def augment(images, positions=range(5)):
            given = images, np.array(positions, "int32")
            return to_numpy(transformed(*map(keras.ops.convert_to_tensor, given)))

        return augment

    return augmenter


@every_transform
def test_a_sample_gets_what_its_position_says_wherever_it_lies(augmenter, transform):
    """In another order, and in a smaller batch; at each position another thing."""
    augment = augmenter(transform)
    if not isinstance(transform, A.Pad | A.Resize):
        same = augment(np.repeat(IMAGES[:1], 5, axis=0))
        assert len({image.tobytes() for image in same}) > 1
    whole = augment(IMAGES)
    order = [3, 0, 4, 2, 1]
    np.testing.assert_array_equal(augment(IMAGES[order], order), whole[order])
    # Kernels may add up a smaller batch in another order: a level, where that decides a rounding.
    difference = np.abs(augment(IMAGES[3:], [3, 4]).astype(int) - whole[3:])
    assert (difference > 0).mean() < 0.002
    assert difference.max() <= 1 or type(transform).__name__ in SEVERAL_PASSES


@every_transform
def test_dtypes_differ_by_their_rounding_alone(augmenter, transform):
    augment = augmenter(transform)
    exact = augment(IMAGES.astype("float32"))
    assert exact.dtype == np.float32
    assert 0 <= exact.min() <= exact.max() <= 255
    several = type(transform).__name__ in SEVERAL_PASSES
    out = augment(IMAGES)
    assert out.dtype == np.uint8
    # After a rounding, equalizing and thresholds may spread a level.
    difference = np.abs(out - exact)
    assert difference.max() <= 0.501 or (several and (difference > 2).mean() < 0.01)
    out = augment(IMAGES.astype("float16"))
    assert out.dtype == np.float16
    # Eleven bits: of values up to 255 the last one is an eighth, halved by rounding. Tables, which
    # have whole levels, come after other operations in those of several passes alone.
    difference = np.abs(out - exact)
    assert difference.max() <= 1 / 16 + 1e-3 or (several and (difference > 1).mean() < 0.01)
    scaled = augmenter(transform, value_range=(0, 1))(IMAGES.astype("float32") / 255)
    difference = np.abs(255 * scaled - exact)
    assert difference.max() <= 0.02 or (several and (difference > 0.02).mean() < 0.01)
