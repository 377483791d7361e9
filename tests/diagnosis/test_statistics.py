import numpy as np
import pytest
from keras import ops

from kerastricks.diagnosis import statistics
from kerastricks.diagnosis.activations import Activation

RANDOM = np.random.default_rng(0)


def layer_vector(x, axis, activation):
    return statistics.layer_vector(ops.convert_to_tensor(x), axis, activation)


def parts(vector):
    vector = ops.convert_to_numpy(vector)
    return vector[:3], *np.split(vector[3:], 3)


@pytest.mark.parametrize(("shape", "axis"), [((9, 4), -1), ((5, 3, 6, 4), -1), ((5, 4, 3, 6), 1)])
def test_layer_vector_equals_numpy(shape, axis):
    x = RANDOM.normal(1.0, 2.0, shape).astype("float32")
    rows = np.moveaxis(x, axis, -1).reshape(-1, 4)
    (examples, count, bad), total, deviations, events = parts(layer_vector(x, axis, None))
    assert (examples, count, bad) == (len(x), len(rows), 0)
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
    (_, count, _), _, deviations, _ = parts(layer_vector(x, -1, None))
    np.testing.assert_allclose(deviations / count, x.astype("float64").var(0), rtol=0.02)


def test_non_finite_elements_are_counted():
    x = np.array([[1.0, np.nan], [np.inf, 2.0]], "float32")
    (*_, bad), *_ = parts(layer_vector(x, -1, None))
    assert bad == 2


def test_weight_vector_undoes_the_loss_scale():
    w, g = RANDOM.normal(size=(2, 4, 5)).astype("float32")
    vector = ops.convert_to_numpy(
        statistics.weight_vector(*map(ops.convert_to_tensor, (w, 1024 * g)), 1024.0)
    )
    np.testing.assert_allclose(vector, [(g**2).sum(), (w**2).sum(), 0], rtol=1e-5)


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
    vector = ops.convert_to_numpy(statistics.kernel_vector(kernel, kernel, None, axes))
    squares, signature, _, _ = np.split(vector, 4)
    np.testing.assert_allclose(squares, (twins**2).sum(0), rtol=1e-5)
    assert signature[0] == pytest.approx(signature[1], rel=1e-6)
    assert len(np.unique(signature.round(4))) == units - 1
