"""What is inferred for each image, shared by several methods."""

from frazil.inference.pose_search import (
    COARSE_ORDER,
    Evidence,
    FourierDisc,
    PosePosterior,
    PoseSearch,
    SearchLevel,
    search_levels,
)

__all__ = [
    "COARSE_ORDER",
    "Evidence",
    "FourierDisc",
    "PosePosterior",
    "PoseSearch",
    "SearchLevel",
    "search_levels",
]
