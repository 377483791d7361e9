import keras
import numpy as np
import pytest
from keras import ops

from kerastricks.diagnosis import Finding, Report
from kerastricks.surgery import fold_batch_norm, treat
from kerastricks.surgery._model import layers_within


@pytest.fixture(autouse=True)
def seeded():
    """The same weights whichever tests run before."""
    keras.utils.set_random_seed(0)


def snapshot(model):
    """All variables of a model, seeds included, and those of its optimizer."""
    variables = list(model.variables)
    if getattr(model, "optimizer", None) is not None:
        variables += model.optimizer.variables
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def patches(model):
    return [
        {name: vars(layer).get(name) for name in ("call", "activation")}
        for layer in layers_within(model)
    ]


@pytest.fixture
def untouched():
    """Holds that a block changes no variable but those named, and leaves no patch behind."""

    class Untouched:
        def __init__(self, model, but=()):
            self.model = model
            self.but = [id(variable) for variable in but]

        def __enter__(self):
            self.before = snapshot(self.model)
            self.patches = patches(self.model)

        def __exit__(self, *error):
            after = snapshot(self.model)
            ids = [id(variable) for variable in self.model.variables]
            ids += [None] * (len(after) - len(ids))
            for before, now, key in zip(self.before, after, ids, strict=True):
                if key not in self.but:
                    np.testing.assert_array_equal(now, before)
            assert patches(self.model) == self.patches

    return Untouched


class NoBatches(keras.utils.PyDataset):
    def __len__(self):
        return 0

    def __getitem__(self, index):
        raise IndexError(index)


def filtered(x):
    """A dataset that does not know that it has no batch."""
    tensorflow = pytest.importorskip("tensorflow")
    return tensorflow.data.Dataset.from_tensor_slices(x).batch(4).filter(lambda x: False)


@pytest.fixture(
    params=[
        lambda x: x[:0],
        lambda x: None,
        lambda x: [],
        lambda x: NoBatches(),
        filtered,
        lambda x: (sample for sample in ()),
    ],
    ids=["empty", "none", "list", "PyDataset", "filtered", "generator"],
)
def without_samples(request):
    """Makes of an array whatever `predict` takes, without a sample."""
    return request.param


@pytest.fixture
def compiled():
    """Compiles a model that a function makes, and takes two steps: the model, inputs, targets."""

    def compiled(make):
        keras.utils.set_random_seed(3)
        model = make()
        model.compile(keras.optimizers.Adam(0.02), loss="mse", run_eagerly=True)
        x = np.random.default_rng(1).normal(size=(5, 4)).astype("float32")
        targets = keras.tree.map_structure(lambda y: np.ones(y.shape), model(x))
        for _ in range(2):
            model.train_on_batch(x, targets)
        return model, x, targets

    return compiled


@pytest.fixture
def randomized():
    """Gives a model weights that no initializer would: nothing cancels, no bias is zero."""

    def randomized(model):
        rng = np.random.default_rng(0)
        for weight in model.weights:
            draw = rng.uniform(0.2, 4.0, weight.shape)
            sign = 1 if weight.name == "moving_variance" else rng.choice([-1, 1], weight.shape)
            weight.assign(draw * sign)
        return model

    return randomized


@pytest.fixture
def assert_folded():
    """The law of folding: fewer normalizations, the same outputs, an original left alone."""

    def outputs(model, x):
        return [ops.convert_to_numpy(y) for y in keras.tree.flatten(model(x, training=False))]

    def assert_folded(model, *shapes, left=0):
        before = [weight.copy() for weight in model.get_weights()]
        folded = fold_batch_norm(model)
        rng = np.random.default_rng(1)
        x = [rng.normal(size=(4, *shape)).astype("float32") for shape in shapes]
        x = x[0] if len(x) == 1 else x
        for y, expected in zip(outputs(folded, x), outputs(model, x), strict=True):
            # The bound that the docstring states, on the scale of the outputs.
            assert np.abs(y - expected).max() < 1e-5 * np.abs(expected).max()
        remaining = [
            layer
            for layer in layers_within(folded)
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        assert len(remaining) == left
        for weight, old in zip(model.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, old)
        return folded

    return assert_folded


@pytest.fixture
def stack():
    """Makes a compiled stack of layers, called "net"."""

    def stack(*layers, width=4, loss="mse", **arguments):
        model = keras.Sequential([keras.Input((width,)), *layers], name="net")
        model.compile(**{"optimizer": "sgd", "loss": loss, **arguments})
        return model

    return stack


@pytest.fixture
def plain(stack):
    """Makes one of layers "hidden_0", "hidden_1" and so on, and a "head"."""

    def plain(depth, activation, **arguments):
        dense = keras.layers.Dense
        hidden = [dense(16, activation, name=f"hidden_{i}", **arguments) for i in range(depth)]
        return stack(*hidden, dense(1, name="head"))

    return plain


@pytest.fixture
def finding():
    """Makes a grave finding."""

    def finding(condition, layer=None, **evidence):
        return Finding(condition, layer, "critical", 0, "message", "Do it yourself.", evidence)

    return finding


@pytest.fixture
def healed():
    """Treats a model for some findings: the treated one, and the trials."""

    def healed(model, *findings, pool=None, **arguments):
        report = Report(list(findings)) if pool is None else Report(list(findings), pool=pool)
        return treat(model, report, return_trials=True, verbose=0, **arguments)

    return healed


@pytest.fixture
def path():
    """Where a report finds a layer: those without weights have no path of their own."""

    def path(model, name):
        return model.get_layer(name).path or name

    return path
