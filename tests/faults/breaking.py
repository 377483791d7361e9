"""Networks that break at a chosen place and step, and how often the doctor names that place first.

python tests/faults/breaking.py 60    # of each fault, on the backend of KERAS_BACKEND
"""

import sys
from collections import Counter, defaultdict

import keras
import numpy as np
from keras import layers, ops

import kerastricks as kt

SAMPLES, BATCH = 32, 8
STEPS = SAMPLES // BATCH
"""Of an epoch."""
LATEST = 60
"""All earlier steps are observed whatever the schedule."""
MARK = 9.0
"""A target for which `marked` gives NaN."""


class Factor:
    """Of a layer that has a factor for what it puts out for one example, which may be NaN."""

    def build(self, input_shape):
        super().build(input_shape)
        self.factor = self.add_weight(shape=(), initializer="ones", trainable=False, name="factor")

    def call(self, inputs):
        outputs = super().call(inputs)
        factor = ops.cast(self.factor, outputs.dtype)
        return ops.concatenate([outputs[:1] * factor, outputs[1:]])


class Breaking(Factor, layers.Dense):
    """Of vectors."""


class BreakingConv(Factor, layers.Conv2D):
    """Of feature maps."""


class Rough(Factor, layers.Dense):
    """Puts out finite numbers always; its gradient is NaN where the factor is zero."""

    def call(self, inputs):
        outputs = layers.Dense.call(self, inputs)
        return ops.sqrt(ops.square(outputs) * ops.cast(self.factor, outputs.dtype))


class At(keras.callbacks.Callback):
    """Does something to the model before one step."""

    def __init__(self, step, fault):
        super().__init__()
        self.left = step
        self.fault = fault

    def on_train_batch_begin(self, batch, logs=None):
        if self.left == 0:
            self.fault(self.model)
        self.left -= 1


def chain(kind=Breaking, activation="tanh"):
    hidden = [kind(8, activation, name=f"layer{i}") for i in range(5)]
    return keras.Sequential([layers.Input((6,)), *hidden, layers.Dense(1)])


def rough():
    return chain(Rough)


def branches():
    """Three branches of two layers, of which one is short-circuited, and two layers behind."""
    inputs = layers.Input((6,))
    ends = []
    for branch, activation in enumerate(["relu", "tanh", None]):
        x = Breaking(8, activation, name=f"first{branch}")(inputs)
        ends.append(Breaking(8, "relu", name=f"second{branch}")(x))
    x = layers.add([ends[0], layers.multiply([ends[1], ends[2]])])
    x = layers.LayerNormalization()(Breaking(8, "gelu", name="joint")(x))
    return keras.Model(inputs, layers.Dense(1)(layers.concatenate([x, inputs])))


def images():
    """Convolutions with batch normalization, within a model of their own."""
    inner = keras.Sequential(
        [
            layers.Input((4, 4, 3)),
            BreakingConv(4, 3, padding="same", activation="relu", name="conv0"),
            layers.BatchNormalization(),
            BreakingConv(4, 3, activation="relu", name="conv1"),
            layers.GlobalAveragePooling2D(),
        ],
        name="inner",
    )
    hidden = Breaking(8, "relu", name="behind")
    return keras.Sequential(
        [layers.Input((6,)), layers.Dense(48), layers.Reshape((4, 4, 3)), inner, hidden,
         layers.Dropout(0.2), layers.Dense(1)]
    )  # fmt: skip


def half():
    """In float16, with a loss scale."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        hidden = [Breaking(8, "relu", name=f"half{i}") for i in range(4)]
        return keras.Sequential([layers.Input((6,)), *hidden, layers.Dense(1, dtype="float32")])
    finally:
        keras.config.set_dtype_policy("float32")


def breakable(model):
    """The layers that can be broken, containers opened."""
    inner = (each for layer in model.layers for each in getattr(layer, "layers", [layer]))
    return [layer for layer in inner if hasattr(layer, "factor")]


def scaled(factor):
    return lambda layer: layer.factor.assign(factor)


def weight(name, value):
    def spoil(layer):
        variable = getattr(layer, name)
        values = np.array(variable)
        values.flat[0] = value
        variable.assign(values)

    return spoil


def marked(y, y_pred):
    """The squared error, but NaN where a target is marked."""
    return ops.square(y - y_pred) / ops.cast(y != MARK, y_pred.dtype) * ops.sign(MARK - y)


def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(SAMPLES, 6)).astype("float32")
    return x, x[:, :1] * x[:, 1:2]


def training(model, optimizer, loss="mse"):
    model.compile(optimizer, loss, jit_compile=False)
    return model


FAULTS = {
    # Networks, what is done to a layer, and the place that is to be named.
    "NaN in an output": ((chain, branches, images), scaled(np.nan), "the output of {layer}"),
    "infinity in an output": ((branches, images), scaled(np.inf), "the output of {layer}"),
    "overflow in float16": ((half,), scaled(1e6), "the output of {layer}"),
    "NaN in a kernel": ((chain, branches, images), weight("kernel", np.nan), "{layer}"),
    "NaN in a bias": ((chain, branches, images), weight("bias", np.nan), "{layer}"),
    "infinity in a kernel": ((chain, branches, images), weight("kernel", np.inf), "{layer}"),
    "NaN in a gradient": ((rough,), scaled(0.0), "the gradient of {layer}/"),
}
DATA = {
    "NaN in the inputs": ("x", np.nan, "the inputs"),
    "infinity in the inputs": ("x", np.inf, "the inputs"),
    "NaN in the targets": ("y", np.nan, "the targets"),
    "NaN in the loss": ("y", MARK, "the loss"),
}


def found(model, step, x, y, *callbacks):
    """The first `non_finite`, and the report, of a training that goes on after the step."""
    doctor = kt.callbacks.TrainingDoctor(verbose=0)
    model.fit(
        x, y, batch_size=BATCH, epochs=step // STEPS + 2, shuffle=False, verbose=0,
        callbacks=[*callbacks, doctor],
    )  # fmt: skip
    found = [f for f in doctor.report.findings if f.condition == "non_finite"]
    return (found[0] if len(found) == 1 else None), doctor.report


def in_a_layer(name, random, models):
    """Break a layer; returns what was to be named, and what was."""
    builds, fault, place = FAULTS[name]
    build = builds[random.integers(len(builds))]
    model, start = models(build)
    model.set_weights(start)
    model.optimizer.learning_rate = 0.01
    layer = random.choice(breakable(model))
    step = int(random.integers(LATEST))
    at = At(step, lambda model: fault(layer))
    finding, report = found(model, step, *data(), at)
    wanted = place.format(layer=layer.path), layer.path, step
    return f"{build.__name__}: {wanted}", wanted, finding, report


def in_the_data(name, random, models):
    """Spoil one number of one batch."""
    which, value, place = DATA[name]
    build = (chain, branches, images)[random.integers(3)]
    model, start = models(build, marked if place == "the loss" else "mse")
    model.set_weights(start)
    batch = int(random.integers(STEPS))
    arrays = dict(zip("xy", data(), strict=True))
    target = arrays[which]
    target[batch * BATCH + random.integers(BATCH), random.integers(target.shape[1])] = value
    finding, report = found(model, batch, *arrays.values())
    layer = model.layers[-1].path if place == "the targets" else None
    wanted = place, layer, batch
    return f"{build.__name__}: {wanted}", wanted, finding, report


def is_right(wanted, finding):
    """Whether the finding tells the place, the layer and the step."""
    if finding is None:
        return False
    place, layer, step = wanted
    named = place in finding.evidence["place"]
    return named and (finding.layer, finding.onset) == (layer, step)


def kept_models():
    """Models by their builder and loss, each made once, with their weights at the start."""
    made = {}

    def models(build, loss="mse"):
        if (build, loss) not in made:
            keras.utils.set_random_seed(len(made))
            model = training(build(), keras.optimizers.SGD(0.01), loss)
            made[build, loss] = model, model.get_weights()
        return made[build, loss]

    return models


def main(draws):
    models, tally = kept_models(), defaultdict(Counter)
    for name in [*FAULTS, *DATA]:
        random = np.random.default_rng(0)
        draw = in_a_layer if name in FAULTS else in_the_data
        for _ in range(draws):
            told, wanted, finding, report = draw(name, random, models)
            right = is_right(wanted, finding)
            root = right and finding.caused_by is None
            tally[name].update(named=right, root=root)
            if not root:
                said = [
                    (
                        f.condition,
                        f.layer,
                        f.onset,
                        f.evidence.get("place"),
                        f.caused_by and f.caused_by.condition,
                    )
                    for f in report.findings
                ]
                print(f"  {name}, {told}: {said} {report.unobserved}", flush=True)
        print(f"| {name} | {draws} | {tally[name]['named']} | {tally[name]['root']} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
