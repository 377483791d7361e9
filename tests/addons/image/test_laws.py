"""What holds of the operations on images on every backend."""

import keras
import numpy as np
import pytest
from scipy import ndimage

import kerastricks.addons as tfa

image = tfa.image


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def picture(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")


RANKS = {
    "rotate": lambda x: image.rotate(x, 0.4, "bilinear", "wrap"),
    "translate": lambda x: image.translate(x, [1.5, -2], fill_value=3),
    "sharpness": lambda x: image.sharpness(x, 1.5),
    "equalize": image.equalize,
    "mean": lambda x: image.mean_filter2d(x, (3, 2), "SYMMETRIC"),
    "median": lambda x: image.median_filter2d(x, 2, "CONSTANT", 5),
    "gaussian": image.gaussian_filter2d,
    "distances": lambda x: image.euclidean_dist_transform(
        (numbers(x) > 60).astype("uint8"), "float32"
    ),
}


@pytest.mark.parametrize("name", RANKS)
def test_ranks_and_dtypes_are_kept(name):
    batch = picture(2, 6, 5, 1)
    whole = numbers(RANKS[name](batch))
    assert whole.shape == batch.shape
    np.testing.assert_array_equal(numbers(RANKS[name](batch[1])), whole[1])
    np.testing.assert_array_equal(numbers(RANKS[name](batch[1, :, :, 0])), whole[1, :, :, 0])
    for dtype in ("uint8", "int32", "float16") if name != "distances" else ():
        out = RANKS[name](batch.astype(dtype))
        assert keras.backend.standardize_dtype(out.dtype) == dtype


def test_a_wrapped_shift_rolls():
    x = picture(2, 5, 6, 1)
    for dx, dy in ((1, 0), (-7, 2), (14, -11)):
        moved = numbers(image.translate(x, [dx, dy], "nearest", "wrap"))
        np.testing.assert_array_equal(moved, np.roll(x, (dy, dx), (1, 2)))
    half = numbers(image.translate(x, [0.5, 0], "bilinear", "wrap"))
    np.testing.assert_allclose(half, (x + np.roll(x, 1, 2)) / 2, rtol=1e-5)


def test_a_rotation_by_a_quarter_turns_counterclockwise():
    x = picture(6, 6, 2)
    np.testing.assert_array_equal(numbers(image.rotate(x, np.pi / 2)), np.rot90(x))


def test_rows_of_transforms_belong_to_images():
    x = picture(3, 5, 6, 2)
    together = numbers(image.rotate(x, [0.2, -1.0, 2.0], "bilinear", "reflect"))
    for number, angle in enumerate((0.2, -1.0, 2.0)):
        alone = numbers(image.rotate(x[number], angle, "bilinear", "reflect"))
        np.testing.assert_allclose(together[number], alone, atol=1e-3)


def test_a_composition_is_the_product_of_the_transforms():
    first, second = [1.0, 0, 2, 0, 1, -1, 0, 0], [0.0, -1, 5, 1, 0, 0, 0, 0]
    x = picture(6, 6)
    stepwise = image.transform(
        image.transform(x, first, fill_mode="wrap"), second, fill_mode="wrap"
    )
    at_once = image.transform(x, image.compose_transforms([first, second]), fill_mode="wrap")
    np.testing.assert_array_equal(numbers(at_once), numbers(stepwise))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32"])
def test_what_is_constant_stays_so(dtype):
    for level in (3, 100, 200, 255):
        x = np.full((5, 7, 3), level, dtype)
        for out in (
            image.rotate(x, 0.7, "bilinear", "nearest"),
            image.mean_filter2d(x, (2, 3)),
            image.median_filter2d(x, 2),
            image.gaussian_filter2d(x, 5, 1.3),
            image.sharpness(x, 0.3),
            image.equalize(x),
            image.adjust_hsv_in_yiq(x),
        ):
            np.testing.assert_allclose(
                numbers(out), x, rtol=0, atol=0.25 if dtype == "float16" else 1e-3
            )


def test_filters_are_those_of_scipy():
    x = picture(9, 8)
    modes = {"REFLECT": "mirror", "SYMMETRIC": "reflect", "CONSTANT": "constant"}
    for padding, mode in modes.items():
        common = {"mode": mode, "cval": 7}
        np.testing.assert_allclose(
            numbers(image.mean_filter2d(x, (3, 5), padding, 7)),
            ndimage.uniform_filter(x, (3, 5), **common),
            rtol=1e-5,
        )
        np.testing.assert_array_equal(
            numbers(image.median_filter2d(x, (5, 3), padding, 7)),
            ndimage.median_filter(x, (5, 3), **common),
        )
        np.testing.assert_allclose(
            numbers(image.gaussian_filter2d(x, 9, 1.0, padding, 7)),
            ndimage.gaussian_filter(x, 1.0, radius=4, **common),
            rtol=1e-5,
        )


def test_a_median_of_two_bright_values_does_not_overflow():
    x = np.full((4, 4), 250, "uint8")
    x[::2] = 240
    assert set(numbers(image.median_filter2d(x, (2, 1), "SYMMETRIC")).ravel()) <= {245, 250}


def test_a_sigma_of_0_blurs_nothing():
    x = picture(5, 6, 2)
    np.testing.assert_array_equal(numbers(image.gaussian_filter2d(x, 3, 0.0)), x)


def test_equalized_images_use_every_level_alike():
    levels = np.random.default_rng(1).permutation(np.repeat(np.arange(64), 256))
    out = numbers(image.equalize(levels.reshape(128, 128).astype("uint8")))
    values, counts = np.unique(out, return_counts=True)
    assert (counts == 256).all()
    assert (values.min(), values.max()) == (0, 255)
    assert (np.diff(values) >= 3).all()


def test_values_beyond_the_range_are_kept_in_it():
    x = np.uint8([[[200, 100, 50]]])
    assert numbers(image.adjust_hsv_in_yiq(x, scale_value=2.0)).ravel().tolist() == [255, 200, 100]


def test_hues_add_up():
    x = picture(3, 4, 3)
    twice = image.adjust_hsv_in_yiq(image.adjust_hsv_in_yiq(x, 0.4), 0.5)
    np.testing.assert_allclose(numbers(twice), numbers(image.adjust_hsv_in_yiq(x, 0.9)), atol=2e-3)


def test_blends_of_known_and_unknown_factors_agree():
    a, b = picture(3, 4), picture(3, 4, seed=1)
    np.testing.assert_array_equal(numbers(image.blend(a, b, 0.0)), a)
    np.testing.assert_array_equal(numbers(image.blend(a, b, 1.0)), b)
    np.testing.assert_allclose(numbers(image.blend(a, b, 0.25)), np.round(0.75 * a + 0.25 * b))
    assert numbers(image.blend(a, b, 9.0)).min() >= 0


def test_a_whole_flow_moves_whole_pixels():
    x = picture(2, 5, 6, 3)
    flow = np.full((2, 5, 6, 2), [2, -1], "float32")
    out = numbers(image.dense_image_warp(x, flow))
    np.testing.assert_allclose(out[:, 2:, :5], x[:, :3, 1:], rtol=1e-6)
    np.testing.assert_allclose(out[:, 0], out[:, 1], rtol=1e-6)


def test_a_grid_of_one_row_is_interpolated():
    values = image.interpolate_bilinear([[[[1.0], [3.0]]]], [[[4.0, 0.25], [-1.0, 7.0]]])
    assert numbers(values).ravel().tolist() == [1.5, 3.0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (17, 33), (20, 16)])
def test_distances_are_those_of_scipy(shape):
    mask = np.random.default_rng(2).random(shape) > 0.1
    mask.flat[mask.size // 2] = False
    out = numbers(image.euclidean_dist_transform(mask.astype("uint8") * 3))
    np.testing.assert_allclose(out, ndimage.distance_transform_edt(mask), rtol=1e-6)


def spiral(size):
    mask = np.zeros((size, size), bool)
    row, column, step = 0, 0, (0, 1)
    mask[0, 0] = True
    while True:
        for _ in range(2):
            ahead = row + step[0], column + step[1]
            beyond = row + 2 * step[0], column + 2 * step[1]
            free = all(0 <= place < size for place in ahead) and not (
                all(0 <= place < size for place in beyond) and mask[beyond]
            )
            if free:
                break
            step = step[1], -step[0]
        if not free:
            return mask
        row, column = ahead
        mask[row, column] = True


@pytest.mark.parametrize(
    "mask",
    [
        np.random.default_rng(3).random((30, 41)) > 0.4,
        np.random.default_rng(4).random((30, 41)) > 0.6,
        spiral(33),
        ~spiral(33),
        np.ones((1, 1), bool),
    ],
    ids=["dense", "sparse", "spiral", "between", "pixel"],
)
def test_components_of_masks_are_those_of_scipy(mask):
    expected, _ = ndimage.label(mask)
    np.testing.assert_array_equal(numbers(image.connected_components(mask)), expected)


def test_numbers_of_components_go_on_from_image_to_image():
    x = np.array([[[1, 0, 2]], [[2, 2, 0]], [[0, 0, 0]], [[5, 0, 5]]])
    out = numbers(image.connected_components(x))
    assert out.tolist() == [[[1, 0, 2]], [[3, 3, 0]], [[0, 0, 0]], [[4, 0, 5]]]
    assert out.dtype == "int32"


def test_cutouts_lie_where_they_are_said_to_lie():
    x = np.ones((2, 6, 7, 2), "uint8")
    out = numbers(image.cutout(x, (2, 4), [[1, 3], [9, 9]], 5))
    assert (out[0, 0:2, 1:5] == 5).all()
    assert (out == 5).sum() == 2 * 4 * 2


def test_random_cutouts_lie_within_and_on_no_diagonal():
    x = np.ones((200, 8, 8, 1), "float32")
    out = numbers(image.random_cutout(x, (4, 2), seed=3))[..., 0]
    assert ((out == 0).sum((1, 2)) == 8).all()
    top, left = (out == 0).any(2).argmax(1), (out == 0).any(1).argmax(1)
    # Centers: 2 <= y < 6 and 1 <= x < 7, so tops 0 ... 3 and lefts 0 ... 5, as in the real one.
    assert (set(top), set(left)) == (set(range(4)), set(range(6)))
    assert abs(np.corrcoef(top, left)[0, 1]) < 4 / np.sqrt(len(x))
    again = numbers(image.random_cutout(x, (4, 2), seed=3))[..., 0]
    assert not np.array_equal(out, again)


def test_random_hues_stay_in_their_ranges():
    gray = np.full((1, 1, 3), 100.0, "float32")
    values = [
        float(numbers(image.random_hsv_in_yiq(gray, 1.0, 0.5, 2.0, 0.8, 1.1, seed=s))[0, 0, 0])
        for s in range(30)
    ]
    assert 79.9 < min(values) < 90
    assert 100 < max(values) < 110.1
    np.testing.assert_allclose(numbers(image.random_hsv_in_yiq(gray)), gray, rtol=1e-5)


def test_a_seed_generator_repeats_what_it_drew():
    x = np.ones((4, 9, 9, 1), "float32")
    once, again = (
        numbers(image.random_cutout(x, 2, seed=keras.random.SeedGenerator(7))) for _ in range(2)
    )
    np.testing.assert_array_equal(once, again)


def test_colors_replace_what_becomes_empty():
    x = np.full((3, 4, 3), 9, "uint8")
    out = numbers(image.translate_xy(x, [1, 0], [1, 2, 3]))
    assert out[:, 0].tolist() == [[1, 2, 3]] * 3
    assert (out[:, 1:] == 9).all()
    assert numbers(image.shear_x(x[..., :1], 1.0, 7))[1, -1] == 7
    assert numbers(image.shear_y(x, 1.0, [7]))[-1, 1, 2] == 7


SQUARE = np.ones((1, 4, 4, 3), "float32")
MISTAKES = {
    "rank": (ValueError, "Images are", lambda: image.rotate(np.ones(3), 1.0)),
    "bool": (TypeError, "dtype 'bool'", lambda: image.rotate(np.ones((3, 3), bool), 1.0)),
    "cubic": (ValueError, "`interpolation`", lambda: image.rotate(SQUARE, 1.0, "cubic")),
    "fill": (ValueError, "`fill_mode`", lambda: image.rotate(SQUARE, 1.0, fill_mode="mirror")),
    "angles": (ValueError, "`angles`", lambda: image.rotate(SQUARE, [[1.0]])),
    "count": (ValueError, "1 images", lambda: image.rotate(SQUARE, [1.0, 2.0])),
    "eight": (ValueError, "of 8 numbers", lambda: image.transform(SQUARE, [1.0] * 6)),
    "size": (
        ValueError,
        "`output_shape`",
        lambda: image.transform(SQUARE, [1.0] * 8, output_shape=[3]),
    ),
    "none": (ValueError, "at least one", lambda: image.compose_transforms([])),
    "shift": (ValueError, "`translations`", lambda: image.translate(SQUARE, [1, 2, 3])),
    "batch": (ValueError, "`image` must be", lambda: image.shear_x(SQUARE, 1.0, 0)),
    "replace": (ValueError, "`replace`", lambda: image.shear_x(SQUARE[0], 1.0, [1, 2])),
    "odd": (ValueError, "even", lambda: image.cutout(SQUARE, 3)),
    "offset": (ValueError, "`offset`", lambda: image.cutout(SQUARE, 2, (1, 2, 3))),
    "single": (ValueError, "`images` must be", lambda: image.random_cutout(SQUARE[0], 2)),
    "rgb": (ValueError, "RGB", lambda: image.adjust_hsv_in_yiq(SQUARE[..., :2])),
    "hue": (ValueError, "`max_delta_hue`", lambda: image.random_hsv_in_yiq(SQUARE, -1)),
    "order": (ValueError, "greater", lambda: image.random_hsv_in_yiq(SQUARE, 0, 2, 1)),
    "bins": (ValueError, "`bins`", lambda: image.equalize(SQUARE, 1)),
    "filter": (ValueError, "`filter_shape`", lambda: image.mean_filter2d(SQUARE, (1, 2, 3))),
    "empty": (ValueError, "`filter_shape`", lambda: image.median_filter2d(SQUARE, 0)),
    "padding": (ValueError, "`padding`", lambda: image.median_filter2d(SQUARE, 3, "same")),
    "sigma": (ValueError, "`sigma`", lambda: image.gaussian_filter2d(SQUARE, 3, -1.0)),
    "sigmas": (ValueError, "`sigma`", lambda: image.gaussian_filter2d(SQUARE, 3, (1, 2, 3))),
    "grid": (ValueError, "`grid`", lambda: image.interpolate_bilinear(SQUARE[0], SQUARE[0])),
    "whole": (
        TypeError,
        "`grid`",
        lambda: image.interpolate_bilinear(SQUARE.astype("int32"), SQUARE[0]),
    ),
    "indexing": (
        ValueError,
        "`indexing`",
        lambda: image.interpolate_bilinear(SQUARE, SQUARE[0, :, :, :2], "yx"),
    ),
    "flow": (ValueError, "`flow`", lambda: image.dense_image_warp(SQUARE, SQUARE)),
    "uint8": (TypeError, "uint8", lambda: image.euclidean_dist_transform(SQUARE)),
    "int": (
        TypeError,
        "`dtype`",
        lambda: image.euclidean_dist_transform(SQUARE.astype("uint8"), "int32"),
    ),
    "flat": (TypeError, "`images`", lambda: image.connected_components(SQUARE)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(mistake):
    error, words, call = MISTAKES[mistake]
    with pytest.raises(error, match=words):
        call()
