"""The table: each public name of TensorFlow Addons 0.23, by package."""

from kerastricks.addons._fates import (
    activations,
    callbacks,
    image,
    layers,
    losses,
    metrics,
    optimizers,
    others,
    rnn,
    seq2seq,
    text,
)
from kerastricks.addons._fates.fate import Fate

FATES: dict[str, dict[str, Fate]] = {
    "": others.TOP,
    "activations": activations.FATES,
    "callbacks": callbacks.FATES,
    "image": image.FATES,
    "layers": layers.FATES,
    "losses": losses.FATES,
    "metrics": metrics.FATES,
    "optimizers": optimizers.FATES,
    "options": others.OPTIONS,
    "register": others.REGISTRATION,
    "rnn": rnn.FATES,
    "seq2seq": seq2seq.FATES,
    "text": text.FATES,
    "types": others.TYPES,
    "utils": others.UTILS,
    "version": others.VERSION,
}
"""Fates by package and name; "" is the top of TensorFlow Addons."""
