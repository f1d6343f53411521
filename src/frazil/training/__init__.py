"""The one loop of all methods, and the folder that a run leaves."""

from frazil.training.checkpoint import checkpoints, newest
from frazil.training.fit import FitSettings, Interrupted, fit
from frazil.training.launch import choose_device
from frazil.training.run_folder import RunFolder

__all__ = ["FitSettings", "Interrupted", "RunFolder", "checkpoints", "choose_device", "fit", "newest"]
