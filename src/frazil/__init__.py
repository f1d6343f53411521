"""Generative cryo-EM on one differentiable model of the microscope."""

__version__ = "0.1.0"
