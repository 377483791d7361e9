"""The mathematics behind the tricks: numbers in, numbers out, no framework needed."""

from kerastricks.theory.fans import compute_fans
from kerastricks.theory.variance_scaling import (
    TRUNCATED_NORMAL_STDDEV,
    he_stddev,
    rectifier_gain,
    xavier_stddev,
)

__all__ = [
    "TRUNCATED_NORMAL_STDDEV",
    "compute_fans",
    "he_stddev",
    "rectifier_gain",
    "xavier_stddev",
]
