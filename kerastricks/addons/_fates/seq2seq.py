"""The decoders, samplers and attention of TensorFlow Addons' seq2seq."""

from kerastricks.addons._fates.fate import Fate, gone, in_keras, nothing

DECODER = (
    "Decoders that unroll TensorFlow's loops are no part of Keras 3. Generate with a transformer "
    "and the samplers of keras-hub, or step an RNN in a loop of your own; in training feed the "
    "targets, shifted by one, to `keras.layers.RNN`."
)

FATES: dict[str, Fate] = {
    **gone(
        "BaseDecoder BasicDecoder BasicDecoderOutput BeamSearchDecoder BeamSearchDecoderOutput "
        "BeamSearchDecoderState Decoder FinalBeamSearchDecoderOutput dynamic_decode gather_tree "
        "gather_tree_from_array CustomSampler GreedyEmbeddingSampler InferenceSampler "
        "SampleEmbeddingSampler Sampler ScheduledEmbeddingTrainingSampler "
        "ScheduledOutputTrainingSampler TrainingSampler",
        DECODER,
    ),
    "BahdanauAttention": in_keras(
        "layers.AdditiveAttention",
        "It attends to all queries at once and keeps no memory between steps; project queries and "
        "values to the same size first.",
    ),
    "LuongAttention": in_keras(
        "layers.Attention",
        "It attends to all queries at once and keeps no memory between steps; `scale` is "
        "`use_scale`.",
    ),
    **gone(
        "AttentionMechanism AttentionWrapper AttentionWrapperState BahdanauMonotonicAttention "
        "LuongMonotonicAttention monotonic_attention safe_cumprod",
        "It attended step by step within a decoder. `keras.layers.Attention`, `AdditiveAttention` "
        "and `MultiHeadAttention` attend to a whole sequence.",
    ),
    **gone(
        "SequenceLoss sequence_loss",
        "Pass the weights of time steps as `sample_weight` of shape (batch, time), or mask them; "
        "`keras.losses.SparseCategoricalCrossentropy` heeds both.",
    ),
    "hardmax": nothing("`keras.ops.one_hot(keras.ops.argmax(x, -1), x.shape[-1])`."),
    "tile_batch": in_keras("ops.repeat", "With `axis=0`, for each tensor of the structure."),
}
"""Fates by name."""
