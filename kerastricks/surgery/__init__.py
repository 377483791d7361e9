"""Functions that take a built model and return a better one."""

from kerastricks.surgery._trials import Trial
from kerastricks.surgery.fold_batch_norm import fold_batch_norm
from kerastricks.surgery.lsuv import lsuv
from kerastricks.surgery.predict_with_uncertainty import predict_with_uncertainty
from kerastricks.surgery.recalibrate_batch_norm import recalibrate_batch_norm
from kerastricks.surgery.replace_layers import replace_layers
from kerastricks.surgery.treat import treat

__all__ = [
    "Trial",
    "fold_batch_norm",
    "lsuv",
    "predict_with_uncertainty",
    "recalibrate_batch_norm",
    "replace_layers",
    "treat",
]
