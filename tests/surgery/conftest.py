import numpy as np
import pytest
from keras import ops

from kerastricks.surgery._model import layers_within


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
