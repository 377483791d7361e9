"""From numbers taken inside the training step to findings a person can act on."""

from kerastricks.diagnosis.conditions import CONDITIONS
from kerastricks.diagnosis.finding import SEVERITIES, Finding
from kerastricks.diagnosis.observation import (
    ColumnStatistics,
    DropoutStatistics,
    Epoch,
    InputStatistics,
    LayerStatistics,
    Loss,
    NormalizationStatistics,
    Observation,
    OutputStatistics,
    WeightStatistics,
)
from kerastricks.diagnosis.report import Report
from kerastricks.diagnosis.rules import RULES
from kerastricks.diagnosis.vitals import vitals

__all__ = [
    "CONDITIONS",
    "RULES",
    "SEVERITIES",
    "ColumnStatistics",
    "DropoutStatistics",
    "Epoch",
    "Finding",
    "InputStatistics",
    "LayerStatistics",
    "Loss",
    "NormalizationStatistics",
    "Observation",
    "OutputStatistics",
    "Report",
    "WeightStatistics",
    "vitals",
]
