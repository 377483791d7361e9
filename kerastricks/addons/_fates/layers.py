"""The layers of TensorFlow Addons."""

from kerastricks.addons._fates.fate import gone, here, in_keras, nothing

FATES = {
    **here(
        "layers",
        "FilterResponseNormalization GELU InstanceNormalization Maxout NoisyDense "
        "PolynomialCrossing Snake Sparsemax SpatialPyramidPooling2D SpectralNormalization "
        "StochasticDepth TLU WeightNormalization",
    ),
    **here(
        "layers",
        "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D "
        "AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D",
        "Later versions of Keras 3 have layers of these names too.",
    ),
    **here("layers", "GroupNormalization", "On top of Keras' own layer."),
    "EmbeddingBag": in_keras(
        "layers.Embedding",
        "Follow it by `keras.ops.sum`, `mean` or `max` over the axis -2 (the combiner), after "
        "multiplying by the weights where there are some.",
    ),
    "MultiHeadAttention": in_keras(
        "layers.MultiHeadAttention",
        "`head_size` is `key_dim`, `output_size` is `output_shape`, `use_projection_bias` is "
        "`use_bias`, which covers all projections; it is called as `layer(query, value, key)`, not "
        "with a list. A mask that is False at a position hides it in both.",
    ),
    "CorrelationCost": nothing(
        "It was a compiled operation. Shift one feature map by each displacement, multiply and "
        "take the mean over the channels with `keras.ops`."
    ),
    "PoincareNormalize": nothing(
        "Scale with `keras.ops`: `x * minimum(1, (1 - epsilon) / norm(x, axis, keepdims=True))`."
    ),
    **gone(
        "MaxUnpooling2D MaxUnpooling2DV2",
        "The positions of the maxima that it needs come from `tf.nn.max_pool_with_argmax`, which "
        "only TensorFlow has. `keras.layers.UpSampling2D` or `Conv2DTranspose` decode without "
        "positions.",
    ),
    "CRF": nothing(
        "Structured prediction is no part of this package. Train such a model where it was "
        "written, or let the network end in per-token logits and decode them outside."
    ),
    "ESN": nothing(
        "Put a reservoir, a cell with `trainable=False` weights, into `keras.layers.RNN`."
    ),
}
"""Fates by name."""
