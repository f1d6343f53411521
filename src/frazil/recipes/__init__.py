"""Functions that return complete runs: they pick, they never implement."""
