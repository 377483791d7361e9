"""What became of each public name of TensorFlow Addons 0.23: for errors, `check` and the page."""

from kerastricks.addons._fates.fate import ROOT, Fate
from kerastricks.addons._fates.lookup import COVERED, Found, grouped, look_up
from kerastricks.addons._fates.page import markdown
from kerastricks.addons._fates.table import FATES

__all__ = ["COVERED", "FATES", "ROOT", "Fate", "Found", "grouped", "look_up", "markdown"]
