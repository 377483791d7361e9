"""The engines of `tf.data` share one program: OpenCV's loops give what the compiled ones do."""

import sys
import threading

import numpy as np
import pytest

import kerastricks as kt
from kerastricks.augment.values import ValueContract

tf = pytest.importorskip("tensorflow")
cv2 = pytest.importorskip("cv2")
engines = pytest.importorskip("kerastricks.augment.placement.engines")
opencv = pytest.importorskip("kerastricks.augment.placement.opencv")

A = kt.augment
PASSES = {
    "affine": [A.RandomRotation(30), A.RandomZoom((0.5, 1.2)), A.RandomShear(6)],
    "perspective": [A.RandomPerspective(0.2), A.RandomFlip()],
    "elastic": [A.RandomElastic()],
    "resized crop": [A.RandomResizedCrop(17, 13, scale=(0.3, 1)), A.RandomFlip()],
    "enlarged": [A.Resize(40, 31), A.RandomFlip("horizontal_and_vertical")],
    "zoom": [A.RandomZoom((0.6, 1.4)), A.RandomFlip()],
    "crop": [A.RandomFlip("horizontal_and_vertical"), A.Pad(30, 3), A.RandomCrop(15, 16)],
    "colors": [A.ColorJitter(0.2, 0.2, 0.5, 0.1)],
    "tables": [A.RandomSolarize(), A.RandomPosterize(), A.RandomAutoContrast(0.5)],
    "equalize": [A.RandomEqualize(0.5)],
    "sharpness": [A.RandomSharpness(0.9)],
    "blur": [A.RandomGaussianBlur()],
    "chains": [A.AugMix(0.6)],
    "policy": [A.RandomFlip(), A.RandAugment(2, 0.4)],
    "wide blur": [A.RandomGaussianBlur((9, 9), probability=1)],
}


def smooth(channels):
    """Images without noise: a wave for each channel."""
    y, x = np.mgrid[:24, :20]
    waves = [127 + 100 * np.sin((x * (k + 1) + y * (2 * k + 1)) / 9) for k in range(channels * 5)]
    images = np.stack(waves, axis=-1).reshape(24, 20, 5, channels)
    return np.moveaxis(images, 2, 0).astype("uint8")


def run(transforms, images, engine, **kwargs):
    pipeline = A.Pipeline(transforms, seed=1, **kwargs)
    return next(iter(pipeline.augment(tf.data.Dataset.from_tensors(images), engine=engine))).numpy()


# Each takes seconds to compile, and those that are like another are left to .ci/run.
QUICK = ("perspective", "resized crop", "crop", "colors", "equalize", "blur")


@pytest.mark.compiling
@pytest.mark.parametrize(
    ("name", "channels"),
    [
        *(pytest.param(n, 3, marks=[pytest.mark.slow] * (n not in QUICK)) for n in PASSES),
        ("affine", 1),
        pytest.param("colors", 1, marks=pytest.mark.slow),
        pytest.param("resized crop", 1, marks=pytest.mark.slow),
        pytest.param("crop", 1, marks=pytest.mark.slow),
    ],
)
def test_opencv_gives_what_xla_does_to_a_level(name, channels):
    images = smooth(channels)
    fill = "wrap" if (name, channels) in (("affine", 1), ("crop", 1)) else "reflect"
    expected, out = (run(PASSES[name], images, e, fill_mode=fill) for e in ("xla", "opencv"))
    assert out.dtype == np.uint8
    difference = np.abs(out.astype(int) - expected)
    # What equalizes after a rounding, or inverts, spreads a level.
    spreads = name in ("chains", "policy")
    assert difference.max() <= 1 or (spreads and (difference > 1).mean() < 0.01)
    assert expected.shape != images.shape or (expected != images).mean() > 0.1
    if name == "crop":
        np.testing.assert_array_equal(out, expected)


@pytest.mark.compiling
@pytest.mark.parametrize(
    ("name", "scaled"),
    [
        pytest.param(name, scaled, marks=[pytest.mark.slow] * ((name, scaled) != ("affine", True)))
        for name in ("affine", "colors", "equalize")
        for scaled in (False, True)
    ],
)
def test_floats_agree_closely(name, scaled):
    images, tolerance = smooth(3), 0.02
    kwargs = {"output_dtype": "float32", "fill_mode": "constant"}
    if scaled:
        images, tolerance = images.astype("float32") / 255, 1e-4
        kwargs = {"value_range": (0, 1), "fill_mode": "nearest"}
    expected, out = (run(PASSES[name], images, e, **kwargs) for e in ("xla", "opencv"))
    np.testing.assert_allclose(out, expected, atol=tolerance)


@pytest.mark.parametrize(
    ("images", "kwargs"),
    [
        pytest.param(smooth(5), {}, id="five channels"),
        pytest.param(smooth(3).astype("int32"), {}, id="int32", marks=pytest.mark.slow),
        pytest.param(
            smooth(3) // 3, {"value_range": (0, 90)}, id="another range", marks=pytest.mark.slow
        ),
        pytest.param(smooth(3), {"output_dtype": "float16"}, id="float16", marks=pytest.mark.slow),
    ],
)
def test_what_opencv_does_not_serve_is_compiled(images, kwargs):
    transforms = [A.RandomRotation(30)]
    expected, out = (run(transforms, images, e, **kwargs) for e in ("xla", "opencv"))
    np.testing.assert_array_equal(out, expected)
    assert out.dtype == expected.dtype


@pytest.mark.compiling
def test_a_mix_and_its_passes_agree():
    images = smooth(3)
    transforms = [A.RandomRotation(30), A.MixUp(1.0), A.RandomBrightness(0.2)]
    expected, out = (run(transforms, images, e) for e in ("xla", "opencv"))
    assert np.abs(out.astype(int) - expected).max() <= 2


@pytest.mark.compiling
def test_copies_of_bytes_as_floats_are_their_values():
    images = smooth(3)
    expected, out = (
        run(PASSES["crop"], images, e, output_dtype="float32") for e in ("xla", "opencv")
    )
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, expected)


@pytest.mark.compiling
@pytest.mark.parametrize(
    "fill_mode",
    ["wrap", *(pytest.param(m, marks=pytest.mark.slow) for m in ("constant", "nearest"))],
)
def test_a_resized_crop_keeps_its_border(fill_mode):
    images = smooth(3)
    expected, out = (
        run(PASSES["resized crop"], images, e, fill_mode=fill_mode) for e in ("xla", "opencv")
    )
    assert np.abs(out.astype(int) - expected).max() <= 1


@pytest.mark.compiling
@pytest.mark.parametrize("size", [(32768, 2), (2, 32768)])
@pytest.mark.parametrize("transform", [A.RandomElastic(0.01), A.RandomRotation(1)])
def test_sides_longer_than_opencv_counts_are_served(transform, size):
    y, x = np.mgrid[: size[0], : size[1]]
    image = (127 + 100 * np.sin((x + y) / 9)).astype("uint8")
    images = np.stack([image, image])[..., None]
    expected, out = (run([transform], images, engine) for engine in ("xla", "opencv"))
    assert np.abs(out.astype(int) - expected).max() <= 1


@pytest.mark.compiling
def test_images_of_unknown_size_are_served_by_opencv():
    images = smooth(3)
    spec = tf.TensorSpec((None, None, None, 3), tf.uint8)
    data = tf.data.Dataset.from_generator(lambda: iter([images]), output_signature=spec)
    pipeline = A.Pipeline(PASSES["affine"], seed=1)
    out = next(iter(pipeline.augment(data, engine="opencv"))).numpy()
    np.testing.assert_array_equal(out, run(PASSES["affine"], images, "opencv"))


@pytest.mark.parametrize(
    ("transforms", "counts"),
    [
        ([A.RandomRotation(15), A.RandomSolarize(0.5)], False),
        ([A.RandomFlip(), A.RandomEqualize()], True),
        ([A.MixUp(), A.RandAugment()], True),
        ([A.AugMix()], True),
    ],
)
def test_it_is_known_beforehand_whether_levels_are_counted(transforms, counts):
    assert A.Pipeline(transforms, value_range=(0, 255)).program.needs_counts is counts


def test_opencv_is_chosen_where_it_is_faster(monkeypatch):
    from kerastricks.augment.placement.opencv import OpenCVEngine

    assert isinstance(engines.engine_of(None, (224, 224)), OpenCVEngine)
    assert isinstance(engines.engine_of(None, (None, None)), OpenCVEngine)
    assert type(engines.engine_of("xla", (224, 224))) is engines.HostEngine
    assert type(engines.engine_of(None, (32, 32))) is engines.HostEngine
    assert isinstance(engines.engine_of(None, (32, 32), counts=True), OpenCVEngine)
    monkeypatch.setitem(sys.modules, "kerastricks.augment.placement.opencv", None)
    with pytest.raises(ImportError):
        engines.engine_of("opencv", (224, 224))
    assert type(engines.engine_of(None, (224, 224))) is engines.HostEngine
    assert isinstance(engines.engine_of(None, (None, None)), engines.GraphEngine)


@pytest.mark.parametrize("arguments", [{"engine": "cuda"}, {"engine": "xla", "device": "CPU:0"}])
def test_engines_that_are_none_are_refused(arguments):
    data = tf.data.Dataset.from_tensors(smooth(3))
    with pytest.raises(ValueError, match=r"Received: .*engine='"):
        A.Pipeline([A.RandomFlip()], seed=0).augment(data, **arguments)


def test_images_of_many_sizes_are_not_compiled_for():
    from kerastricks.augment.placement.opencv import OpenCVEngine

    spec = tf.TensorSpec((None, None, 3), tf.uint8)
    images = [smooth(3)[0, :size] for size in (8, 12, 16, 20)]
    data = tf.data.Dataset.from_generator(lambda: iter(images), output_signature=spec)
    engine = OpenCVEngine()
    transforms = [A.Resize(9, 9), A.RandomBrightness(0.2), A.RandomSolarize(), A.RandomSharpness(1)]
    pipeline = A.Pipeline(transforms, seed=1)
    out = list(pipeline.augment(data, engine=engine))
    assert len(out) == 4
    assert not engine._stages._known


def test_values_contract_is_that_of_the_other_passes():
    """OpenCV clips floats to the range too."""
    images = smooth(3).astype("float32") / 255
    out = run([A.RandomBrightness((3, 3))], images, "opencv", value_range=(0, 1))
    assert out.max() == ValueContract((0, 1), None).value_range[1]


@pytest.mark.parametrize(("side", "most"), [(32, 1), (100, 2)])
def test_calls_with_small_images_take_turns(side, most, monkeypatch):
    """And those with large ones do not."""
    under_way, seen, both = [], [], threading.Event()
    warp = opencv._warp

    def watched(*args):
        under_way.append(None)
        seen.append(len(under_way))
        if len(under_way) == 2:
            both.set()
        both.wait(0.3)
        try:
            return warp(*args)
        finally:
            under_way.pop()

    monkeypatch.setattr(opencv, "_warp", watched)
    data = tf.data.Dataset.from_tensors(np.zeros((2, side, side, 3), "uint8")).repeat(4)
    pipeline = A.Pipeline([A.RandomRotation(30)], seed=1)
    list(pipeline.augment(data, engine="opencv", num_parallel_calls=2))
    assert max(seen) == most
