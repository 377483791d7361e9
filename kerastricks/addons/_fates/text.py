"""The operations on text of TensorFlow Addons."""

from kerastricks.addons._fates.fate import Fate, gone, nothing

FATES: dict[str, Fate] = {
    **gone(
        "CRFModelWrapper CrfDecodeForwardRnnCell crf crf_binary_score crf_constrained_decode "
        "crf_decode crf_decode_backward crf_decode_forward crf_filtered_inputs crf_forward "
        "crf_log_likelihood crf_log_norm crf_multitag_sequence_score crf_sequence_score "
        "crf_unary_score",
        "Structured prediction is no part of this package. Train such a model where it was "
        "written, or let the network end in per-token logits and decode them outside.",
    ),
    "viterbi_decode": nothing("It was numpy: a dozen lines over the scores and the transitions."),
    "parse_time": nothing("Parse times while the data are read: `datetime.strptime`, or pandas."),
    **gone(
        "skip_gram_sample skip_gram_sample_with_text_vocab",
        "Draw pairs of words while the data are read, with numpy.",
    ),
}
"""Fates by name."""
