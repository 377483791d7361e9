"""On TensorFlow the operations work in `tf.function` and `tf.data`, with sizes not yet known."""

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa

tf = pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("graphs are TensorFlow's", allow_module_level=True)

image = tfa.image
PICTURES = np.random.default_rng(0).uniform(0, 255, (2, 6, 5, 3)).astype("float32")

OPERATIONS = {
    "rotate": lambda x: image.rotate(x, 0.4, "bilinear", "reflect"),
    "rotate each": lambda x: image.rotate(x, tf.linspace(0.1, 1.0, tf.shape(x)[0])),
    "transform": lambda x: image.transform(
        x, [[1, 0.1, 0, 0, 1, 1, 0.01, 0]], output_shape=tf.shape(x)[1:3] // 2
    ),
    "translate": lambda x: image.translate(x, [tf.cast(tf.shape(x)[1], "float32") / 4, 1.0]),
    "translate_xy": lambda x: image.translate_xy(x[0], tf.shape(x)[1:3] // 4, [1, 2, 3]),
    "shear": lambda x: image.shear_x(image.shear_y(x[0], 0.1, 7), tf.reduce_mean(x) / 500, 3),
    "cutout": lambda x: image.cutout(x, tf.shape(x)[2] // 4 * 2, (2, 3)),
    "hsv": lambda x: image.adjust_hsv_in_yiq(x, tf.reduce_mean(x) / 100, 0.5, 1.1),
    "blend": lambda x: image.blend(x, x[::-1], tf.reduce_mean(x) / 200),
    "sharpness": lambda x: image.sharpness(x, tf.reduce_mean(x) / 100),
    "equalize": image.equalize,
    "equalize uint8": lambda x: image.equalize(tf.cast(x, "uint8")),
    "mean": lambda x: image.mean_filter2d(x, (2, 3)),
    "median": lambda x: image.median_filter2d(tf.cast(x, "uint8"), 3, "SYMMETRIC"),
    "gaussian": lambda x: image.gaussian_filter2d(x, 3, tf.reduce_mean(x) / 100),
    "gaussian constant": lambda x: image.gaussian_filter2d(x, 3, 0.7, "CONSTANT", 4),
    "interpolate_bilinear": lambda x: image.interpolate_bilinear(x, x[:, :, 0, :2] / 50),
    "dense_image_warp": lambda x: image.dense_image_warp(x, x[..., :2] / 100),
    "distances": lambda x: image.euclidean_dist_transform(tf.cast(x > 60, "uint8"), tf.float32),
    "components": lambda x: image.connected_components(x[..., 0] > 120),
}


@pytest.mark.compiling
@pytest.mark.parametrize(
    "name",
    # One stands for them all where time is short.
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "transform")) for name in OPERATIONS],
)
def test_unknown_sizes_give_what_known_ones_give(name):
    operation = OPERATIONS[name]
    eager = operation(tf.constant(PICTURES)).numpy()
    data = tf.data.Dataset.from_generator(
        lambda: [PICTURES], output_signature=tf.TensorSpec((None, None, None, 3))
    )
    (mapped,) = data.map(operation).as_numpy_iterator()
    np.testing.assert_allclose(mapped, eager, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", ["rotate", "equalize", "mean", "sharpness", "distances"])
def test_unknown_ranks_are_found_out(name):
    graph = tf.function(OPERATIONS[name], input_signature=[tf.TensorSpec(None)])
    for x in (PICTURES, PICTURES[0], PICTURES[0, ..., 0]):
        np.testing.assert_allclose(graph(x), OPERATIONS[name](x), rtol=1e-5, atol=1e-4)


@pytest.mark.compiling
def test_known_sizes_stay_known():
    graph = tf.function(
        lambda x: [
            image.rotate(x, 0.3),
            image.median_filter2d(x),
            image.equalize(x),
            image.sharpness(x, 0.5),
            image.random_cutout(x, 2),
            image.dense_image_warp(x, x[..., :2]),
        ]
    )
    signature = tf.TensorSpec((None, 6, 5, 3))
    for output in graph.get_concrete_function(signature).outputs:
        assert output.shape.as_list() == [None, 6, 5, 3]


def test_random_cutouts_differ_from_batch_to_batch_and_lie_on_no_diagonal():
    data = tf.data.Dataset.from_tensors(np.ones((100, 8, 8, 1), "float32")).repeat(2)
    drawn = [
        1 - batch[..., 0]
        for batch in data.map(lambda x: image.random_cutout(x, 2, seed=5)).as_numpy_iterator()
    ]
    assert not np.array_equal(*drawn)
    for batch in drawn:
        top, left = batch.any(2).argmax(1), batch.any(1).argmax(1)
        assert abs(np.corrcoef(top, left)[0, 1]) < 4 / np.sqrt(len(batch))


def test_the_seed_of_the_program_repeats_what_is_drawn():
    x = np.ones((20, 8, 8, 1), "float32")
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        drawn.append(image.random_cutout(x, 2, seed=1).numpy())
    np.testing.assert_array_equal(*drawn)


def test_the_gradient_of_a_rotation_is_its_derivative():
    x, weights = tf.constant(PICTURES), tf.constant(PICTURES[::-1].copy())
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(image.rotate(x, 0.3, "bilinear") * weights)
    gradient = tape.gradient(value, x)
    # The rotation is linear in the images: what it gives is the gradient times them.
    np.testing.assert_allclose(tf.reduce_sum(gradient * x), value, rtol=1e-5)


@pytest.mark.slow
def test_xla_compiles_loops_over_pixels():
    masks = tf.constant((PICTURES[..., 0] > 120).astype("uint8"))
    for operation in (
        image.connected_components,
        lambda x: image.euclidean_dist_transform(x[..., None]),
    ):
        compiled = tf.function(operation, jit_compile=True)
        np.testing.assert_allclose(compiled(masks), operation(masks), rtol=1e-6)
