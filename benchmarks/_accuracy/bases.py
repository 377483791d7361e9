"""Healthy networks that faults are put into; each is trained without any, as the twin."""

from typing import Any

BASES: dict[str, dict[str, Any]] = {
    "digits-mlp": {"data": "digits"},
    "digits-deep": {"data": "digits", "depth": 6, "kernel": "he_normal"},
    "digits-tanh": {
        "data": "digits",
        "depth": 4,
        "activation": "tanh",
        "optimizer": "sgd",
        "learning_rate": 0.05,
    },
    "digits-sgd": {"data": "digits", "optimizer": "sgd", "learning_rate": 0.05},
    "digits-convolution": {
        "data": "digits",
        "architecture": "convolution",
        "kernel": "he_normal",
        "epochs": 6,
    },
    "digits-batch": {"data": "digits", "depth": 3, "normalization": "batch"},
    "digits-residual": {
        "data": "digits",
        "depth": 4,
        "architecture": "residual",
        "normalization": "layer",
        "kernel": "he_normal",
    },
    "wine-mlp": {"data": "wine", "epochs": 30, "batch_size": 16, "width": 32},
    "wine-tanh": {
        "data": "wine",
        "epochs": 30,
        "batch_size": 16,
        "depth": 3,
        "width": 32,
        "activation": "tanh",
    },
    "wine-batch": {
        "data": "wine",
        "epochs": 30,
        "batch_size": 16,
        "width": 32,
        "normalization": "batch",
    },
    "cancer-mlp": {"data": "cancer", "epochs": 15, "width": 32},
    "cancer-deep": {
        "data": "cancer",
        "epochs": 15,
        "depth": 5,
        "width": 32,
        "kernel": "he_normal",
    },
    "cancer-sgd": {
        "data": "cancer",
        "epochs": 15,
        "width": 32,
        "optimizer": "sgd",
        "learning_rate": 0.02,
    },
    "cancer-batch": {"data": "cancer", "epochs": 15, "width": 32, "normalization": "batch"},
    "diabetes-mlp": {"data": "diabetes", "epochs": 20, "width": 32},
    "diabetes-tanh": {"data": "diabetes", "epochs": 20, "width": 16, "activation": "tanh"},
    "diabetes-sgd": {
        "data": "diabetes",
        "epochs": 20,
        "width": 32,
        "optimizer": "sgd",
        "learning_rate": 0.01,
    },
}
"""Fields of the recipe by name."""
