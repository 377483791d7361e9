"""The recurrent cells of TensorFlow Addons."""

from kerastricks.addons._fates.fate import Fate, gone, nothing

FATES: dict[str, Fate] = {
    **gone(
        "LayerNormLSTMCell LayerNormSimpleRNNCell NASCell PeepholeLSTMCell",
        "Recurrent networks are no part of this package. A cell is a layer with `state_size` and "
        "`call(inputs, states)`: write it with `keras.ops` and put it into `keras.layers.RNN`; or "
        "take `keras.layers.LSTM` or `GRU`.",
    ),
    "ESNCell": nothing(
        "Write a cell whose weights are not trainable and put it into `keras.layers.RNN`."
    ),
}
"""Fates by name."""
