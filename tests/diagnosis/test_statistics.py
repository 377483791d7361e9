import numpy as np
import pytest
from keras import ops

from kerastricks.diagnosis import statistics
from kerastricks.diagnosis.activations import Activation

RANDOM = np.random.default_rng(0)


def kernel_vector(kernel, gradient, scale, axes):
    """Of one kernel, which is a stack of one."""
    (vector,) = statistics.kernel_vectors(kernel[None], gradient[None], scale, axes)
    return vector


def layer_vector(x, axis, activation):
    return statistics.layer_vector(ops.convert_to_tensor(x), axis, activation)


def parts(vector):
    vector = ops.convert_to_numpy(vector)
    return vector[:2], *np.split(vector[2:], 3)


@pytest.mark.parametrize(("shape", "axis"), [((9, 4), -1), ((5, 3, 6, 4), -1), ((5, 4, 3, 6), 1)])
def test_layer_vector_equals_numpy(shape, axis):
    x = RANDOM.normal(1.0, 2.0, shape).astype("float32")
    rows = np.moveaxis(x, axis, -1).reshape(-1, 4)
    (examples, count), total, deviations, events = parts(layer_vector(x, axis, None))
    assert (examples, count) == (len(x), len(rows))
    np.testing.assert_allclose(total, rows.sum(0), rtol=1e-5)
    np.testing.assert_allclose(deviations / count, rows.var(0), rtol=1e-5)
    np.testing.assert_array_equal(events, (rows > 0).sum(0))


def test_events_of_a_bounded_activation_are_its_saturated_samples():
    x = np.array([[0.0, 0.99], [-0.99, 0.99], [0.5, 0.5]], "float32")
    tanh = Activation("tanh", low=-0.95, high=0.95)
    *_, events = parts(layer_vector(x, -1, tanh))
    np.testing.assert_array_equal(events, [1, 2])


def test_a_collapsed_signal_is_measured_beside_a_large_mean():
    """E[x^2] - E[x]^2 in float32 would give rounding noise of 1e-7 here."""
    x = (0.5 + 1e-5 * RANDOM.normal(size=(1000, 3))).astype("float32")
    (_, count), _, deviations, _ = parts(layer_vector(x, -1, None))
    np.testing.assert_allclose(deviations / count, x.astype("float64").var(0), rtol=0.02)


@pytest.mark.parametrize(
    ("shape", "axis", "kept"),
    [
        ((2, 8, 8, 3), -1, (2, 8, 8, 3)),
        ((2, 3, 8, 9), 1, (2, 3, 64)),
        ((2, 64, 3), -1, (2, 64, 3)),
        ((2, 65, 3), -1, (2, 64, 3)),
        ((2, 32, 32, 3), -1, (2, 64, 3)),
        ((2, 5, 7, 33, 3), -1, (2, 64, 3)),
        ((2, 5, 3, 33), 2, (2, 5, 3, 33)),
        ((5000, 3), -1, (5000, 3)),
        ((5000, 3), 1, (5000, 3)),
    ],
)
def test_of_large_feature_maps_64_positions_are_seen(shape, axis, kept):
    assert tuple(statistics.thinned(ops.zeros(shape), axis).shape) == kept


@pytest.mark.parametrize(("shape", "axis"), [((2, 12, 20, 3), -1), ((2, 3, 12, 20), 1)])
def test_all_examples_are_seen_at_the_same_positions_with_all_their_channels(shape, axis):
    marks = np.arange(np.prod(shape)).reshape(shape)
    seen = ops.convert_to_numpy(statistics.thinned(ops.convert_to_tensor(marks), axis))
    example, *position = np.unravel_index(seen, shape)
    channel = position.pop(axis % 4 - 1)
    np.testing.assert_array_equal(example[1], 1)
    np.testing.assert_array_equal(np.moveaxis(channel, axis, -1) - np.arange(3), 0)
    places = np.moveaxis(position[0] * shape[2 if axis == -1 else 3] + position[1], axis, -1)
    assert len(np.unique(places)) == 64
    np.testing.assert_array_equal(places, np.broadcast_to(places[:1, :, :1], places.shape))


def test_a_thinned_layer_has_the_mean_and_variance_of_the_whole():
    """To four standard errors: of a mean s / sqrt(n), of a variance s^2 sqrt(2 / n)."""
    x = RANDOM.normal(1.0, 2.0, (40, 32, 32, 4)).astype("float32")
    (examples, count), total, deviations, events = parts(layer_vector(x, -1, None))
    assert examples == 40
    assert count == 40 * 64
    np.testing.assert_allclose(total / count, 1.0, atol=4 * 2 / np.sqrt(count))
    np.testing.assert_allclose(deviations / count, 4.0, atol=4 * 4 * np.sqrt(2 / count))
    share = np.mean(x > 0)
    error = np.sqrt(share * (1 - share) / count)
    np.testing.assert_allclose(events / count, share, atol=4 * error)


def test_non_finite_elements_are_counted_where_they_show():
    bad = np.array([[1.0, np.nan], [np.inf, 2.0]], "float32")
    groups = [[ops.convert_to_tensor(bad)] * 2, [ops.ones((3,))], []]
    for total, counts in ((np.nan, [4, 0, 0]), (np.inf, [4, 0, 0]), (1.0, [0, 0, 0])):
        vector = ops.convert_to_tensor([1.0, total], "float32")
        counted = statistics.counts_where_needed(
            vector, len(groups), lambda: statistics.nonfinite_of_groups(groups)
        )
        np.testing.assert_array_equal(ops.convert_to_numpy(counted), counts)


def test_norms_are_of_all_elements_and_units_are_told_apart_by_some():
    """5000 rows of which 256 are seen: the squared norm of a unit to four standard errors."""
    g = RANDOM.normal(size=(5000, 3)).astype("float32")
    tensor = ops.convert_to_tensor(g)
    vector = ops.convert_to_numpy(kernel_vector(tensor, tensor, None, (-1,)))
    np.testing.assert_allclose(vector[:2], (g**2).sum(), rtol=1e-5)
    squares, *_ = np.split(vector[2:], statistics.KERNEL_ROWS)
    np.testing.assert_allclose(squares, (g**2).sum(0), rtol=4 * np.sqrt(2 / 256))


@pytest.mark.parametrize("rows", [4, 300])
def test_the_loss_scale_is_undone_in_all_that_comes_of_the_gradient(rows):
    arrays = RANDOM.normal(size=(2, rows, 5)).astype("float32")
    w, g = map(ops.convert_to_tensor, arrays)
    (norms,) = ops.convert_to_numpy(statistics.weight_vectors(w[None], 1024 * g[None], 1024.0))
    np.testing.assert_allclose(norms, (arrays[::-1] ** 2).sum((1, 2)), rtol=1e-5)
    scaled, plain = (
        ops.convert_to_numpy(kernel_vector(w, factor * g, scale, (-1,)))
        for factor, scale in ((1024, 1024.0), (1, None))
    )
    np.testing.assert_allclose(scaled, plain, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "axes"), [((6, 4), (-1,)), ((3, 3, 4, 2), (-2,)), ((3, 3, 2, 2), (-2, -1))]
)
def test_kernel_vector_tells_equal_units_from_others(shape, axes):
    w = RANDOM.normal(size=shape).astype("float32")
    units = int(np.prod([shape[a] for a in axes]))
    columns = np.moveaxis(w, axes, range(-len(axes), 0)).reshape(-1, units)
    twins = columns.copy()
    twins[:, 1] = twins[:, 0]
    restored = np.moveaxis(
        twins.reshape(
            [s for i, s in enumerate(shape) if i - len(shape) not in axes]
            + [shape[a] for a in axes]
        ),
        range(-len(axes), 0),
        axes,
    )
    kernel = ops.convert_to_tensor(restored)
    vector = ops.convert_to_numpy(kernel_vector(kernel, kernel, None, axes))
    np.testing.assert_allclose(vector[:2], (twins**2).sum(), rtol=1e-5)
    squares, _, _, signature, *_ = np.split(vector[2:], statistics.KERNEL_ROWS)
    np.testing.assert_allclose(squares, (twins**2).sum(0), rtol=1e-5)
    assert signature[0] == pytest.approx(signature[1], rel=1e-6)
    assert len(np.unique(signature.round(4))) == units - 1


def test_norms_of_small_tensors_are_those_of_each():
    shapes = [(3,), (2, 5), (1,), (7,)]
    first, second = ([RANDOM.normal(size=s).astype("float32") for s in shapes] for _ in range(2))
    rows = (list(map(ops.convert_to_tensor, tensors)) for tensors in (first, second))
    norms = statistics.small_norms([3, 10, 1, 7], statistics.side_by_side(*rows))
    expected = [[(a**2).sum(), (b**2).sum()] for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(ops.convert_to_numpy(norms), expected, rtol=1e-5)


def test_not_finite_elements_of_small_tensors_are_counted_in_each():
    first, second = ([np.ones(3), np.ones(2)] for _ in range(2))
    first[0][1] = second[0][2] = np.nan
    second[1][0] = np.inf
    rows = ([ops.convert_to_tensor(x, "float32") for x in tensors] for tensors in (first, second))
    counts = statistics.small_nonfinite([3, 2], statistics.side_by_side(*rows))
    np.testing.assert_array_equal(ops.convert_to_numpy(counts), [2, 1])


@pytest.mark.parametrize(
    ("shape", "axes"), [((6, 4), (-1,)), ((300, 5), (-1,)), ((3, 3, 4, 2), (-2,))]
)
def test_kernels_reduced_together_give_what_each_gives(shape, axes):
    kernels, gradients = map(
        ops.convert_to_tensor, RANDOM.normal(size=(2, 7, *shape)).astype("float32")
    )
    together = statistics.kernel_vectors(kernels, gradients, 8.0, axes)
    alone = [kernel_vector(k, g, 8.0, axes) for k, g in zip(kernels, gradients, strict=True)]
    np.testing.assert_allclose(
        ops.convert_to_numpy(together),
        [ops.convert_to_numpy(x) for x in alone],
        rtol=1e-5,
        atol=1e-5,
    )
