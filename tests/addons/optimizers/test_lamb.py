"""LAMB: Keras' where Keras' is right."""

import keras
import numpy as np
import pytest

import kerastricks.addons as tfa


def paper(gradients, rate=0.1, decay=0.0, adapted=True):
    weights, m, v = np.array([1.0, -2.0]), 0.0, 0.0
    for t, gradient in enumerate(gradients, start=1):
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        update = m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-6) + decay * weights
        ratio = np.linalg.norm(weights) / np.linalg.norm(update) if adapted else 1.0
        weights = weights - rate * ratio * update
    return weights


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("adapted", [True, False])
def test_it_is_the_papers(decay, adapted):
    gradients = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    optimizer = tfa.optimizers.LAMB(
        0.1,
        weight_decay=decay,
        exclude_from_layer_adaptation=None if adapted else ["kernel"],
    )
    weights = keras.Variable([1.0, -2.0], name="kernel")
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weights])
    np.testing.assert_allclose(weights.numpy(), paper(gradients, 0.1, decay, adapted), rtol=1e-4)


def test_zero_weights_and_zero_gradients():
    optimizer = tfa.optimizers.LAMB(0.1, weight_decay=0.5)
    weights = keras.Variable([0.0])
    optimizer.apply([keras.ops.zeros((1,))], [weights])
    assert weights.numpy().tolist() == [0.0]
    optimizer.apply([keras.ops.ones((1,))], [weights])
    assert np.isfinite(weights.numpy()).all()
    assert weights.numpy()[0] < 0


def test_what_is_not_decayed_is_not_adapted_either_unless_told():
    config = tfa.optimizers.LAMB(exclude_from_weight_decay=["bias"]).get_config()
    assert config["exclude_from_layer_adaptation"] == ["bias"]
    assert tfa.optimizers.LAMB(weight_decay_rate=0.5).get_config()["weight_decay"] == 0.5
