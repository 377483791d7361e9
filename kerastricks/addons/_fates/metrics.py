"""The metrics of TensorFlow Addons."""

from kerastricks.addons._fates.fate import Fate, gone, in_keras, nothing

AFTERWARDS = "It is no mean over batches: compute it on the predictions of the whole set, with "

FATES: dict[str, Fate] = {
    "F1Score": in_keras("metrics.F1Score", "Without `num_classes`: the outputs are counted."),
    "FBetaScore": in_keras("metrics.FBetaScore", "Without `num_classes`: the outputs are counted."),
    "MeanMetricWrapper": in_keras("metrics.MeanMetricWrapper"),
    "RSquare": in_keras(
        "metrics.R2Score",
        "`multioutput` is `class_aggregation`: None for 'raw_values', 'uniform_average' as before, "
        "'variance_weighted_average' for 'variance_weighted'. Outputs are two-dimensional.",
    ),
    **gone("CohenKappa", AFTERWARDS + "`sklearn.metrics.cohen_kappa_score`."),
    **gone("MatthewsCorrelationCoefficient", AFTERWARDS + "`sklearn.metrics.matthews_corrcoef`."),
    **gone(
        "MultiLabelConfusionMatrix", AFTERWARDS + "`sklearn.metrics.multilabel_confusion_matrix`."
    ),
    **gone(
        "PearsonsCorrelation",
        AFTERWARDS + "`scipy.stats.pearsonr`. `keras.metrics.PearsonCorrelation` is the mean of "
        "the correlations within each sample.",
    ),
    **gone("KendallsTauB", AFTERWARDS + "`scipy.stats.kendalltau`."),
    **gone("KendallsTauC", AFTERWARDS + "`scipy.stats.kendalltau(variant='c')`."),
    **gone("SpearmansRank", AFTERWARDS + "`scipy.stats.spearmanr`."),
    **gone(
        "HammingLoss hamming_distance hamming_loss_fn",
        "The share of wrong labels: one less `keras.metrics.BinaryAccuracy(threshold=...)` of "
        "several labels a sample, or `keras.metrics.CategoricalAccuracy` of one.",
    ),
    "GeometricMean": nothing("The exponential of `keras.metrics.Mean` of `keras.ops.log(values)`."),
    "HarmonicMean": nothing("One over `keras.metrics.Mean` of `1 / values`."),
}
"""Fates by name."""
