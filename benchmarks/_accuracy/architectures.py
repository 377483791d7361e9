"""From a recipe to a compiled model.

Hidden layers whose output is a block's output are called `hidden_1`, `hidden_2`, ...: what
`measures` looks at.
"""

from collections.abc import Callable

import keras
from keras import layers

import kerastricks as kt
from _accuracy.recipe import Recipe
from _accuracy.tasks import Task

INITIALIZERS: dict[str, Callable] = {
    "constant": keras.initializers.Constant,
    "normal": lambda deviation: keras.initializers.RandomNormal(stddev=deviation),
    "positive": lambda largest: keras.initializers.RandomUniform(0.0, largest),
}
"""Initializers that take a size."""
OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
    "nesterov": lambda **arguments: keras.optimizers.SGD(nesterov=True, **arguments),
}
LOSSES = {
    "mse": keras.losses.MeanSquaredError,
    "mae": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
}
SIDE = 8
"""Pixels on each side of a digit."""
CAP = 15.0
"""Size that softly capped logits do not exceed."""


def compiled(recipe: Recipe, task: Task):
    """The model of a run, ready for `fit`."""
    x = keras.Input(task.x.shape[1:], dtype=task.x.dtype.name, name="data")
    outputs = _head(recipe, task, ARCHITECTURES[recipe.architecture](recipe, task, x))
    model = keras.Model(x, outputs)
    loss = _loss(recipe, task)
    if recipe.architecture == "two outputs":
        loss = [loss, "mse"]
    optimizer = _optimizer(recipe, task)
    model.compile(optimizer, loss, jit_compile=recipe.jit_compile)
    return model


def fit_targets(recipe: Recipe, task: Task):
    """Training and validation targets in the form that the model of `compiled` is fitted to."""
    if recipe.architecture != "two outputs":
        return task.y, task.y_validation
    # The second output is to tell the mean of the inputs.
    return (task.y, task.x.mean(axis=1)), (task.y_validation, task.x_validation.mean(axis=1))


def output_units(recipe: Recipe, task: Task) -> int:
    """Units of the (first) output."""
    usual = task.classes if task.classes > 2 else 1
    return (recipe.head_units or usual) - recipe.missing_units


def output_activation(recipe: Recipe, task: Task) -> str:
    """Keras' name of what the (first) output ends with."""
    if recipe.head:
        return recipe.head
    if not task.classes:
        return "linear"
    return "softmax" if output_units(recipe, task) > 1 else "sigmoid"


def loss_name(recipe: Recipe, task: Task) -> str:
    """Keras' name of the (first) output's loss."""
    if recipe.loss:
        return recipe.loss
    if not task.classes:
        return "mse"
    one = output_units(recipe, task) == 1
    return "binary_crossentropy" if one else "sparse_categorical_crossentropy"


def _loss(recipe: Recipe, task: Task):
    name = loss_name(recipe, task)
    arguments = {"reduction": recipe.reduction}
    if name.endswith("crossentropy"):
        arguments["from_logits"] = recipe.from_logits
    if recipe.label_smoothing:
        arguments["label_smoothing"] = recipe.label_smoothing
    return LOSSES[name](**arguments)


def _optimizer(recipe: Recipe, task: Task):
    rate = recipe.learning_rate
    steps = recipe.epochs * -(-len(task.x) // recipe.batch_size)
    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, steps)
    if recipe.schedule == "warm-up":
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, steps - steps // 10, warmup_target=rate, warmup_steps=steps // 10
        )
    arguments = {"learning_rate": rate, "clipnorm": recipe.clipnorm}
    if recipe.weight_decay is not None:
        arguments["weight_decay"] = recipe.weight_decay
    if recipe.optimizer in ("sgd", "nesterov"):
        arguments["momentum"] = recipe.momentum
    return OPTIMIZERS[recipe.optimizer](**arguments)


def _initializer(recipe: Recipe):
    if isinstance(recipe.kernel, str):
        return keras.initializers.get(recipe.kernel)
    kind, size = recipe.kernel
    return INITIALIZERS[kind](size)


def _activation(recipe: Recipe, name: str):
    if recipe.activation == "leaky_relu":
        return layers.LeakyReLU(negative_slope=recipe.slope, name=name)
    if recipe.activation == "prelu":
        return layers.PReLU(name=name)
    return layers.Activation(recipe.activation, name=name)


def _normalization(recipe: Recipe, name: str):
    start = keras.initializers.Constant(recipe.gamma)
    if recipe.normalization == "layer":
        return layers.LayerNormalization(epsilon=recipe.epsilon, gamma_initializer=start, name=name)
    kind = kt.layers if recipe.normalization == "batch, ours" else layers
    weight = {"alpha": recipe.alpha} if kind is kt.layers else {"momentum": 1 - recipe.alpha}
    return kind.BatchNormalization(
        epsilon=recipe.epsilon, gamma_initializer=start, name=name, **weight
    )


def _dense(recipe: Recipe, width: int, name: str, **arguments):
    arguments = {
        "kernel_initializer": _initializer(recipe),
        "bias_initializer": keras.initializers.Constant(recipe.bias),
        **arguments,
    }
    return layers.Dense(width, name=name, **arguments)


def _block(recipe: Recipe, number: int, x, width: int | None = None):
    """A hidden layer with what belongs to it."""
    name, width = f"hidden_{number}", width or recipe.width
    plain = recipe.normalization == "none" and recipe.activation not in ("leaky_relu", "prelu")
    if plain:
        penalty = keras.regularizers.L1(recipe.sparsity) if recipe.sparsity else None
        return _dense(
            recipe, width, name, activation=recipe.activation, activity_regularizer=penalty
        )(x)
    x = _dense(recipe, width, f"{name}_kernel")(x)
    if recipe.dropout and recipe.dropout_at == "before":
        x = layers.Dropout(recipe.dropout, name=f"{name}_dropout")(x)
    if recipe.normalization != "none":
        x = _normalization(recipe, f"{name}_normalization")(x)
    return _activation(recipe, name)(x)


def _stack(recipe: Recipe, task: Task, x):
    """Hidden layers one after the other."""
    del task
    for number in range(1, recipe.depth + 1):
        x = _block(recipe, number, x)
        inner = number < recipe.depth and recipe.dropout_at == "between"
        last = number == recipe.depth and recipe.dropout_at == "after"
        if recipe.dropout and (inner or last):
            x = layers.Dropout(recipe.dropout, name=f"dropout_{number}")(x)
    return x


def _features_normalized(recipe: Recipe, task: Task, x):
    """Layer normalization over an axis of length one, which leaves nothing."""
    x = layers.Reshape((-1, 1))(x)
    x = layers.LayerNormalization()(x)
    return _stack(recipe, task, layers.Flatten()(x))


def _deviation_for_variance(recipe: Recipe, task: Task, x):
    """Inputs that are standardized already, divided by a variance that is a thousand times less."""
    x = layers.Normalization(mean=0.0, variance=1e-6, name="scaled")(x)
    return _stack(recipe, task, x)


def _residual(recipe: Recipe, task: Task, x):
    """Pre-activation blocks around a straight line."""
    del task
    x = _dense(recipe, recipe.width, "stem")(x)
    for number in range(1, recipe.depth + 1):
        y = x if recipe.normalization == "none" else _normalization(recipe, f"norm_{number}")(x)
        y = _activation(recipe, f"active_{number}")(y)
        y = _dense(recipe, recipe.width, f"branch_{number}")(y)
        x = layers.Add(name=f"hidden_{number}")([x, y])
    return x


def _pixels(x):
    return layers.Reshape((SIDE, SIDE, 1))(x)


def _convolution(recipe: Recipe, task: Task, x):
    """Two convolutions, pooled."""
    del task
    x = _pixels(x)
    for number in (1, 2):
        name = f"hidden_{number}"
        x = layers.Conv2D(
            16 * number,
            3,
            padding="same",
            kernel_initializer=_initializer(recipe),
            bias_initializer=keras.initializers.Constant(recipe.bias),
            name=f"{name}_kernel",
        )(x)
        if recipe.normalization != "none":
            x = _normalization(recipe, f"{name}_normalization")(x)
        x = _activation(recipe, name)(x)
        x = layers.MaxPooling2D()(x)
        if recipe.dropout:
            x = layers.SpatialDropout2D(recipe.dropout)(x)
    return layers.Flatten()(x)


def _squeeze_and_excitation(recipe: Recipe, task: Task, x):
    """Channels of a convolution, weighed by a sigmoid gate (Hu, Shen and Sun, 2018)."""
    del recipe, task
    x = _pixels(x)
    for filters in (16, 32):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        squeezed = layers.GlobalAveragePooling2D()(x)
        gate = layers.Dense(filters // 4, activation="relu")(squeezed)
        gate = layers.Dense(filters, activation="sigmoid")(gate)
        x = layers.Multiply()([x, layers.Reshape((1, 1, filters))(gate)])
        x = layers.MaxPooling2D()(x)
    return layers.Flatten()(x)


def _gated(recipe: Recipe, task: Task, x):
    """Gated linear units (Dauphin et al., 2017)."""
    del task
    for _ in range(recipe.depth):
        gate = layers.Dense(recipe.width, activation="sigmoid")(x)
        x = layers.Multiply()([layers.Dense(recipe.width)(x), gate])
    return x


def _rows(x):
    return layers.Reshape((SIDE, SIDE))(x)


def _attention(recipe: Recipe, task: Task, x):
    """One block of a transformer over the rows of a digit."""
    del recipe, task
    x = layers.Dense(32)(_rows(x))
    places = layers.Embedding(SIDE, 32)(keras.ops.arange(SIDE))
    x = layers.Add()([x, keras.ops.expand_dims(places, 0)])
    y = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(4, 8)(y, y)])
    y = layers.LayerNormalization()(x)
    y = layers.Dense(32)(layers.Dense(64, activation="gelu")(y))
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    return layers.Flatten()(x)


def _recurrent(kind):
    def build(recipe: Recipe, task: Task, x):
        del task
        return kind(recipe.width)(_rows(x))

    return build


def _embedding(recipe: Recipe, task: Task, x):
    """Words for what lies in the same bin of a column."""
    words = 6 * task.x.shape[1]
    return _stack(recipe, task, layers.Flatten()(layers.Embedding(words, 8)(x)))


def _factorization(recipe: Recipe, task: Task, x):
    """Vectors of the words in either half of the columns, multiplied, beside a bias of each word.

    Matrix factorization with biases (Koren, Bell and Volinsky, 2009, equation 4), of bags of words.
    """
    words = 6 * task.x.shape[1]
    half = task.x.shape[1] // 2
    sides = [x[:, :half], x[:, half:]]
    mean = layers.GlobalAveragePooling1D()
    vectors = [mean(layers.Embedding(words, recipe.width)(side)) for side in sides]
    biases = [mean(layers.Embedding(words, 1)(side)) for side in sides]
    return layers.Concatenate()([layers.Multiply()(vectors), *biases])


def _frozen_backbone(recipe: Recipe, task: Task, x):
    """A body that has learned another question about the same data, and is left as it is."""
    inputs = keras.Input(task.x.shape[1:])
    body = keras.Model(inputs, _stack(recipe, task, inputs), name="body")
    head = layers.Dense(1, activation=None if not task.classes else "sigmoid")(body.output)
    question = keras.Model(inputs, head)
    loss = "mse" if not task.classes else "binary_crossentropy"
    question.compile(keras.optimizers.Adam(1e-3), loss)
    y = task.y if not task.classes else (task.y % 2).astype("float32")
    question.fit(task.x, y, epochs=6, batch_size=recipe.batch_size, verbose=0)
    body.trainable = False
    return layers.Dense(recipe.width, activation="relu")(body(x, training=False))


def _head(recipe: Recipe, task: Task, x):
    softmax_twice = recipe.head == "softmax twice"
    softly_capped = recipe.head == "softly capped"
    activation = "softmax" if softmax_twice else output_activation(recipe, task)
    if softly_capped:
        activation = "linear"
    output = layers.Dense(
        output_units(recipe, task),
        activation=activation,
        kernel_initializer=recipe.head_kernel,
        dtype="float32",
        name="output",
    )(x)
    if softmax_twice:
        output = layers.Softmax(name="softmax")(output)
    if softly_capped:
        output = layers.Activation("tanh", name="tanh")(layers.Rescaling(1 / CAP)(output))
        output = layers.Softmax(name="softmax")(layers.Rescaling(CAP)(output))
    if recipe.architecture == "two outputs":
        return [output, layers.Dense(1, name="second_output")(x)]
    return output


ARCHITECTURES: dict[str, Callable] = {
    "dense": _stack,
    "two outputs": _stack,
    "linear": lambda recipe, task, x: x,
    "residual": _residual,
    "convolution": _convolution,
    "squeeze and excitation": _squeeze_and_excitation,
    "gated": _gated,
    "attention": _attention,
    "lstm": _recurrent(layers.LSTM),
    "gru": _recurrent(layers.GRU),
    "simple rnn": _recurrent(layers.SimpleRNN),
    "embedding": _embedding,
    "factorization": _factorization,
    "frozen backbone": _frozen_backbone,
    "features normalized": _features_normalized,
    "deviation for variance": _deviation_for_variance,
}
"""Functions of recipe, task and input that give the hidden features."""
