"""What is wrong in Keras 3.15.1's augmentation layers, a test each, does not happen here."""

import numpy as np
import pytest

import kerastricks as kt

A = kt.augment


@pytest.fixture
def same():
    """The same noisy image eight times: what differs afterwards was drawn."""
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype("uint8")
    return np.repeat(image[None], 8, axis=0)


def distinct(out):
    return len({image.tobytes() for image in out})


def test_saturation_stays_in_the_range_and_goes_both_ways(run):
    """1, 2: Keras' goes down to -1990 for the range (0, 255), and never raises saturation."""
    color = np.tile(np.float32([200, 30, 30]), (64, 2, 2, 1))
    out = run([A.RandomSaturation(0.2)], color)
    assert 0 <= out.min() <= out.max() <= 255
    spread = (out.max(axis=-1) - out.min(axis=-1))[:, 0, 0]
    assert (spread > 175).any()
    assert (spread < 165).any()
    assert spread.min() > 170 * 0.75


def test_contrast_goes_both_ways(run):
    """3: Keras' factor f is (1, 1 + f)."""
    image = np.tile(np.float32([100, 150])[None, :, None, None], (64, 1, 4, 3))
    out = run([A.RandomContrast(0.3)], image)
    spread = out[:, 1, 0, 0] - out[:, 0, 0, 0]
    assert spread.min() < 45
    assert spread.max() > 55


def test_equalizing_looks_at_one_image(same, run):
    """4: Keras counts the levels of the whole batch."""
    batch = same.copy()
    batch[1:] //= 4
    alone = run([A.RandomEqualize()], same[:1])
    np.testing.assert_array_equal(run([A.RandomEqualize()], batch)[:1], alone)


def test_elastic_images_bend_in_both_directions_apart(ops, tensor, to_numpy):
    """5: Keras' displacements along x and y are the same numbers."""
    from kerastricks.augment.threefry import SampleKeys

    elastic = A.RandomElastic()
    keys = SampleKeys(0, tensor(np.int32(0)), tensor(np.arange(400, dtype="int32")))
    grid = to_numpy(elastic.grid(ops, keys.uniform(ops, 0, elastic.num_draws), (24, 24)))
    x, y = (grid[..., axis].ravel() for axis in range(2))
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.1


@pytest.mark.compiling
def test_an_unknown_batch_size_keeps_every_image():
    """6: Keras takes it for 1, and every image of the batch becomes the first."""
    tf = pytest.importorskip("tensorflow")
    images = np.repeat(np.uint8([10, 80, 150, 220]), 64).reshape(4, 8, 8, 1)
    data = tf.data.Dataset.from_tensor_slices(images).batch(4)
    transforms = [A.RandomRotation(20), A.RandomZoom(0.1), A.RandomElastic()]
    out = next(iter(A.Pipeline(transforms, seed=0).augment(data))).numpy()
    assert out[:, 4, 4, 0].tolist() == [10, 80, 150, 220]


@pytest.mark.parametrize(
    "transform",
    [
        A.RandomCrop(12, 12),
        A.RandAugment(2, 1.0),
        A.RandomGaussianBlur(probability=1),
        A.AugMix(1.0),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_every_image_has_its_own_draw(same, run, transform):
    """7, 8: Keras crops a batch at one place, and draws operations and widths once for it."""
    assert distinct(run([transform], same)) >= 6


@pytest.mark.compiling
def test_chains_are_drawn_anew_at_each_call_and_repeat_with_the_seed(same, to_numpy):
    """9: Keras' AugMix draws its operations with Python's random when it is traced."""

    def calls():
        pipeline = A.Pipeline([A.AugMix(1.0)], seed=3)
        return [to_numpy(pipeline(same[:1], training=True)) for _ in range(3)]

    first, second = calls(), calls()
    assert distinct(first) == 3
    np.testing.assert_array_equal(first, second)


def test_a_blend_keeps_the_shapes_of_masks_and_of_labeled_boxes(same, to_numpy):
    """10: Keras' masks lose their batch, and boxes go without their labels."""
    masks = np.zeros((8, 24, 24, 4), "float32")
    boxes = {"boxes": np.ones((8, 2, 4), "float32") * [1, 1, 9, 9], "labels": np.ones((8, 2))}
    pipeline = A.Pipeline([A.MixUp()], seed=0, bounding_box_format="xyxy")
    out = pipeline(
        {"images": same, "segmentation_masks": masks, "bounding_boxes": boxes}, training=True
    )
    assert to_numpy(out["segmentation_masks"]).shape == masks.shape
    assert to_numpy(out["bounding_boxes"]["boxes"]).shape == (8, 4, 4)
    assert to_numpy(out["bounding_boxes"]["labels"]).shape == (8, 4)


def test_halves_are_rounded_and_not_cut_off(run):
    """11: Keras' kernel truncates: levels fall by half of one."""
    ramp = np.tile(np.arange(0, 250, 5, dtype="uint8")[None, None, :, None], (1, 5, 1, 1))
    shift = A.RandomTranslation(height=(0, 0), width=(0.25 / 50, 0.25 / 50))
    out = run([shift], ramp)[0, 2, 2:-2, 0].astype(float)
    exact = ramp[0, 2, 2:-2, 0] - 0.25 * 5
    assert abs((out - exact).mean()) <= 0.26
    assert np.abs(out - exact).max() <= 0.5


def test_zooming_out_does_not_alias(run):
    """12: Keras samples; of stripes finer than the new pixels their mean is left."""
    stripes = np.tile(np.uint8([0, 255]), 32)[None, None, :, None].repeat(64, axis=1)
    out = run([A.RandomZoom((0.5, 0.5)), A.RandomRotation((3, 3))], stripes)
    middle = out[0, 24:40, 24:40, 0].astype(float)
    assert np.abs(middle - 127.5).max() < 40
