"""Healthy networks of many kinds, at usual settings: the doctor must have nothing to say.

The settings are those that a practitioner would start with, chosen before the doctor saw a run.
Each is trained on the data sets named beside it.
"""

from typing import Any

USUAL: dict[str, dict[str, Any]] = {
    "digits": {"data": "digits"},
    "wine": {"data": "wine", "epochs": 30, "batch_size": 16, "width": 32},
    "cancer": {"data": "cancer", "epochs": 15, "width": 32},
    "diabetes": {"data": "diabetes", "epochs": 20, "width": 32},
}
"""What is usual for a data set: how long, how wide."""

_ONE_HOT = {"targets": ("one hot", 10), "loss": "categorical_crossentropy"}
_HE = {"kernel": "he_normal"}

HEALTHY: dict[str, tuple[str, dict[str, Any]]] = {
    # Activations, each with the start that is made for it.
    "relu, He": ("digits cancer diabetes", _HE),
    "relu, wide": ("digits cancer", {"width": 256}),
    "relu, sparse": ("digits wine", {"width": 256, "sparsity": 1e-5, **_HE}),
    "relu, biases of -0.1": ("digits cancer", {"width": 128, "bias": -0.1, **_HE}),
    "leaky relu": ("digits diabetes", {"activation": "leaky_relu", "slope": 0.2, **_HE}),
    "prelu": ("wine", {"activation": "prelu", **_HE}),
    "elu": ("cancer", {"activation": "elu", **_HE}),
    "gelu": ("digits wine", {"activation": "gelu", "depth": 3}),
    "swish": ("digits cancer", {"activation": "silu", "depth": 3}),
    "mish": ("diabetes", {"activation": "mish"}),
    "softplus": ("digits", {"activation": "softplus", "depth": 1}),
    "selu, LeCun": (
        "digits wine",
        {"activation": "selu", "depth": 4, "kernel": "lecun_normal"},
    ),
    "tanh, Xavier": ("digits cancer diabetes", {"activation": "tanh", "depth": 3}),
    "one sigmoid layer": (
        "digits cancer",
        {"activation": "sigmoid", "depth": 1, "learning_rate": 1e-2},
    ),
    "linear model": ("digits cancer diabetes", {"architecture": "linear", "learning_rate": 1e-2}),
    # Architectures.
    "layer normalization": ("digits wine", {"normalization": "layer", "depth": 4, **_HE}),
    "batch normalization": ("cancer", {"normalization": "batch", "depth": 4, **_HE}),
    "batch normalization, Keras' momentum": (
        "digits",
        {"normalization": "batch", "alpha": 0.01, "depth": 3, **_HE},
    ),
    "batch normalization, our layer": (
        "digits wine",
        {"normalization": "batch, ours", "depth": 4, **_HE},
    ),
    "residual, layer normalization": (
        "digits cancer",
        {"architecture": "residual", "normalization": "layer", "depth": 8, **_HE},
    ),
    "residual, batch normalization": (
        "digits",
        {"architecture": "residual", "normalization": "batch", "depth": 6, **_HE},
    ),
    "convolution": ("digits", {"architecture": "convolution", "epochs": 6, **_HE}),
    "convolution, batch normalization": (
        "digits",
        {"architecture": "convolution", "normalization": "batch", "epochs": 6, **_HE},
    ),
    "convolution, dropout of feature maps": (
        "digits",
        {"architecture": "convolution", "dropout": 0.2, "epochs": 8, **_HE},
    ),
    "squeeze and excitation": (
        "digits",
        {"architecture": "squeeze and excitation", "epochs": 8},
    ),
    "gated linear units": ("digits cancer", {"architecture": "gated"}),
    "attention": ("digits", {"architecture": "attention", "epochs": 10}),
    "LSTM": (
        "digits",
        {"architecture": "lstm", "width": 32, "learning_rate": 3e-3, "epochs": 20},
    ),
    "GRU": ("digits", {"architecture": "gru", "width": 32, "learning_rate": 3e-3}),
    "simple RNN": ("digits", {"architecture": "simple rnn", "width": 32}),
    "embedding": (
        "wine cancer",
        {"architecture": "embedding", "inputs": ("binned", 1.0), "depth": 1},
    ),
    "two outputs": ("digits wine", {"architecture": "two outputs"}),
    "head of zeros": ("digits cancer", {"head_kernel": "zeros"}),
    # Regularization.
    "dropout behind the last layer": ("digits wine cancer", {"dropout": 0.3}),
    "dropout between plain layers": (
        "digits diabetes",
        {"dropout": 0.2, "dropout_at": "between", "depth": 3, **_HE},
    ),
    "dropout behind the last normalization": (
        "digits cancer",
        {"normalization": "batch", "dropout": 0.3, **_HE},
    ),
    "weight decay": ("digits diabetes", {"optimizer": "adamw", "weight_decay": 1e-2}),
    "label smoothing": ("digits", {**_ONE_HOT, "label_smoothing": 0.1}),
    "early stopping": ("wine cancer diabetes", {"early_stopping": 3, "epochs": 60}),
    # Optimizers and courses.
    "one-hot labels": ("digits", _ONE_HOT),
    "logits": ("digits cancer", {"head": "linear", "from_logits": True}),
    "huber": ("diabetes", {"loss": "huber"}),
    "mean absolute error": ("diabetes", {"loss": "mae", "learning_rate": 3e-3}),
    "SGD without momentum": ("digits", {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.1}),
    "Nesterov": ("cancer wine", {"optimizer": "nesterov", "learning_rate": 0.02}),
    "RMSprop": ("digits cancer", {"optimizer": "rmsprop"}),
    "cosine schedule": ("digits wine", {"schedule": "cosine", "learning_rate": 3e-3}),
    "warm-up": ("digits", {"schedule": "warm-up", "learning_rate": 3e-3, "depth": 4, **_HE}),
    "gradient clipping": ("digits diabetes", {"clipnorm": 1.0}),
    "class weights": ("cancer digits", {"class_weight": True}),
    "small batches": ("digits cancer", {"batch_size": 8, "epochs": 5}),
    "large batches": ("digits", {"batch_size": 256, "epochs": 30, "learning_rate": 3e-3}),
    # States that look like illness.
    "converged, fitted on": ("digits", {"warm_epochs": 30, "epochs": 6}),
    "converged with batch normalization, fitted on": (
        "digits",
        {"warm_epochs": 20, "epochs": 6, "normalization": "batch"},
    ),
    "converged, annealed": (
        "digits cancer",
        {"warm_epochs": 15, "epochs": 6, "annealed": 0.1},
    ),
    "frozen backbone": (
        "digits cancer",
        {"architecture": "frozen backbone", "learning_rate": 3e-3},
    ),
    "float16": ("digits", {"policy": "mixed_float16"}),
    "float16, batch normalization": (
        "digits",
        {"policy": "mixed_float16", "normalization": "batch", "depth": 3},
    ),
    "bfloat16": ("digits wine", {"policy": "mixed_bfloat16"}),
    "XLA": ("digits", {"jit_compile": True, "depth": 4, **_HE}),
    # By place a kind gets its seed: these came later.
    "factorization": (
        "cancer",
        {
            "architecture": "factorization",
            "inputs": ("binned", 1.0),
            "targets": ("column", 1.0),
            "loss": "mse",
            "head": "linear",
            "learning_rate": 1e-2,
            "width": 8,
        },
    ),
    "softly capped logits": ("digits wine", {"head": "softly capped"}),
}
"""Data sets and fields of the recipe, by name."""
