"""Cases for the optimizers and learning rate schedules: variables after every step."""

import functools

import keras
import numpy as np

if keras.__version__.startswith("2"):  # where the real TensorFlow Addons is
    from tensorflow import Variable

    inner = keras.optimizers.legacy
else:
    from keras import Variable

    inner = keras.optimizers
schedules = keras.optimizers.schedules

CASES = {}
"""Case -> a function of the module `tensorflow_addons`, or ours, that gives an array."""


def steps(make, shape=(3, 2), count=13, dtype="float32", average=False, decayed=None, start=None):
    """The course of two variables, "kernel" and "bias", under random gradients."""
    random = np.random.RandomState(0)
    values = [random.normal(size=shape), random.normal(size=shape[-1:])]
    variables = [
        Variable(v.astype(dtype), dtype=dtype, name=n)
        for v, n in zip(values, ("kernel", "bias"), strict=True)
    ]
    optimizer = make()
    if start is not None:
        start(optimizer, variables)
    course = []
    for step in range(count):
        gradients = [random.normal(size=v.shape) * 2.0 ** (step % 3) for v in variables]
        if step == 4:
            gradients[0] = np.zeros(shape)
        pairs = [(as_tensor(g, dtype), v) for g, v in zip(gradients, variables, strict=True)]
        kwargs = {"decay_var_list": [variables[n] for n in decayed]} if decayed else {}
        optimizer.apply_gradients(pairs, **kwargs)
        course.append(flat(variables))
    if average:
        optimizer.assign_average_vars(variables)
        course.append(flat(variables))
    return np.stack(course)


def as_tensor(value, dtype):
    if hasattr(keras, "ops"):
        return keras.ops.convert_to_tensor(value, dtype)
    import tensorflow as tf

    return tf.constant(value, dtype)


def flat(variables):
    return np.concatenate([np.ravel(v.numpy()) for v in variables])


def case(name, make, **kwargs):
    """Adds a case: `make(tfa)` is the optimizer; the rest goes to `steps`."""
    assert name not in CASES
    CASES[name] = lambda tfa: steps(functools.partial(make, tfa), **kwargs)


def falling(rate):
    return schedules.ExponentialDecay(rate, 2, 0.7)


INNER = {
    "sgd": lambda: inner.SGD(0.1),
    "momentum": lambda: inner.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: inner.Adam(0.1),
    "scheduled": lambda: inner.SGD(falling(0.3)),
}

# RectifiedAdam
for shape in [(3,), (3, 2), (2, 3, 4), (1, 1)]:
    case(f"radam {shape}", lambda tfa: tfa.optimizers.RectifiedAdam(0.1), shape=shape)
for text, arguments in {
    "defaults": {},
    "amsgrad": {"learning_rate": 0.1, "amsgrad": True},
    "betas": {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.9},
    "beta_1=0": {"learning_rate": 0.1, "beta_1": 0.0},
    "beta_2=0.5": {"learning_rate": 0.1, "beta_2": 0.5},
    "epsilon": {"learning_rate": 0.1, "epsilon": 1e-2},
    "weight_decay": {"learning_rate": 0.1, "weight_decay": 0.1},
    "weight_decay schedule": {"learning_rate": 0.1, "weight_decay": falling(0.5)},
    "weight_decay amsgrad": {"learning_rate": 0.1, "weight_decay": 0.1, "amsgrad": True},
    "threshold 4": {"learning_rate": 0.1, "sma_threshold": 4.0},
    "threshold 8": {"learning_rate": 0.1, "sma_threshold": 8.0},
    "threshold inf": {"learning_rate": 0.1, "sma_threshold": 1e9},
    "schedule": {"learning_rate": falling(0.5)},
    "warmup": {"learning_rate": 0.1, "total_steps": 10},
    "warmup half": {"learning_rate": 0.1, "total_steps": 10, "warmup_proportion": 0.5},
    "warmup none": {"learning_rate": 0.1, "total_steps": 10, "warmup_proportion": 0.0},
    "warmup all": {"learning_rate": 0.1, "total_steps": 10, "warmup_proportion": 1.0},
    "warmup odd": {"learning_rate": 0.1, "total_steps": 9, "warmup_proportion": 0.3},
    "min_lr": {"learning_rate": 0.1, "total_steps": 10, "min_lr": 0.05},
    "min_lr above": {"learning_rate": 0.1, "total_steps": 6, "min_lr": 0.3},
    "warmup weight_decay": {
        "learning_rate": 0.1,
        "total_steps": 10,
        "warmup_proportion": 0.4,
        "weight_decay": 0.2,
    },
    "warmup schedule": {"learning_rate": falling(0.5), "total_steps": 10},
    "clipnorm": {"learning_rate": 0.1, "clipnorm": 0.5},
    "clipvalue": {"learning_rate": 0.1, "clipvalue": 0.5},
    "global_clipnorm": {"learning_rate": 0.1, "global_clipnorm": 0.5},
    "lr": {"lr": 0.1},
    "decay": {"learning_rate": 0.1, "decay": 0.5},
}.items():
    make = functools.partial(lambda kwargs, tfa: tfa.optimizers.RectifiedAdam(**kwargs), arguments)
    case(f"radam {text}", make)
    if "warmup" in text or text in ("defaults", "amsgrad", "schedule"):
        case(f"radam {text} float64", make, dtype="float64")

# Lookahead
for text, make_inner in INNER.items():
    case(
        f"lookahead {text}",
        lambda tfa, make_inner=make_inner: tfa.optimizers.Lookahead(make_inner()),
    )
for period, size in [(1, 0.5), (2, 0.8), (5, 0.0), (5, 1.0), (20, 0.5)]:
    case(
        f"lookahead {period} {size}",
        lambda tfa, p=period, s=size: tfa.optimizers.Lookahead(INNER["momentum"](), p, s),
    )
case(
    "ranger",
    lambda tfa: tfa.optimizers.Lookahead(tfa.optimizers.RectifiedAdam(0.1, beta_2=0.9), 3),
    dtype="float64",
)
case("lookahead name", lambda tfa: tfa.optimizers.Lookahead("sgd", sync_period=2))
case("lookahead clipnorm", lambda tfa: tfa.optimizers.Lookahead(INNER["sgd"](), clipnorm=0.5))
case("lookahead clipvalue", lambda tfa: tfa.optimizers.Lookahead(INNER["adam"](), clipvalue=0.5))

# Averages: the weights after every step, then their averages
for text, arguments in {
    "defaults": {},
    "0.5": {"average_decay": 0.5},
    "0": {"average_decay": 0.0},
    "1": {"average_decay": 1.0},
    "start": {"average_decay": 0.5, "start_step": 4},
    "start late": {"average_decay": 0.5, "start_step": 40},
    "dynamic": {"dynamic_decay": True},
    "dynamic start": {"dynamic_decay": True, "start_step": 5},
    "dynamic low": {"dynamic_decay": True, "average_decay": 0.3},
    "num_updates": {"num_updates": 3},
    "num_updates 0": {"num_updates": 0, "average_decay": 0.7},
    "num_updates many": {"num_updates": 10000},
}.items():
    case(
        f"moving average {text}",
        lambda tfa, kwargs=arguments: tfa.optimizers.MovingAverage(INNER["momentum"](), **kwargs),
        average=True,
    )
for text, make_inner in INNER.items():
    case(
        f"moving average {text}",
        lambda tfa, f=make_inner: tfa.optimizers.MovingAverage(f(), average_decay=0.8),
        average=True,
    )
    case(f"swa {text}", lambda tfa, f=make_inner: tfa.optimizers.SWA(f(), 2, 3), average=True)
for start, period in [(0, 1), (0, 10), (0, 4), (3, 1), (5, 2), (12, 1), (12, 5)]:
    case(
        f"swa {start} {period}",
        lambda tfa, s=start, p=period: tfa.optimizers.SWA(INNER["adam"](), s, p),
        average=True,
    )
case("swa before", lambda tfa: tfa.optimizers.SWA(INNER["sgd"](), 20), average=True)
case(
    "moving average shadow",
    lambda tfa: tfa.optimizers.MovingAverage(INNER["sgd"](), 0.9),
    start=lambda optimizer, variables: optimizer.shadow_copy(variables),
    average=True,
)

# Weight decay
for text, arguments in {
    "number": {"weight_decay": 0.1},
    "zero": {"weight_decay": 0.0},
    "schedule": {"weight_decay": falling(0.3), "learning_rate": falling(0.3)},
    "function": {"weight_decay": lambda: 0.1},
    "exclude": {"weight_decay": 0.1, "exclude_from_weight_decay": ["bias"]},
    "exclude colon": {"weight_decay": 0.1, "exclude_from_weight_decay": ["nothing", "^bias:0$"]},
    "clipnorm": {"weight_decay": 0.1, "clipnorm": 0.5},
    "decay": {"weight_decay": 0.1, "decay": 0.5},
}.items():
    for name in ("SGDW", "AdamW"):
        case(
            f"{name} {text}",
            lambda tfa, name=name, kwargs=arguments: getattr(tfa.optimizers, name)(
                **{"learning_rate": 0.1, **kwargs}
            ),
        )
case("SGDW nesterov", lambda tfa: tfa.optimizers.SGDW(0.1, 0.1, momentum=0.9, nesterov=True))
case("AdamW amsgrad", lambda tfa: tfa.optimizers.AdamW(0.1, 0.1, 0.8, 0.9, 1e-3, True))
case("AdamW float64", lambda tfa: tfa.optimizers.AdamW(0.1, 0.1), dtype="float64")
case(
    "AdamW decay_var_list",
    lambda tfa: tfa.optimizers.AdamW(0.1, exclude_from_weight_decay=["bias"]),
    decayed=[1],
)
case(
    "extended Adamax",
    lambda tfa: tfa.optimizers.extend_with_decoupled_weight_decay(inner.Adamax)(
        0.1, learning_rate=0.1
    ),
)

# LAMB
for text, arguments in {
    "defaults": {},
    "betas": {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    "weight_decay": {"weight_decay": 0.3},
    "exclude": {"weight_decay": 0.3, "exclude_from_weight_decay": ["bias"]},
    "exclude both": {
        "weight_decay": 0.3,
        "exclude_from_weight_decay": ["kernel"],
        "exclude_from_layer_adaptation": ["bias"],
    },
    "exclude adaptation": {"exclude_from_layer_adaptation": ["kernel"]},
    "clipnorm": {"clipnorm": 0.5},
    "schedule": {"learning_rate": falling(0.3)},
}.items():
    case(
        f"lamb {text}",
        lambda tfa, kwargs=arguments: tfa.optimizers.LAMB(**{"learning_rate": 0.1, **kwargs}),
    )

# Learning rates
CURVES = {
    "Triangular": [{}, {"scale_mode": "iterations"}],
    "Triangular2": [{}, {"scale_mode": "iterations"}],
    "Exponential": [{}, {"gamma": 0.9}, {"gamma": 0.9, "scale_mode": "cycle"}],
    "": [
        {"scale_fn": lambda x: 1 / (5 ** (x * 0.0001)), "scale_mode": "iterations"},
        {"scale_fn": lambda x: 0.5 * (1 + x)},
    ],
}


def curve(kind, arguments, tfa):
    make = getattr(tfa.optimizers, f"{kind}CyclicalLearningRate")
    return np.array(
        [
            float(make(low, high, size, **arguments)(step))
            for low, high, size in [(1e-3, 1e-1, 4), (0.0, 1.0, 7.5), (0.5, 0.1, 1)]
            for step in (*map(float, range(40)), 500.0, 900.0)
        ]
    )


for kind, variants in CURVES.items():
    for n, arguments in enumerate(variants):
        CASES[f"{kind}CyclicalLearningRate {n}"] = functools.partial(curve, kind, arguments)


# Whole trainings
def training(make, average=False, layers=False):
    """The losses and the weights of a small network that is trained."""
    random = np.random.RandomState(1)
    x = random.normal(size=(40, 5)).astype("float32")
    y = np.sin(x.sum(1, keepdims=True)).astype("float32")
    model = keras.Sequential(
        [
            keras.layers.InputLayer((5,)),
            keras.layers.Dense(4, "tanh"),
            keras.layers.Dense(1),
        ]
    )
    model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
    optimizer = make(model) if layers else make()
    model.compile(optimizer, "mse")
    history = model.fit(x, y, batch_size=10, epochs=3, shuffle=False, verbose=0)
    arrays = [np.array(history.history["loss"]), *model.get_weights()]
    if average:
        optimizer.assign_average_vars(model.trainable_weights)
        arrays += model.get_weights()
    return np.concatenate([np.ravel(a) for a in arrays])


TRAININGS = {
    "radam": lambda tfa: tfa.optimizers.RectifiedAdam(0.05, beta_2=0.9, total_steps=12),
    "lookahead": lambda tfa: tfa.optimizers.Lookahead(inner.Adam(0.05), 3),
    "moving average": lambda tfa: tfa.optimizers.MovingAverage(inner.SGD(0.05), 0.7),
    "swa": lambda tfa: tfa.optimizers.SWA(inner.SGD(0.05), 4, 2),
    "AdamW": lambda tfa: tfa.optimizers.AdamW(1e-2, 0.05, exclude_from_weight_decay=["bias"]),
    "SGDW": lambda tfa: tfa.optimizers.SGDW(1e-2, 0.05, momentum=0.9),
    "lamb": lambda tfa: tfa.optimizers.LAMB(
        0.05, weight_decay=0.1, exclude_from_weight_decay=["bias"]
    ),
    "cyclical": lambda tfa: inner.SGD(
        tfa.optimizers.Triangular2CyclicalLearningRate(1e-3, 1e-1, 3)
    ),
    "swa cyclical": lambda tfa: tfa.optimizers.SWA(
        inner.SGD(tfa.optimizers.TriangularCyclicalLearningRate(1e-3, 1e-1, 2)), 3, 4
    ),
}
for text, make in TRAININGS.items():
    average = text.startswith(("moving", "swa"))
    CASES[f"training {text}"] = lambda tfa, f=make, a=average: training(
        functools.partial(f, tfa), a
    )


def multi(tfa):
    def make(model):
        head, *rest = model.layers
        return tfa.optimizers.MultiOptimizer([(inner.SGD(0.1), head), (inner.Adam(0.01), rest)])

    return training(make, layers=True)


CASES["training multi"] = multi


def compute(tfa):
    """The cases' arrays, with the given TensorFlow Addons."""
    return {name: function(tfa) for name, function in CASES.items()}
