import keras
import numpy as np
import pytest

from kerastricks.diagnosis.activations import Activation
from kerastricks.diagnosis.observation import LayerStatistics, Observation, WeightStatistics

RELU = Activation("relu", rectifier=True)
TANH = Activation("tanh", low=-0.95, high=0.95)


class Make:
    """Synthetic observations: a healthy three-layer network unless told otherwise."""

    relu, tanh = RELU, TANH

    @staticmethod
    def layer(path="hidden", activation=RELU, units=10, samples=100, **changes):
        events = changes.pop("events", 0.5 if activation is None or not activation.bounded else 0.0)
        scale = changes.pop("scale", 1.0)
        values = {
            "path": path,
            "activation": activation,
            "head": False,
            "source": path,
            "examples": changes.pop("examples", samples),
            "samples": samples,
            "mean": np.zeros(units),
            "variance": np.full(units, scale**2),
            "events": np.broadcast_to(np.asarray(events, float), (units,)),
            "nonfinite": 0,
        }
        return LayerStatistics(**{**values, **changes})

    @staticmethod
    def kernel(layer="hidden", units=10, **changes):
        random = np.random.default_rng(len(layer))
        values = {
            "path": f"{layer}/kernel",
            "layer": layer,
            "kernel": True,
            "units": units,
            "norm": 3.0,
            "gradient": 0.3,
            "update": 0.003,
            "nonfinite": 0,
            "unit_gradient": np.full(units, 0.1),
            "unit_signature": random.normal(size=(2, units)),
            "unit_gradient_signature": random.normal(size=units),
        }
        return WeightStatistics(**{**values, **changes})

    @staticmethod
    def observation(step=0, layers=None, weights=None, **changes):
        layers = [Make.layer()] if layers is None else layers
        weights = [Make.kernel(), Make.kernel("output")] if weights is None else weights
        values = {"step": step, "loss": 2.3, "input_nonfinite": 0, "at_start": step == 0}
        return Observation(**{**values, **changes}, layers=tuple(layers), weights=tuple(weights))

    @staticmethod
    def window(count, start=0, **parts):
        return [Make.observation(start + i, **parts) for i in range(count)]


@pytest.fixture
def make():
    return Make


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(70, 8, 8, 3)).astype("float32")


@pytest.fixture
def labels():
    return np.random.default_rng(1).integers(0, 5, 70)


@pytest.fixture
def trained(images, labels):
    """Builds, compiles and fits a model: the model and its history."""

    def trained(build, *callbacks, compile_arguments=None, fit_arguments=None):
        keras.utils.set_random_seed(3)
        model = build()
        arguments = {
            "optimizer": "adam",
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
            **(compile_arguments or {}),
        }
        model.compile(**arguments)
        fit = {"batch_size": 32, "epochs": 3, "verbose": 0, **(fit_arguments or {})}
        history = model.fit(images, labels, callbacks=list(callbacks), **fit)
        return model, history.history

    return trained


@pytest.fixture
def assert_clean():
    """Holds that there is no trace of the doctor on a model."""

    def assert_clean(model):
        assert [metric.name for metric in model.metrics] == ["loss", "compile_metrics"]
        patched = {
            "call",
            "compute_loss",
            "compute_metrics",
            "apply",
            "stateless_apply",
            "train_step",
        }
        for owner in (model, model.optimizer, *model._flatten_layers()):
            assert not (patched | {"make_train_function"}) & set(owner.__dict__)
        assert "Probe" not in repr(model.train_function)

    return assert_clean


class Spy:
    def __init__(self, monitor):
        self.seen = []
        tell = monitor.observe

        def observe(observation):
            self.seen.append(observation)
            tell(observation)

        monitor.observe = observe


@pytest.fixture
def listening():
    """Makes a monitor's spy, whose `seen` are the observations that the monitor was told."""
    return Spy
