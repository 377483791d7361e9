"""From numbers taken inside the training step to findings a person can act on."""

from kerastricks.diagnosis.conditions import CONDITIONS
from kerastricks.diagnosis.finding import SEVERITIES, Finding
from kerastricks.diagnosis.observation import LayerStatistics, Observation, WeightStatistics
from kerastricks.diagnosis.report import Report
from kerastricks.diagnosis.rules import RULES

__all__ = [
    "CONDITIONS",
    "RULES",
    "SEVERITIES",
    "Finding",
    "LayerStatistics",
    "Observation",
    "Report",
    "WeightStatistics",
]
