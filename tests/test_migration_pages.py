"""The conversions that docs/migration/ states, against the other library or its table."""

import math

import keras
import numpy as np
import pytest

import kerastricks as kt

# `torch.nn.init.calculate_gain`, the table of its documentation in PyTorch 2.13. Of the leaky
# rectifier, the function's own default slope.
GAINS_OF_PYTORCH = {
    "linear": 1.0,
    "relu": math.sqrt(2.0),
    "leaky_relu": math.sqrt(2.0 / (1 + 0.01**2)),
    "tanh": 5.0 / 3,
    "sigmoid": 1.0,
    "selu": 3.0 / 4,
}
GAINS_ON_THE_PAGE = {"linear": 1.0, "relu": 1.4142, "tanh": 1.5925, "sigmoid": 1.8462, "selu": 1.0}

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype("float32")


def augmented(transform, images=IMAGES, **arguments):
    return np.asarray(kt.augment.Pipeline([transform], seed=0, **arguments)(images, training=True))


def by_keras(layer, images=IMAGES):
    return keras.ops.convert_to_numpy(layer(images, training=True))


def at_minus_one(layer):
    return float(keras.ops.convert_to_numpy(layer(np.array([[-1.0, 1.0]], "float32")))[0, 0])


def assert_same(transform, layer, border=0):
    inner = slice(border, IMAGES.shape[1] - border)
    ours, theirs = augmented(transform), by_keras(layer)
    np.testing.assert_allclose(ours[:, inner, inner], theirs[:, inner, inner], atol=0.1)
    assert np.abs(ours - IMAGES).max() > 1  # something has happened


def test_alpha_is_one_minus_the_momentum_of_keras():
    ours = kt.layers.BatchNormalization(alpha=0.1)
    theirs = keras.layers.BatchNormalization(momentum=0.9)
    for batch in np.random.default_rng(0).normal(2, 3, (4, 16, 3)).astype("float32"):
        ours(batch, training=True)
        theirs(batch, training=True)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5)
    assert kt.layers.BatchNormalization().momentum == keras.layers.BatchNormalization().momentum


def test_alpha_is_the_momentum_of_pytorch_which_averages_unbiased_variances():
    layer = kt.layers.BatchNormalization(alpha=0.1, epsilon=1e-5, unbiased_variance=True)
    mean, variance = np.zeros(3), np.ones(3)
    for batch in np.random.default_rng(0).normal(2, 3, (4, 16, 3)).astype("float32"):
        layer(batch, training=True)
        mean = 0.9 * mean + 0.1 * batch.mean(axis=0)
        variance = 0.9 * variance + 0.1 * batch.var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-5)


@pytest.mark.parametrize("layer", [kt.layers.Dropout, kt.layers.MonteCarloDropout])
def test_keep_is_one_minus_the_rate(layer):
    assert math.isclose(layer(keep=0.8).rate, 0.2)
    assert layer(0.2).keep == 1 - keras.layers.Dropout(0.2).rate


def test_defaults_of_leaky_rectifiers():
    assert kt.layers.LeakyReLU().negative_slope == keras.layers.LeakyReLU().negative_slope == 0.3
    assert at_minus_one(keras.activations.leaky_relu) == pytest.approx(-0.2)
    assert at_minus_one(kt.layers.PReLU()) == -0.25
    assert at_minus_one(keras.layers.PReLU()) == 0
    # torch.nn.RReLU: (lower + upper) / 2 at inference.
    assert at_minus_one(kt.layers.RandomizedLeakyReLU()) == pytest.approx(-0.2292, abs=1e-4)


@pytest.mark.parametrize("name", GAINS_ON_THE_PAGE)
def test_gains_are_those_on_the_page(name):
    assert kt.theory.gain(name) == pytest.approx(GAINS_ON_THE_PAGE[name], abs=5e-5)


@pytest.mark.parametrize("name", ["linear", "relu"])
def test_gains_agree_with_pytorch_where_the_page_says_so(name):
    assert kt.theory.gain(name) == pytest.approx(GAINS_OF_PYTORCH[name], rel=1e-6)


def test_the_gain_of_leaky_rectifiers_is_that_of_pytorch():
    assert kt.theory.rectifier_gain(0.01) == pytest.approx(GAINS_OF_PYTORCH["leaky_relu"])


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "selu"])
def test_gains_differ_from_pytorch_where_the_page_says_so(name):
    assert abs(kt.theory.gain(name) / GAINS_OF_PYTORCH[name] - 1) > 0.04


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (keras.initializers.GlorotUniform, lambda seed: kt.initializers.Xavier("uniform", seed)),
        (
            keras.initializers.GlorotNormal,
            lambda seed: kt.initializers.Xavier("truncated_normal", seed),
        ),
        (keras.initializers.HeNormal, lambda seed: kt.initializers.He(0, "truncated_normal", seed)),
        (keras.initializers.HeUniform, lambda seed: kt.initializers.He(0, "uniform", seed)),
        (keras.initializers.LecunUniform, lambda seed: kt.initializers.LeCun("uniform", seed)),
        (
            lambda seed: keras.initializers.VarianceScaling(
                kt.theory.gain("tanh") ** 2, "fan_in", "untruncated_normal", seed
            ),
            lambda seed: kt.initializers.ForActivation("tanh", seed=seed),
        ),
        (
            lambda seed: keras.initializers.RandomNormal(stddev=0.05, seed=seed),
            lambda seed: kt.initializers.ScaledNormal(0.05, seed),
        ),
        (
            lambda seed: keras.initializers.Orthogonal(2.0, seed),
            lambda seed: kt.initializers.Orthogonal(2.0, seed),
        ),
    ],
)
def test_the_first_draw_is_that_of_keras(theirs, ours):
    expected, drawn = theirs(seed=3)((20, 30)), ours(3)((20, 30))
    np.testing.assert_allclose(drawn, expected, rtol=1e-4, atol=1e-5)


def test_the_default_start_of_linear_layers_in_pytorch():
    # kaiming_uniform_(a=sqrt(5)): within 1 / sqrt(fan_in), the variance of which is 1 / (3 fan_in).
    weights = np.asarray(kt.initializers.He(math.sqrt(5), "uniform", seed=0)((400, 500)))
    assert 0.999 / 20 < np.abs(weights).max() <= 1 / 20
    # 200,000 uniform numbers: the variance's relative standard error is 0.002.
    assert weights.var() == pytest.approx(1 / 1200, rel=0.01)


def test_rotation_counts_turns_in_keras_and_degrees_here():
    factor = 0.05
    assert_same(
        kt.augment.RandomRotation((360 * factor, 360 * factor)),
        keras.layers.RandomRotation((factor, factor)),
        border=3,  # what comes in at the corners is reflected otherwise
    )


@pytest.mark.parametrize("factor", [-0.25, -0.5])
def test_zoom_is_the_inverse_of_one_plus_the_factor(factor):
    scale = 1 / (1 + factor)
    assert_same(
        kt.augment.RandomZoom((scale, scale)), keras.layers.RandomZoom((factor, factor)), border=2
    )


def test_translation_goes_down_and_to_the_right_in_both():
    down, right = (0.25, 0.25), (0.125, 0.125)
    assert_same(
        kt.augment.RandomTranslation(down, right), keras.layers.RandomTranslation(down, right)
    )


def test_the_tangent_of_the_shear_is_the_factor_of_keras():
    line = np.zeros((1, 33, 33, 1), "float32")
    line[:, :, 16] = 255
    angle = math.degrees(math.atan(0.5))
    ours = augmented(kt.augment.RandomShear((angle, angle)), line, fill_mode="constant")
    theirs = by_keras(keras.layers.RandomShear((0.5, 0.5), 0.0, fill_mode="constant"), line)
    columns = ours[0, :, :, 0].argmax(axis=1)
    assert columns[16] == 16  # about the center
    assert columns[0] - columns[32] == 16
    columns = theirs[0, :, :, 0].argmax(axis=1)
    assert columns[0] == 16  # about the upper edge, in either direction
    assert abs(columns[0] - columns[32]) == 16


def test_sharpness_is_twice_the_factor_of_keras():
    assert_same(
        kt.augment.RandomSharpness((1.5, 1.5)),
        keras.layers.RandomSharpness((0.75, 0.75)),
        border=1,  # where Keras smooths with zeros
    )


def test_degeneration_is_what_is_left_of_saturation():
    assert_same(
        kt.augment.RandomSaturation((0.75, 0.75)),
        keras.layers.RandomColorDegeneration((0.25, 0.25)),
    )


def test_brightness_is_added_in_keras_and_multiplied_here():
    np.testing.assert_allclose(
        by_keras(keras.layers.RandomBrightness((0.2, 0.2))), np.clip(IMAGES + 0.2 * 255, 0, 255)
    )
    np.testing.assert_allclose(
        augmented(kt.augment.RandomBrightness((1.2, 1.2))), np.clip(1.2 * IMAGES, 0, 255), rtol=1e-5
    )


def test_saturation_of_a_half_changes_nothing_in_keras():
    same = by_keras(keras.layers.RandomSaturation((0.5, 0.5)))
    np.testing.assert_allclose(same, IMAGES, atol=0.01)


def test_one_number_of_keras_contrast_only_raises_it():
    pair = np.tile(np.array([100.0, 120.0], "float32").reshape(1, 1, 2, 1), (500, 1, 1, 1))

    def factors(images):
        return (images[:, 0, 1, 0] - images[:, 0, 0, 0]) / 20

    theirs = factors(by_keras(keras.layers.RandomContrast(0.4, seed=0), pair))
    assert theirs.min() > 0.99
    theirs = factors(by_keras(keras.layers.RandomContrast((0.4, 0.4), seed=0), pair))
    ours = factors(augmented(kt.augment.RandomContrast(0.4), pair))
    for drawn in theirs, ours:
        assert 0.59 < drawn.min() < 0.62
        assert 1.38 < drawn.max() < 1.41


def test_one_number_of_keras_saturation_makes_half_of_the_images_gray():
    red = np.tile(np.array([200.0, 100.0, 100.0], "float32"), (2000, 1, 1, 1))
    colors = by_keras(keras.layers.RandomSaturation(0.4, seed=0), red)
    # 2,000 coins: three standard errors are 0.034.
    assert (np.ptp(colors, axis=-1) < 0.01).mean() == pytest.approx(0.5, abs=0.034)


def test_hue_is_half_the_factor_of_keras():
    # A third of a turn makes red green, or, in Keras, which draws the sign, blue.
    red = np.tile(np.array([200.0, 100.0, 100.0], "float32"), (16, 1, 1, 1))
    theirs = by_keras(keras.layers.RandomHue((2 / 3, 2 / 3), seed=0), red)
    assert set(theirs.reshape(-1, 3).argmax(axis=1)) == {1, 2}
    ours = augmented(kt.augment.RandomHue((1 / 3, 1 / 3)), red)
    assert set(ours.reshape(-1, 3).argmax(axis=1)) == {1}


def test_one_number_for_a_probability_of_keras_means_half_of_it():
    black = np.zeros((2000, 1, 1, 1), "float32")
    # 2,000 coins: three standard errors are 0.034.
    half = by_keras(keras.layers.RandomInvert(1.0, seed=0), black).mean() / 255
    assert half == pytest.approx(0.5, abs=0.034)
    assert by_keras(keras.layers.RandomInvert((1.0, 1.0)), black).mean() == 255
    assert augmented(kt.augment.RandomInvert(probability=1), black).mean() == 255


def test_bits_of_keras_posterization_are_fixed_by_a_pair():
    assert_same(kt.augment.RandomPosterize(3), keras.layers.RandomPosterization((3, 3)))


def test_resizing_with_antialiasing_is_resize():
    theirs = keras.layers.Resizing(8, 8, antialias=True)(IMAGES)
    ours = augmented(kt.augment.Resize(8, 8))
    np.testing.assert_allclose(ours, keras.ops.convert_to_numpy(theirs), atol=0.01)
