"""The optimizers and learning rate schedules of TensorFlow Addons."""

from kerastricks.addons._fates.fate import Fate, gone, here, in_keras, nothing

FATES: dict[str, Fate] = {
    **here(
        "optimizers",
        "AveragedOptimizerWrapper CyclicalLearningRate ExponentialCyclicalLearningRate LAMB "
        "Lookahead MovingAverage RectifiedAdam SWA Triangular2CyclicalLearningRate "
        "TriangularCyclicalLearningRate",
    ),
    **here(
        "optimizers",
        "AdamW DecoupledWeightDecayExtension SGDW extend_with_decoupled_weight_decay",
        "Keras' own `weight_decay=` is multiplied by the learning rate; that of TensorFlow Addons, "
        "and of these, is not.",
    ),
    **here("optimizers", "MultiOptimizer", "Only where Keras has `optimizers.MultiOptimizer`."),
    "KerasLegacyOptimizer": in_keras(
        "optimizers.Optimizer", "Keras 3 has one base class and no legacy one."
    ),
    "LazyAdam": in_keras(
        "optimizers.Adam",
        "The lazy one updated only the rows of embeddings that a batch used; here the moments of "
        "the others decay too.",
    ),
    "ProximalAdagrad": in_keras(
        "optimizers.Ftrl",
        "Adagrad's step sizes with the same two penalties, "
        "`l1_regularization_strength` and `l2_regularization_strength`; the path differs.",
    ),
    **gone(
        "AdaBelief Yogi NovoGrad",
        "A variant of Adam. `kerastricks.addons.optimizers.RectifiedAdam`, or Adam, AdamW or Nadam "
        "of `keras.optimizers`, start from the same settings; none takes the same steps.",
    ),
    "COCOB": nothing(
        "It needed no learning rate. `keras.optimizers.Adafactor` chooses its own step sizes when "
        "`relative_step=True`."
    ),
    "ConditionalGradient": nothing(
        "Constrain the weights instead: `keras.constraints.MaxNorm`, or a constraint of your own, "
        "is applied after each step."
    ),
}
"""Fates by name."""
