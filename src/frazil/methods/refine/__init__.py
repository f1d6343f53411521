"""Refinement: poses and a map, in turns, from a map that is roughly right."""

from frazil.methods.refine.config import RefineConfig
from frazil.methods.refine.half import HalfRefinement
from frazil.methods.refine.method import Refine

__all__ = ["HalfRefinement", "Refine", "RefineConfig"]
