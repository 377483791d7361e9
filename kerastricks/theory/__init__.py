"""The mathematics behind the tricks: numbers in, numbers out, no framework needed."""

from kerastricks.theory.born_dead import born_dead_probability
from kerastricks.theory.correlation import (
    correlation_map,
    correlation_through_depth,
    tailored_slope,
)
from kerastricks.theory.dropout import dropout_variance_shift
from kerastricks.theory.fans import compute_fans
from kerastricks.theory.gain import gain
from kerastricks.theory.mean_field import depth_scale
from kerastricks.theory.variance import variance_through_depth
from kerastricks.theory.variance_scaling import (
    TRUNCATED_NORMAL_STDDEV,
    asymmetric_stddev,
    he_stddev,
    lecun_stddev,
    rectifier_gain,
    xavier_stddev,
)

__all__ = [
    "TRUNCATED_NORMAL_STDDEV",
    "asymmetric_stddev",
    "born_dead_probability",
    "compute_fans",
    "correlation_map",
    "correlation_through_depth",
    "depth_scale",
    "dropout_variance_shift",
    "gain",
    "he_stddev",
    "lecun_stddev",
    "rectifier_gain",
    "tailored_slope",
    "variance_through_depth",
    "xavier_stddev",
]
