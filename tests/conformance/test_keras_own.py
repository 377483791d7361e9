"""Keras' own layer tests: its harness for any layer, and its tests of the layers replaced here."""

import importlib.util
import inspect
import os
import subprocess
import sys

import pytest

# Put first in a process of its own: the tests import the substitute, and each call is counted, as
# a green run could otherwise have tested Keras' layer. The wheel lacks Keras' conftest.py, from
# which some tests import one function.
PLUGIN = """
import functools, importlib, os, pytest
import kerastricks

name, place = os.environ["KT_SUBSTITUTE"].split("@")
substitute = getattr(kerastricks.layers, name)
calls = 0
original_call = substitute.call

@functools.wraps(original_call)
def counted_call(self, *args, **kwargs):
    global calls
    calls += 1
    return original_call(self, *args, **kwargs)

substitute.call = counted_call
setattr(importlib.import_module(place), name, substitute)

def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"substitute called {calls} times")
"""
CONFTEST = """
import pytest
from keras.src.backend import backend

def skip_if_backend(given_backend, reason):
    return pytest.mark.skipif(backend() == given_backend, reason=reason)
"""

# The layer, the module in which the test looks it up, the test module, and the tests that this
# package breaks on purpose, with the reason.
SUBSTITUTES = {
    "BatchNormalization": (
        "keras.src.layers",
        "keras.src.layers.normalization.batch_normalization_test",
        {},
    ),
    "Dropout": (
        "keras.src.layers",
        "keras.src.layers.regularization.dropout_test",
        {
            "test_dropout_negative_rate": "refused in other words",
            "test_dropout_rate_greater_than_one": "refused in other words",
        },
    ),
    "PReLU": (
        "keras.src.layers.activations.prelu",
        "keras.src.layers.activations.prelu_test",
        {},
    ),
    "LeakyReLU": (
        "keras.src.layers.activations.leaky_relu",
        "keras.src.layers.activations.leaky_relu_test",
        {
            "test_leaky_relu": "uses the slope 1, which is refused",
            "test_invalid_usage": "None is refused by a TypeError",
        },
    ),
}


def arguments_of(make):
    """The class behind an entry of the table, and the arguments that it is called with."""
    layer_class = type(make())
    given = inspect.signature(layer_class).bind(
        *getattr(make, "args", ()), **getattr(make, "keywords", {})
    )
    others = given.arguments.pop("kwargs", {})
    return layer_class, {**given.arguments, **others}


@pytest.mark.slow
# The harness trains from a generator, leaves `shuffle` at its default, and puts one layer alone in
# a model, which may have no weights to train.
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights:UserWarning")
def test_run_layer_test(member):
    testing = pytest.importorskip("keras.src.testing", reason="this Keras ships without its tests")
    layer_class, arguments = arguments_of(member.make)
    shape = (4, *member.shape)
    testing.TestCase().run_layer_test(
        layer_class,
        init_kwargs=arguments,
        input_shape=shape,
        expected_output_shape=shape,
        supports_masking=True,
    )


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("absl") is None, reason="Keras' tests need absl")
@pytest.mark.skipif(
    importlib.util.find_spec("keras.src.layers.layer_test") is None,
    reason="this Keras ships without its tests",
)
@pytest.mark.parametrize("name", list(SUBSTITUTES))
def test_keras_own_tests_pass(name, tmp_path):
    place, tests, exempt = SUBSTITUTES[name]
    (tmp_path / "kt_plugin.py").write_text(PLUGIN)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    environment = {
        **os.environ,
        "KT_SUBSTITUTE": f"{name}@{place}",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
    }
    command = [sys.executable, "-m", "pytest", "--pyargs", tests, "-q", "-p", "kt_plugin"]
    command += ["-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    if exempt:
        # Whole names only: `test_leaky_relu` is also the beginning of another test's name.
        kept = [f"not ({test} and not {test}_)" for test in exempt]
        command += ["-k", " and ".join(kept)]
    run = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    *_, counted = [line for line in run.stdout.splitlines() if line.startswith("substitute called")]
    assert int(counted.split()[2]) > 0
