"""Versions of Keras: which ones are checked, and what becomes of the doctor on one that is not."""

import ast
import configparser
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import kerastricks as kt
from kerastricks.callbacks import TrainingDoctor
from kerastricks.diagnosis import private

BACKEND = keras.backend.backend()
PACKAGE = Path(kt.__file__).parent
ROOT = PACKAGE.parent
SOURCE = Path(private.__file__).read_text(encoding="utf-8")
PRIVATE = re.compile(r"_[a-z]\w*")


# --- Which versions -------------------------------------------------------------------------------


def _minor(version):
    """Major and minor number."""
    return tuple(int(number) for number in version.split(".")[:2])


OLDEST, NEWEST = map(_minor, private.CHECKED)


def test_the_versions_that_private_attributes_were_checked_on_are_those_that_are_tested():
    """The oldest and the newest Keras of `.ci/run`, and the oldest that `pip` installs."""
    if not (ROOT / ".ci" / "run").exists():
        pytest.skip("not beside an installed wheel")
    pinned = re.findall(r"keras==([\d.]+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    tested = sorted(map(_minor, pinned))
    assert (tested[0], tested[-1]) == (OLDEST, NEWEST)
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    required = parser["options"]["install_requires"].split()
    assert f"keras>={private.CHECKED[0]}" in required


def test_this_keras_is_one_of_them():
    """Else the tests below are to be read, and `CHECKED` is to be moved."""
    assert OLDEST <= _minor(keras.__version__) <= NEWEST


# --- One file touches them ------------------------------------------------------------------------


def _names(tree):
    """Private attributes that a file names, with who has them; also `getattr(x, "_name")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and PRIVATE.fullmatch(node.attr):
            yield node.attr, getattr(node.value, "id", "")
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in BY_NAME:
            name = getattr(node.args[1], "value", "") if len(node.args) > 1 else ""
            if PRIVATE.fullmatch(str(name)):
                yield name, getattr(node.args[0], "id", "")


def _made(tree):
    """Names that a file gives to functions, classes and attributes of its own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Store):
            yield getattr(node, "attr", None) or node.id


BY_NAME = ("delattr", "getattr", "hasattr", "setattr")
TREES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in PACKAGE.rglob("*.py")
}
OURS = {name for tree in TREES.values() for name in _made(tree)}
NAMES = sorted({name for name, _ in _names(ast.parse(SOURCE))})
TOUCHED = {
    "addons/_loading/weights.py": {"_initialized", "_naked_clone_layer"},
    "addons/_uncovered.py": {"_getframe"},
    "addons/optimizers/_private.py": {"_get_variable_index", "_momentums", "_velocities"},
    "augment/placement/private.py": {"_inputs", "_reshuffle_each_iteration", "_seed", "_seed2"},
    "diagnosis/_kernels/replicas.py": {"_value_specs"},
    "diagnosis/frames.py": {"_getframe"},
    "diagnosis/private.py": set(NAMES),
}
"""The files that touch what others hold private: of Keras and of TensorFlow one a room.

`sys._getframe` is Python's; the two names in `weights` are those of a layer of this package.
"""


def test_one_file_a_room_touches_private_attributes():
    """`self._name` is another's where nothing in the package makes it: a base of Keras' does."""
    touched = {}
    for path, tree in TREES.items():
        made = set(_made(tree))
        found = {
            name
            for name, owner in _names(tree)
            if name not in made and not (owner in ("self", "cls") and name in OURS)
        }
        if found:
            touched[path] = found
    assert touched == TOUCHED


# --- A Keras that lacks them ----------------------------------------------------------------------


class Renamed(ast.NodeTransformer):
    """A file as if Keras had another name for an attribute, which this file does not know."""

    def __init__(self, name):
        self.name = name

    def visit_Attribute(self, node):
        self.generic_visit(node)
        if node.attr == self.name:
            node.attr += "_of_old"
        return node

    def visit_Constant(self, node):
        return ast.Constant(f"{self.name}_of_old") if node.value == self.name else node


@pytest.fixture
def newer(monkeypatch):
    """Makes Keras one in which a private attribute is gone."""

    def newer(*names):
        tree = ast.parse(SOURCE)
        for name in names:
            tree = Renamed(name).visit(tree)
        changed = {"__name__": "private"}
        exec(compile(ast.fix_missing_locations(tree), private.__file__, "exec"), changed)
        for name, function in changed.items():
            if callable(function) and not name.startswith("__"):
                monkeypatch.setattr(private, name, function)

    return newer


@keras.saving.register_keras_serializable(package="versions")
class Block(layers.Layer):
    """Layers within a layer, one of them used twice."""

    def __init__(self):
        super().__init__()
        self.first = layers.Dense(6, activation="tanh")
        self.again = layers.Dense(6, activation="tanh")

    def call(self, x):
        return self.again(self.again(self.first(x)))


def gated():
    """A functional model with a gate, a block, a batch normalization."""
    inputs = keras.Input((4,))
    x = layers.BatchNormalization()(layers.Dense(6, activation="relu")(inputs))
    gate = layers.Dense(6, activation="sigmoid")(x)
    x = Block()(layers.Multiply()([x, gate]))
    return keras.Model(inputs, layers.Dense(2)(x))


def stack():
    """A sequential model that is not built before `fit`."""
    return keras.Sequential([layers.Dense(6, activation="relu"), layers.Dense(2)])


def fitted(build, *callbacks):
    random = np.random.default_rng(0)
    x = random.normal(size=(24, 4)).astype("float32")
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.Adam(0.01), "mse")
    history = model.fit(
        x, x[:, :2], batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=list(callbacks)
    )
    return history.history, model.get_weights()


@pytest.fixture(scope="module")
def alone():
    return {build: fitted(build) for build in (gated, stack)}


CONCERNED = {
    "_flatten_layers": gated,
    "_functional": stack,
    "_learning_rate": stack,
    "_metrics": stack,
    "_non_trainable_variables": gated,
    "_outbound_nodes": gated,
    "_remat_mode": gated,
    "_standardize_inputs": gated,
    "_trainable_variables": gated,
}
"""A model that is not seen whole without the attribute."""


def test_every_private_attribute_is_tried():
    assert list(CONCERNED) == NAMES


@pytest.mark.compiling
@pytest.mark.every_variant
@pytest.mark.parametrize("name", CONCERNED)
def test_without_a_private_attribute_training_goes_on_and_the_report_says_what_is_unseen(
    newer, alone, name
):
    newer(name)
    build = CONCERNED[name]
    doctor = TrainingDoctor(verbose=0)
    history, weights = fitted(build, doctor)
    # XLA rounds what it compiles together with other things in another order.
    rounding = 1e-6 if BACKEND == "jax" else 0
    np.testing.assert_allclose(history["loss"], alone[build][0]["loss"], rtol=rounding)
    for a, b in zip(weights, alone[build][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=rounding, atol=rounding / 10)
    said = [reason for reason in doctor.report.unobserved.values() if f"{name}_of_old" in reason]
    if name == "_metrics" and BACKEND != "jax":
        assert not said  # here the model does not know of the doctor's metric
    else:
        assert said
        assert all(keras.__version__ in reason for reason in said)
    sees = name != "_metrics" or BACKEND != "jax"
    assert bool(doctor.report.to_dict()["observed_steps"]) == sees


@pytest.mark.compiling
def test_without_any_of_them_training_goes_on(newer, alone, monkeypatch):
    monkeypatch.setattr(keras, "__version__", "9.9.0")
    newer(*NAMES)
    doctor = TrainingDoctor(verbose=0)
    assert fitted(gated, doctor)[0] == alone[gated][0]
    reasons = doctor.report.unobserved.values()
    assert any(reason.startswith("Keras 9.9.0 has no `_") for reason in reasons)


@pytest.mark.compiling
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a step of one's own is the backend's own")
def test_updates_that_cannot_be_told_apart_are_made(newer):
    """`apply` is given gradients alone, for the variables that the optimizer was built with."""
    import tensorflow as tf

    class Step(keras.Sequential):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x, y, self(x, training=True))
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables))
            return {"loss": loss}

    def trained(*callbacks):
        keras.utils.set_random_seed(0)
        model = Step([keras.Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(1)])
        model.compile("sgd", "mse")
        model.optimizer.build(model.trainable_variables)
        model.fit(np.eye(3), np.ones((3, 1)), epochs=3, verbose=0, callbacks=list(callbacks))
        return model.get_weights()

    without = trained()
    newer("_trainable_variables")
    doctor = TrainingDoctor(verbose=0)
    for a, b in zip(trained(doctor), without, strict=True):
        np.testing.assert_array_equal(a, b)
    assert "the weights" in doctor.report.unobserved
    assert any("optimizer.apply" in place for place in doctor.report.unobserved)


def test_a_keras_that_reads_the_train_function_once_is_told_of(alone):
    """The dispatcher stands in the model, and no step passes it."""

    class Once(keras.Sequential):
        @property
        def train_function(self):
            return self.__dict__.get("made")

        @train_function.setter
        def train_function(self, function):
            if self.train_function is None:
                self.__dict__["made"] = function

    def once():
        return Once(stack().layers)

    doctor = TrainingDoctor(verbose=0)
    history, _ = fitted(once, doctor)
    assert history == alone[stack][0]
    assert "train_function" in doctor.report.unobserved["once"]


@pytest.mark.parametrize("name", ["train_function", "compute_metrics", "stateless_apply"])
def test_what_the_taps_replace_may_be_missing(monkeypatch, alone, name):
    """Public today, and the doctor relies on their part in a step."""
    owner = {"stateless_apply": keras.optimizers.Adam}.get(name, keras.Sequential)

    class Missing:
        def __get__(self, instance, kind=None):
            asking = sys._getframe(1).f_code.co_filename
            if Path(asking).is_relative_to(PACKAGE):
                raise AttributeError(f"no attribute {name!r}")
            if name == "train_function":
                return instance.__dict__.get("made")
            return getattr(super(owner, instance), name)

        def __set__(self, instance, value):
            instance.__dict__["made"] = value

    monkeypatch.setattr(owner, name, Missing(), raising=False)
    doctor = TrainingDoctor(verbose=0)
    history, _ = fitted(stack, doctor)
    assert history == alone[stack][0]
    assert any(name in reason for reason in doctor.report.unobserved.values())
