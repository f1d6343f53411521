"""What a refinement is told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RefineConfig:
    """How a map is refined: how often, from what detail on, how widely it searches."""

    symmetry: str = "C1"
    """Point group in RELION's settings."""
    iterations: int = 30
    """How often poses and map are found anew, each from the other, at most: a refinement that has converged ends."""
    start_resolution: float = 30.0
    """Detail in angstrom to which the starting map is believed; the halves share nothing finer."""
    anneal: int = 0
    """Iterations of deterministic annealing before the halves part, at most: all poses of a coarse grid are weighed
    for all images together, so that a start that is right in its outline alone comes to the shape that they ask for."""
    keep: tuple[int, ...] = (8, 8)
    """Rotations of an image that are followed up after the exhaustive search and after each subdivision."""
    quick: bool = True
    """Choose among candidates by the nearest sample of a finely sampled spectrum, and weigh only the best exactly."""

    def __post_init__(self) -> None:
        for name in ("iterations", "start_resolution"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name):g}")
        if self.anneal < 0:
            raise ValueError(f"anneal must not be negative, it is {self.anneal}")
        if not self.keep or min(self.keep) < 1:
            raise ValueError(f"keep must hold numbers of 1 or more, not {self.keep}")
