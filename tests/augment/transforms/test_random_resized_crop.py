import keras
import numpy as np
import pytest
from PIL import Image
from scipy import stats
from sklearn.datasets import load_sample_image

import kerastricks as kt

Crop = kt.augment.RandomResizedCrop
PHOTO = load_sample_image("china.jpg")[:300, :400]


def rectangles(matrices, size, output):
    """Top, left, height and width of what is cut out, in pixels."""
    height, width = matrices[:, 1, 1] * output[0], matrices[:, 0, 0] * output[1]
    top = matrices[:, 1, 2] + size[0] / 2 - height / 2
    left = matrices[:, 0, 2] + size[1] / 2 - width / 2
    return np.stack([top, left, height, width], axis=-1)


def reference(size, scale, ratio, count):
    """The same law, drawn by rejection with numpy."""
    rng = np.random.default_rng(0)
    areas = []
    while len(areas) < count:
        area = rng.uniform(*scale) * size[0] * size[1]
        aspect = np.exp(rng.uniform(*np.log(ratio)))
        height, width = round(np.sqrt(area / aspect)), round(np.sqrt(area * aspect))
        if 0 < height <= size[0] and 0 < width <= size[1]:
            areas.append((height * width, width / height))
    return np.array(areas).T


def test_areas_and_aspect_ratios_are_those_of_torchvisions_law(draw):
    size, output = (200, 300), (64, 64)
    _, _, height, width = rectangles(draw(Crop(*output), size=size), size, output).T
    areas, ratios = reference(size, (0.08, 1), (3 / 4, 4 / 3), 4000)
    assert stats.ks_2samp(height * width, areas).pvalue > 1e-3
    assert stats.ks_2samp(width / height, ratios).pvalue > 1e-3


def test_rectangles_lie_within_the_image_on_whole_pixels_at_any_place(draw):
    size, output = (200, 300), (64, 80)
    drawn = rectangles(draw(Crop(*output), size=size), size, output)
    np.testing.assert_allclose(drawn, np.round(drawn), atol=1e-3)
    top, left, height, width = np.round(drawn).T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 200).all()
    assert (left + width <= 300).all()
    free = height < 190
    shares = (top + np.random.default_rng(1).uniform(size=top.shape)) / (200 - height + 1)
    assert stats.kstest(shares[free], "uniform").pvalue > 1e-3


def test_where_nothing_fits_the_largest_middle_is_taken(draw):
    """A strip of 10 x 1000 pixels has no part of half its area that is nearly square."""
    size, output = (10, 1000), (32, 32)
    drawn = rectangles(draw(Crop(*output, scale=(0.5, 1)), count=50, size=size), size, output)
    np.testing.assert_allclose(drawn, np.tile([0, 493, 10, 13], (50, 1)), atol=0.51)


def test_pixels_are_those_of_pil(run, draw):
    crop = Crop(96, 128, scale=(0.1, 0.6))
    out = run([crop], PHOTO[None])[0].astype(int)
    top, left, height, width = rectangles(draw(crop, 1, PHOTO.shape[:2]), (300, 400), (96, 128))[0]
    box = left, top, left + width, top + height
    image = Image.fromarray(PHOTO).resize((128, 96), Image.BILINEAR, box=box)
    difference = np.abs(out - np.asarray(image))[8:-8, 8:-8]  # PIL's filter ends at the box
    assert difference.max() <= 1


def test_without_chance_the_whole_image_is_resized(run):
    out = run([Crop(96, 128, probability=0)], PHOTO[None])
    np.testing.assert_array_equal(out, run([kt.augment.Resize(96, 128)], PHOTO[None]))


@pytest.mark.parametrize("arguments", [{"scale": (0, 1)}, {"scale": (0.5, 2)}, {"scale": "all"}])
def test_areas_that_are_no_share_are_refused(arguments):
    with pytest.raises(ValueError, match=r"`scale` is a number above 0 and at most 1, or a pair"):
        Crop(8, 8, **arguments)


@pytest.mark.parametrize("ratio", [(0, 1), (2, 1), (-1, 1), (1, 2, 3)])
def test_aspect_ratios_that_are_no_range_are_refused(ratio):
    with pytest.raises(ValueError, match=r"`aspect_ratio` is a number from 0.01 to 100, or a pair"):
        Crop(8, 8, aspect_ratio=ratio)


@pytest.mark.compiling
@pytest.mark.parametrize("jit_compile", [False, True])
def test_sizes_that_turn_out_later_are_compiled(jit_compile):
    """How many pixels make one is drawn then, which no compiler makes an array of."""
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("shapes are known beforehand")
    pipeline = kt.augment.Pipeline([kt.augment.RandomResizedCrop(6, 5)], seed=0)
    spec = tf.TensorSpec((None, None, None, 3), tf.uint8)
    augment = tf.function(
        lambda x: pipeline(x, training=True), input_signature=[spec], jit_compile=jit_compile
    )
    images = np.random.default_rng(0).integers(0, 256, (2, 24, 30, 3), "uint8")
    expected = kt.augment.Pipeline([kt.augment.RandomResizedCrop(6, 5)], seed=0)(
        images, training=True
    )
    difference = augment(images).numpy().astype(int) - np.asarray(expected).astype(int)
    assert abs(difference).max() <= 1


@pytest.mark.compiling
def test_the_size_that_comes_out_is_known_in_a_graph():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("shapes are known beforehand")
    pipeline = kt.augment.Pipeline([kt.augment.RandomZoom((0.8, 0.8))], seed=0)
    spec = tf.TensorSpec((None, 12, 16, 3), tf.uint8)
    traced = tf.function(lambda x: pipeline(x, training=True)).get_concrete_function(spec)
    assert traced.structured_outputs.shape.as_list() == [None, 12, 16, 3]
