"""The losses of TensorFlow Addons."""

from kerastricks.addons._fates.fate import Fate, gone, in_keras

FOCAL = (
    "Pass `apply_class_balancing=True`; `alpha`, `gamma` and `from_logits` are the same. The "
    "original took the sum over the last axis and kept one value a sample, this takes the mean: "
    "multiply by the number of outputs."
)
METRIC_LEARNING = (
    "It compares the samples of a batch with each other, which is a few lines of `keras.ops` over "
    "the matrix of their distances; `keras.losses.Circle` is Keras' own loss of this kind."
)

FATES: dict[str, Fate] = {
    "SigmoidFocalCrossEntropy": in_keras("losses.BinaryFocalCrossentropy", FOCAL),
    "sigmoid_focal_crossentropy": in_keras("losses.binary_focal_crossentropy", FOCAL),
    **gone(
        "LiftedStructLoss NpairsLoss NpairsMultilabelLoss TripletHardLoss TripletSemiHardLoss "
        "lifted_struct_loss npairs_loss npairs_multilabel_loss triplet_hard_loss "
        "triplet_semihard_loss",
        METRIC_LEARNING,
    ),
    **gone(
        "ContrastiveLoss contrastive_loss",
        "Write it with `keras.ops`: `y * square(d) + (1 - y) * square(maximum(margin - d, 0))`, "
        "d being the distances that the model puts out.",
    ),
    **gone(
        "PinballLoss pinball_loss",
        "Write it with `keras.ops`: `mean(maximum(tau * e, (tau - 1) * e), axis=-1)` with "
        "`e = y_true - y_pred`. At the median, tau=0.5, it is half of "
        "`keras.losses.MeanAbsoluteError`.",
    ),
    **gone(
        "GIoULoss giou_loss",
        "A loss for boxes: write it with `keras.ops` from the areas of the intersection, the union "
        "and the smallest box around both.",
    ),
    **gone(
        "SparsemaxLoss sparsemax_loss",
        "Write it with `keras.ops` and `kerastricks.addons.activations.sparsemax`: "
        "`sum(p * z - p ** 2 / 2, -1) - sum(y * z, -1) + 1 / 2` with p = sparsemax(z), for "
        "logits z and one-hot y.",
    ),
    "WeightedKappaLoss": gone(
        ["WeightedKappaLoss"],
        "Write it with `keras.ops`: the weighted disagreement of a batch over the disagreement "
        "that its margins would have by chance.",
    )["WeightedKappaLoss"],
}
"""Fates by name."""
