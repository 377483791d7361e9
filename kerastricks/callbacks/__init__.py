"""Callbacks that watch `model.fit`."""

from kerastricks.callbacks.dying_unit_monitor import DyingUnitMonitor
from kerastricks.callbacks.gradient_monitor import GradientMonitor
from kerastricks.callbacks.saturation_monitor import SaturationMonitor
from kerastricks.callbacks.training_doctor import TrainingDoctor

__all__ = ["DyingUnitMonitor", "GradientMonitor", "SaturationMonitor", "TrainingDoctor"]
