"""The systems: each holds its networks, its losses and the order of its updates."""
