"""What is inferred from images, for methods and for the fits of simulations."""

from frazil.inference.find_poses import find_poses
from frazil.inference.grid_posterior import GridPosterior, finest_shell
from frazil.inference.likelihood import Evidence, FourierDisc, Observed
from frazil.inference.particle_images import ParticleImages
from frazil.inference.pose_search import COARSE_ORDER, PosePosterior, PoseSearch, SearchLevel, search_levels

__all__ = [
    "COARSE_ORDER",
    "Evidence",
    "FourierDisc",
    "GridPosterior",
    "Observed",
    "ParticleImages",
    "PosePosterior",
    "PoseSearch",
    "SearchLevel",
    "find_poses",
    "finest_shell",
    "search_levels",
]
