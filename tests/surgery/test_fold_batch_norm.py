import keras
import numpy as np
import pytest

import kerastricks as kt
from kerastricks import surgery

L = keras.layers
IMAGES, SEQUENCES, VOLUMES = (7, 6, 4), (9, 4), (5, 4, 4, 4)
LINEAR = {
    "Dense": ((6,), lambda: L.Dense(5)),
    "Dense-on-sequences": (SEQUENCES, lambda: L.Dense(5, use_bias=False)),
    "Conv1D": (SEQUENCES, lambda: L.Conv1D(6, 3, padding="causal", dilation_rate=2)),
    "Conv2D": (IMAGES, lambda: L.Conv2D(6, 3, use_bias=False)),
    "Conv2D-strided": (IMAGES, lambda: L.Conv2D(6, (3, 2), strides=2, padding="same")),
    "Conv2D-dilated": (IMAGES, lambda: L.Conv2D(6, 2, dilation_rate=2, padding="same")),
    "Conv2D-groups": (IMAGES, lambda: L.Conv2D(6, 3, groups=2)),
    "Conv3D": (VOLUMES, lambda: L.Conv3D(3, 2)),
    "Conv1DTranspose": (SEQUENCES, lambda: L.Conv1DTranspose(3, 3, strides=2)),
    "Conv2DTranspose": (IMAGES, lambda: L.Conv2DTranspose(3, 3, use_bias=False)),
    "Conv3DTranspose": (VOLUMES, lambda: L.Conv3DTranspose(3, 2)),
    "DepthwiseConv1D": (SEQUENCES, lambda: L.DepthwiseConv1D(3, depth_multiplier=2)),
    "DepthwiseConv2D": (IMAGES, lambda: L.DepthwiseConv2D(3, depth_multiplier=3)),
    "DepthwiseConv2D-biasless": (IMAGES, lambda: L.DepthwiseConv2D(3, use_bias=False)),
    "SeparableConv1D": (SEQUENCES, lambda: L.SeparableConv1D(5, 3, depth_multiplier=2)),
    "SeparableConv2D": (IMAGES, lambda: L.SeparableConv2D(5, 3, use_bias=False)),
    "EinsumDense": ((6,), lambda: L.EinsumDense("ab,bc->ac", output_shape=5, bias_axes="c")),
    "EinsumDense-ellipsis": (SEQUENCES, lambda: L.EinsumDense("...x,xy->...y", 5)),
    "EinsumDense-heads": (
        SEQUENCES,
        lambda: L.EinsumDense("abc,cde->abde", output_shape=(None, 3, 5), bias_axes="de"),
    ),
    "EinsumDense-other-bias": (
        SEQUENCES,
        lambda: L.EinsumDense("abc,cde->abde", output_shape=(None, 3, 5), bias_axes="d"),
    ),
    "EinsumDense-batched": (
        (3, 4),
        lambda: L.EinsumDense("abc,bcd->abd", output_shape=(3, 5), bias_axes="bd"),
    ),
}
every_linear = pytest.mark.parametrize(("shape", "make"), LINEAR.values(), ids=list(LINEAR))


def inputs(shape, samples=4):
    return np.random.default_rng(1).normal(size=(samples, *shape)).astype("float32")


def outputs(model, x):
    return [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(model(x, training=False))]


@pytest.fixture
def sequential(randomized):
    def make(shape, *layers):
        return randomized(keras.Sequential([keras.Input(shape), *layers], name="net"))

    return make


def pair(name="", units=4):
    return [
        L.Dense(units, use_bias=False, name=f"linear{name}"),
        L.BatchNormalization(name=f"norm{name}"),
    ]


def chain(x, *layers):
    for layer in layers:
        x = layer(x)
    return x


# --- Every linear layer --------------------------------------------------------------------------


@every_linear
def test_folded_equals_normalized(shape, make, assert_folded, sequential):
    model = sequential(shape, make(), L.BatchNormalization(epsilon=0.01), L.ReLU())
    folded = assert_folded(model, shape)
    assert [type(layer) for layer in folded.layers] == [type(model.layers[0]), L.ReLU]
    assert folded.layers[0].name == model.layers[0].name


@pytest.mark.parametrize("average", ["exponential", "debiased", "cumulative"])
def test_our_own_normalization(average, assert_folded, sequential):
    model = sequential((6,), L.Dense(5), kt.layers.BatchNormalization(average=average))
    model.compile("sgd", loss="mse", run_eagerly=True)
    model.train_on_batch(inputs((6,)), np.ones((4, 5)))
    assert_folded(model, (6,))


@pytest.mark.parametrize(("scale", "center"), [(False, True), (True, False), (False, False)])
def test_without_scale_or_center(scale, center, assert_folded, sequential):
    normalization = L.BatchNormalization(scale=scale, center=center)
    assert_folded(sequential((6,), L.Dense(5), normalization), (6,))


def test_a_channel_without_variance_stays_exact(assert_folded, sequential):
    model = sequential((6,), L.Dense(5), L.BatchNormalization(epsilon=1e-3))
    model.layers[1].moving_variance.assign(np.zeros(5))
    assert_folded(model, (6,))


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="needs channels_last on CPU")
def test_channels_first(assert_folded, sequential):
    conv = L.Conv2D(5, 3, data_format="channels_first")
    assert_folded(sequential((4, 7, 6), conv, L.BatchNormalization(axis=1)), (4, 7, 6))


def test_middle_axis_of_an_einsum(assert_folded, sequential):
    dense = L.EinsumDense("abc,cde->adbe", output_shape=(3, None, 5), bias_axes="e")
    assert_folded(sequential((9, 4), dense, L.BatchNormalization(axis=1)), (9, 4))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_policies_and_float32_kernels(policy, sequential):
    model = sequential(
        (6,), L.Dense(5, dtype=policy), L.BatchNormalization(dtype=policy), L.Dense(2)
    )
    folded = surgery.fold_batch_norm(model)
    dense = folded.layers[0]
    assert (dense.dtype_policy.name, dense.kernel.dtype) == (policy, "float32")
    # The half-precision path rounds a handful of times to `eps`, folded or not.
    eps = {"mixed_float16": 2.0**-10, "mixed_bfloat16": 2.0**-7}[policy]
    x = inputs((6,))
    y, expected = (outputs(m, x)[0].astype("float32") for m in (folded, model))
    np.testing.assert_allclose(y, expected, atol=4 * eps * np.abs(expected).max())


def test_masks_pass_through(sequential):
    layers = [L.Embedding(9, 4, mask_zero=True), *pair(), L.LSTM(3)]
    model = sequential((5,), *layers)
    folded = surgery.fold_batch_norm(model)
    x = keras.Input((5,))
    functional = keras.Model(x, chain(x, L.Embedding(9, 4, mask_zero=True), *pair("_2"), L.LSTM(3)))
    functional.set_weights(model.get_weights())
    tokens = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 0]])
    expected = outputs(model, tokens)[0]
    for one in (folded, surgery.fold_batch_norm(functional)):
        np.testing.assert_allclose(outputs(one, tokens)[0], expected, atol=1e-5)


# --- Every kind of model -------------------------------------------------------------------------


def test_residual_branches_and_several_inputs_and_outputs(assert_folded, randomized):
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    x = L.ReLU()(chain(a, *pair("_a")))
    y = x + chain(b, *pair("_b"))
    z = L.Concatenate()([y, chain(y, *pair("_c"))])
    model = randomized(keras.Model([a, b], {"y": y, "z": L.Dense(2)(z)}, name="residual"))
    folded = assert_folded(model, (4,), (4,))
    assert folded.name == "residual"
    assert {"linear_a", "linear_b", "linear_c"} <= {layer.name for layer in folded.layers}


def test_nested_models_that_are_used_twice_stay_shared(assert_folded, randomized):
    inner = keras.Sequential([keras.Input((4,)), *pair("_in"), L.ReLU()], name="inner")
    x = keras.Input((4,))
    model = randomized(keras.Model(x, chain(x, *pair("_out"), inner, inner)))
    folded = assert_folded(model, (4,))
    assert len(folded.get_layer("inner").layers) == 2
    assert folded.count_params() == 2 * (4 * 4 + 4)


def test_a_model_within_a_wrapper_is_folded(assert_folded, sequential):
    inner = keras.Sequential([keras.Input((4,)), *pair(), L.ReLU()])
    folded = assert_folded(sequential((3, 4), L.TimeDistributed(inner), L.Dense(2)), (3, 4))
    assert [type(layer) for layer in folded.layers[0].layer.layers] == [L.Dense, L.ReLU]


def test_a_pair_that_is_shared_is_folded_once(assert_folded, randomized):
    a, b, shared = keras.Input((4,)), keras.Input((4,)), pair()
    model = randomized(keras.Model([a, b], [chain(a, *shared), L.ReLU()(chain(b, *shared))]))
    folded = assert_folded(model, (4,), (4,))
    assert folded.count_params() == 4 * 4 + 4


def test_a_normalization_that_names_an_output_leaves_its_name(assert_folded, randomized):
    x = keras.Input((4,))
    model = randomized(keras.Model(x, [chain(x, *pair("_1")), chain(x, *pair("_2"))]))
    folded = assert_folded(model, (4,))
    assert folded.output_names == model.output_names == ["norm_1", "norm_2"]


def test_a_subclass_of_the_functional_model_keeps_its_class(assert_folded, randomized):
    class Trained(keras.Model):
        def train_step(self, data):
            raise AssertionError

    x = keras.Input((4,))
    model = randomized(Trained(x, chain(x, *pair(), L.ReLU())))
    assert type(assert_folded(model, (4,))) is Trained


def test_a_subclassed_model_is_told_how_to_become_functional(assert_folded, randomized):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.linear, self.norm = pair()

        def call(self, x, training=False):
            return self.norm(self.linear(x), training=training)

    model = Net()
    model(inputs((4,)))
    with pytest.raises(ValueError, match=r"subclassed.*keras\.Model\(inputs, model\.call\(inputs"):
        surgery.fold_batch_norm(randomized(model))
    x = keras.Input((4,))
    assert_folded(keras.Model(x, model.call(x)), (4,))


# --- State ---------------------------------------------------------------------------------------


@pytest.mark.compiling
def test_the_folded_model_is_compiled_trains_and_loads_without_custom_objects(tmp_path):
    layers = [L.Dense(4, name="first"), kt.layers.BatchNormalization(), L.Dense(1, name="head")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(keras.optimizers.Adam(0.02), loss="mse", metrics=["mae"], run_eagerly=True)
    x, y = inputs((4,)), np.ones((4, 1))
    model.fit(x, y, verbose=0)
    folded = surgery.fold_batch_norm(model)
    results = [m.evaluate(x, y, verbose=0) for m in (folded, model)]
    assert results[0] == pytest.approx(results[1], rel=1e-5)
    assert int(folded.optimizer.iterations) == 1
    memories = [v for v in folded.optimizer.variables if "momentum" in v.path]
    remembered = [v.path for v in memories if keras.ops.convert_to_numpy(v).any()]
    assert len(memories) == 4
    assert len(remembered) == 2
    assert all("head" in path for path in remembered)
    folded.save(tmp_path / "folded.keras")
    again = keras.saving.load_model(tmp_path / "folded.keras")
    assert not any(type(layer).__module__.startswith("kerastricks") for layer in again.layers)
    np.testing.assert_array_equal(again.predict(x, verbose=0), folded.predict(x, verbose=0))
    folded.train_on_batch(x, y)


def test_frozen_layers_stay_frozen(sequential):
    model = sequential((4,), *pair(), L.Dense(2, name="head"))
    model.get_layer("linear").trainable = False
    folded = surgery.fold_batch_norm(model)
    assert not folded.get_layer("linear").trainable
    assert folded.get_layer("head").trainable
