"""All faults, in ten families and one beside them."""

from _accuracy.network_faults import NETWORK_FAULTS
from _accuracy.task_faults import TASK_FAULTS

FAULTS = {**NETWORK_FAULTS, **TASK_FAULTS}
"""Faults by name."""
