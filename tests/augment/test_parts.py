"""A batch is augmented a part at a time: which parts these are changes nothing but the memory."""

import gc
from collections import deque

import numpy as np
import pytest

import kerastricks as kt

tf = pytest.importorskip("tensorflow")
buffers = pytest.importorskip("kerastricks.augment.kernels.buffers")
engines = pytest.importorskip("kerastricks.augment.placement.engines")
parts = pytest.importorskip("kerastricks.augment.placement.parts")

A = kt.augment
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (11, 16, 20, 3)).astype("uint8")
LISTS = {
    "passes": [A.RandomRotation(30), A.RandomZoom((0.7, 1.2)), A.RandomContrast(0.3)],
    "crop": [A.RandomResizedCrop(9, 12), A.RandomFlip()],
    "mixes": [A.RandomFlip(), A.MixUp(1.0), A.RandomBrightness(0.2), A.CutMix()],
    "alone": [A.RandomNoise(probability=1), A.RandomErasing()],
    "elastic": [A.RandomElastic()],
    "policy": [A.RandAugment(2, 0.4)],
    "chains": [A.AugMix(0.6)],
}
# Each takes seconds to compile: the others are left to .ci/run.
QUICK = ("passes", "mixes")


def run(transforms, engine, images=IMAGES):
    labels = np.eye(len(images), dtype="float32")
    data = tf.data.Dataset.from_tensors((images, labels))
    pipeline = A.Pipeline(transforms, seed=5)
    return next(iter(pipeline.augment(data, engine=engine)))[0].numpy()


@pytest.mark.compiling
@pytest.mark.parametrize("engine", ["xla", "opencv"])
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in QUICK)) for n in LISTS]
)
def test_parts_give_the_bits_of_the_whole(name, engine, monkeypatch):
    if engine == "opencv":
        pytest.importorskip("cv2")
    whole = run(LISTS[name], engine)
    monkeypatch.setattr(engines, "rows_of_a_part", lambda bytes_of_an_image: 4)
    np.testing.assert_array_equal(run(LISTS[name], engine), whole)
    assert len(whole) == len(IMAGES)
    assert whole.shape != IMAGES.shape or (whole != IMAGES).any()


@pytest.mark.parametrize(
    ("count", "rows", "overlap"), [(11, 4, 0), (8, 4, 2), (3, 4, 1), (4, 4, 0)]
)
def test_parts_are_of_one_size_and_in_order(count, rows, overlap):
    images = np.arange((count + overlap) * 2, dtype="float32").reshape(-1, 1, 1, 2)
    seen = []

    def function(images, drawn):
        seen.append(len(images))
        return np.asarray(images)[overlap:] + np.asarray(drawn["shift"])[:, None, None, None]

    drawn = {"shift": tf.range(count, dtype="float32") * 100}
    out = parts.in_parts(function, tf.constant(images), drawn, rows, overlap).numpy()
    expected = images[overlap:] + 100 * np.arange(count)[:, None, None, None]
    np.testing.assert_array_equal(out, expected)
    assert set(seen) == {min(rows, count) + overlap}


def test_an_array_is_handed_over_without_a_copy():
    array = buffers.empty((3, 5), "uint8")
    array[...] = 7
    assert np.shares_memory(np.asarray(buffers.handed_over(array)), array)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float64", tf.bfloat16])
@pytest.mark.parametrize("state", ["aligned", "shifted", "turned", "read-only"])
def test_arrays_of_any_kind_are_handed_over(dtype, state, large, monkeypatch):
    if large:
        monkeypatch.setattr(buffers, "LARGE", 1)
    dtype = dtype.as_numpy_dtype if dtype is tf.bfloat16 else dtype
    array = buffers.empty((6, 6), dtype)
    array[...] = np.arange(36).reshape(6, 6)
    array = {"shifted": array[1:], "turned": array.T}.get(state, array)
    array.flags.writeable = state != "read-only"
    tensor = buffers.handed_over(array)
    assert tensor.dtype == tf.as_dtype(dtype)
    np.testing.assert_array_equal(tensor.numpy().astype("float32"), array.astype("float32"))


@pytest.fixture
def no_free_blocks(monkeypatch):
    monkeypatch.setattr(buffers, "_returned", deque(maxlen=buffers._returned.maxlen))
    monkeypatch.setattr(buffers, "_free", [])


LONG = (buffers.LARGE,)


def place_of(array):
    return array.ctypes.data


def test_memory_is_used_again_when_nobody_reads_it(no_free_blocks):
    first = buffers.empty(LONG, "uint8")
    place = place_of(first)
    del first
    assert place_of(buffers.empty((2, *LONG), "uint8")) != place
    assert place_of(buffers.empty(LONG, "uint8")) == place


@pytest.mark.parametrize("reader", ["view", "tensor", "array of the tensor", "part of the tensor"])
def test_memory_that_is_read_is_not_used_again(no_free_blocks, reader):
    room = buffers.empty(LONG, "uint8")
    room[...] = 7
    if reader == "view":
        held = room[5:]
    else:
        held = buffers.handed_over(room)
        assert np.shares_memory(np.asarray(held), room)
    if reader == "array of the tensor":
        held = np.asarray(held)
    if reader == "part of the tensor":
        held = tf.reshape(held, (4, -1))
    place = place_of(room)
    del room
    gc.collect()
    buffers.handed_over(buffers.empty((3, *LONG), "uint8"))  # Python hears what was let go of
    others = [buffers.empty(LONG, "uint8") for _ in range(4)]
    assert place not in map(place_of, others)
    for other in others:
        other[...] = 0
    assert (np.asarray(held) == 7).all()
    del held
    buffers.handed_over(others[0])
    assert place_of(buffers.empty(LONG, "uint8")) == place


def test_few_blocks_are_kept(no_free_blocks):
    many = [buffers.empty(LONG, "uint8") for _ in range(20)]
    del many
    few = buffers.empty(LONG, "uint8")
    assert len(buffers._free) == 2
    del few


def test_what_was_handed_over_is_not_kept(no_free_blocks, monkeypatch):
    buffers.handed_over(buffers.empty(LONG, "uint8"))
    monkeypatch.setattr(buffers, "_reader", lambda dtype: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        buffers.handed_over(buffers.empty(LONG, "uint8"))
    assert not buffers._handed


def test_batches_that_are_kept_stay_as_they_were_given():
    """Each has a block of its own, whatever is given back meanwhile."""
    images = RNG.integers(0, 256, (8, 3, 700, 700, 3)).astype("uint8")
    assert images[0].nbytes >= buffers.LARGE
    pipeline = A.Pipeline([A.RandomFlip(), A.RandomInvert(probability=0.5)], seed=3)

    def batches(calls):
        data = tf.data.Dataset.from_tensor_slices(images)
        return iter(pipeline.augment(data, num_parallel_calls=calls))

    copies = [batch.numpy().copy() for batch in batches(1)]
    for copy, kept in zip(copies, list(batches(4)), strict=True):
        np.testing.assert_array_equal(kept.numpy(), copy)


@pytest.mark.compiling
def test_no_pass_of_several_loses_the_room_that_is_handed_over(monkeypatch):
    pytest.importorskip("cv2")
    handed_over, tensors = buffers.handed_over, []

    def watched(array):
        if array.ndim == 4:
            tensors.append(getattr(array, "tensor", None))
        return handed_over(array)

    monkeypatch.setattr(buffers, "handed_over", watched)
    transforms = [A.RandomRotation((9, 9)), A.RandomContrast((2, 2)), A.RandomInvert(probability=1)]
    out = run([*transforms, A.RandomSharpness((2, 2), probability=1)], "opencv")
    assert len(tensors) == 1
    np.testing.assert_array_equal(tensors[0].numpy(), out)


@pytest.mark.parametrize(
    "transforms",
    [
        [A.RandomBrightness((0.5, 0.5)), A.RandomSharpness((2, 2), probability=1)],
        [A.RandomInvert(probability=1)],
        pytest.param([A.AugMix(0.6)], marks=pytest.mark.slow),
    ],
)
def test_images_of_the_user_stay_as_they_are(transforms):
    """Passes write in each other's place, and never in theirs."""
    pytest.importorskip("cv2")
    images = tf.constant(IMAGES)
    data = tf.data.Dataset.range(2).map(lambda _: images)
    out = list(A.Pipeline(transforms, seed=1).augment(data, engine="opencv"))
    np.testing.assert_array_equal(images.numpy(), IMAGES)
    assert (out[0].numpy() != IMAGES).any()


def test_no_transform_at_all_is_served():
    np.testing.assert_array_equal(run([], "xla"), IMAGES)
